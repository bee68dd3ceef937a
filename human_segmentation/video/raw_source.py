"""Frames as bare bytes, from another program."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import BinaryIO

import numpy as np

from human_segmentation.errors import DataError
from human_segmentation.video.frames import Frame, Source
from human_segmentation.video.media import WHOLE, Span


class RawSource(Source):
    """Frames that come one after the other, three bytes a pixel, blue first; what FFmpeg calls rawvideo in bgr24.

    Args:
        stream: Where they come from.
        size: Width and height.
        rate: Frames a second.
        span: The part that is wanted.

    Raises:
        DataError: From the iterator, when not one frame is whole.
    """

    def __init__(self, stream: BinaryIO, size: tuple[int, int], rate: Fraction, span: Span = WHOLE) -> None:
        self._stream = stream
        self._size = size
        self.rate = rate
        self.time_base = 1 / rate
        self._first, self._behind = span.units(self.time_base)
        if self._behind is not None:
            self.length = self._behind - self._first
        self._rest = 0

    def __iter__(self) -> Iterator[Frame]:
        width, height = self._size
        pts = -1
        for pts, data in enumerate(islice(self._frames(3 * width * height), self._first, self._behind)):
            yield Frame(np.frombuffer(data, np.uint8).reshape(height, width, 3), pts, float(pts * self.time_base))
        if pts < 0:
            raise DataError(f"standard input: no frame of {width}x{height} pixels came; check --raw_size and --start")

    def _frames(self, size: int) -> Iterator[bytes]:
        while len(data := self._stream.read(size)) == size:
            yield data
        self._rest = len(data)

    def notes(self) -> list[str]:
        """See `Source`."""
        if not self._rest:
            return []
        return [f"standard input: {self._rest} bytes at the end are no whole frame and were left out; check --raw_size"]
