"""Where pictures go: what every sink does, and photos. Each is a context manager with `write`."""

from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from human_segmentation.photos import write_photo
from human_segmentation.video.numbered import numbered, numbers_of


class Sink:
    """What the loop writes to: a context manager that takes pictures."""

    def __enter__(self) -> "Sink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def write(self, image: NDArray[np.uint8], pts: int) -> bool:
        """Takes one picture.

        Args:
            image: uint8 [H, W, 3] BGR, or [H, W, 4] BGRA, whose colours are not multiplied with its alpha.
            pts: Its time in units of the source's time base.

        Returns:
            Whether the loop is to go on.
        """
        raise NotImplementedError

    def complete(self) -> None:
        """Says that the source has no more frames, after all of them were written."""

    def notes(self) -> list[str]:
        """What was wrong with what was written, each in one sentence."""
        return []


class PhotoSink(Sink):
    """Writes one picture as a photo."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, image: NDArray[np.uint8], pts: int) -> bool:
        """See `Sink`. Raises `OutputError` where the photo cannot be written."""
        write_photo(self._path, image)
        return True


class PhotosSink(Sink):
    """Writes every picture as a photo of its own, numbered from 1; each appears whole or not at all.

    Args:
        path: The files, with the place of the number in the name as in `frames/%05d.png`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def write(self, image: NDArray[np.uint8], pts: int) -> bool:
        """See `Sink`. Raises `OutputError` where a photo cannot be written."""
        self._count += 1
        write_photo(numbered(self._path, self._count), image)
        return True

    def notes(self) -> list[str]:
        """See `Sink`."""
        others = sum(number > self._count for number in numbers_of(self._path))
        return [f"{self._path}: {others} photos with higher numbers were there before"] if others else []
