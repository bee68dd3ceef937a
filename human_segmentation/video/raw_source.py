"""Frames as bare bytes, from another program."""

import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from queue import SimpleQueue
from typing import BinaryIO

import numpy as np

from human_segmentation.errors import DataError
from human_segmentation.video.frames import Frame, Source
from human_segmentation.video.media import WHOLE, Span


class RawSource(Source):
    """Frames that come one after the other, three bytes a pixel, blue first; what FFmpeg calls rawvideo in bgr24.

    Args:
        stream: Where they come from, without a buffer: a thread that waits for one holds its lock, and the program
            could not end.
        size: Width and height.
        rate: Frames a second.
        span: The part that is wanted.

    Raises:
        DataError: From the iterator, when not one frame is whole, or nothing can be read.
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
        self._arrived: SimpleQueue[bytearray | OSError | None] = SimpleQueue()
        self._cancelled = False
        self._room = threading.Semaphore(2)

    def __iter__(self) -> Iterator[Frame]:
        width, height = self._size
        pts = -1
        for pts, data in enumerate(islice(self._frames(3 * width * height), self._first, self._behind)):
            yield Frame(np.frombuffer(data, np.uint8).reshape(height, width, 3), pts, float(pts * self.time_base))
        if pts < 0 and not self._cancelled:
            raise DataError(f"standard input: no frame of {width}x{height} pixels came; check --raw_size and --start")

    def _frames(self, size: int) -> Iterator[bytearray]:
        """The whole frames. A thread of their own reads them, as nothing ends the wait for a program that is silent."""
        threading.Thread(target=self._read, args=(size,), daemon=True).start()
        while isinstance(data := self._arrived.get(), bytearray) and len(data) == size:
            self._room.release()
            yield data
        if isinstance(data, OSError):
            raise DataError(f"standard input: it cannot be read ({data.strerror}); let a program write to it")
        self._rest = len(data or ())

    def _read(self, size: int) -> None:
        whole = True
        while whole:
            self._room.acquire()
            data = bytearray()
            try:
                while len(data) < size and (block := self._stream.read(size - len(data))):
                    data += block
            except OSError as error:
                self._arrived.put(error)
                return
            self._arrived.put(data)
            whole = len(data) == size

    def cancel(self) -> None:
        """See `Source`."""
        self._cancelled = True
        self._arrived.put(None)

    def notes(self) -> list[str]:
        """See `Source`."""
        if not self._rest:
            return []
        return [f"standard input: {self._rest} bytes at the end are no whole frame and were left out; check --raw_size"]
