"""What stands behind the person: a colour, a picture or a video."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import DataError
from human_segmentation.photos import read_photo
from human_segmentation.video.frames import Frame
from human_segmentation.video.media import Media
from human_segmentation.video.video_source import VideoSource

AT_ONCE = 2
"""So many frames of a background video are decoded between two frames of a camera, which would wait for more."""


class Background(ABC):
    """What composites are made on."""

    @abstractmethod
    def __call__(self, frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The background of a frame.

        Args:
            frame: The frame.
            alpha: float32 [H, W] in [0, 1], its alpha.

        Returns:
            uint8 [H, W, 3] BGR at the size of the frame.
        """

    def notes(self) -> list[str]:
        """What was wrong with it up to here, each in one sentence."""
        return []


def cover(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Crops the middle of a picture and scales it to `size` (width, height), by the same factor in both directions."""
    zoom = max(size[0] / image.shape[1], size[1] / image.shape[0])
    width, height = (max(1, round(side / zoom)) for side in size)
    left, top = (image.shape[1] - width) // 2, (image.shape[0] - height) // 2
    part = image[top : top + height, left : left + width]
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)


class ImageBackground(Background):
    """A picture that covers the frame.

    Args:
        image: uint8 [H, W, 3] BGR, any size.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._image = image
        self._covering = image

    def __call__(self, frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
        """See `Background`."""
        if self._covering.shape != frame.image.shape:
            self._covering = cover(self._image, frame.image.shape[1::-1])
        return self._covering


def image_file(path: Path) -> ImageBackground:
    """A photo as background. Raises what `read_photo` raises."""
    return ImageBackground(read_photo(path))


def color(text: str) -> ImageBackground:
    """A plain colour.

    Args:
        text: "#rrggbb", the leading sign optional.

    Raises:
        DataError: The text is no such colour.
    """
    digits = text.removeprefix("#")
    if not re.fullmatch("[0-9a-fA-F]{6}", digits):
        raise DataError(f"--background_color {text}: this is no colour; write it as #rrggbb, such as #00b140")
    red, green, blue = bytes.fromhex(digits)
    return ImageBackground(np.full((1, 1, 3), (blue, green, red), np.uint8))


class VideoBackground(Background):
    """A video that covers the frame, in its own time, from the start again when it ends.

    Args:
        path: The video.
        live: Whether it goes on where it was after it was not seen for a while, or could not keep up.

    Raises:
        DataError: The video cannot be read.
    """

    def __init__(self, path: Path, live: bool = False) -> None:
        if Media(path).pipe:
            raise DataError(f"{path}: a background video begins again where it ends, which a pipe cannot; give a file")
        self._path = path
        self._live = live
        self._late = 0.0
        self._notes: Callable[[], list[str]] = list
        self._frames = self._endless()
        self._shown = next(self._frames)
        self._coming = next(self._frames)
        self._covering = self._shown.image

    def _endless(self) -> Iterator[Frame]:
        start = 0.0
        while True:
            with VideoSource(self._path) as source:
                if start == 0:  # the same is wrong every time
                    self._notes = source.notes
                step = float(1 / (source.rate or 25))
                end = 0.0
                for frame in source:
                    yield Frame(frame.image, frame.pts, start + frame.time)
                    end = frame.time
                if start == end == 0:  # one picture stands still
                    yield Frame(frame.image, frame.pts, math.inf)
                start += source.end or end + step

    def __call__(self, frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
        """See `Background`."""
        shown, taken = self._shown, 0
        now = frame.time - self._late
        while self._coming.time <= now + 1e-3:  # sums of frame times are not exact
            if self._live and taken == AT_ONCE:
                self._late += now - self._shown.time
                break
            self._shown, self._coming = self._coming, next(self._frames)
            taken += 1
        if self._shown is not shown or self._covering.shape != frame.image.shape:
            self._covering = cover(self._shown.image, frame.image.shape[1::-1])
        return self._covering

    def notes(self) -> list[str]:
        """See `Background`."""
        return self._notes()
