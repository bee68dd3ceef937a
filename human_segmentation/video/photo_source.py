"""Frames from photos."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from human_segmentation.errors import DataError
from human_segmentation.photos import read_photo
from human_segmentation.video.fit import FirstSize
from human_segmentation.video.frames import Frame, Source
from human_segmentation.video.media import WHOLE, Span
from human_segmentation.video.numbered import numbered_photos


class PhotoSource(Source):
    """One frame from a photo. Raises what `read_photo` raises."""

    def __init__(self, path: Path) -> None:
        self._image = read_photo(path)
        self.length = 1

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(self._image, 0, 0.0)


class PhotosSource(Source):
    """Numbered photos as the frames of a video, from the lowest number to the highest.

    Args:
        path: The files, with the place of the number in the name as in `frames/%05d.png`.
        rate: Frames a second.
        span: The part that is wanted.

    Raises:
        DataError: There are no such photos, or one of them is missing; from the iterator, what `read_photo` raises.
    """

    def __init__(self, path: Path, rate: Fraction, span: Span = WHOLE) -> None:
        self.rate = rate
        self.time_base = 1 / rate
        first, behind = span.units(self.time_base)
        self._paths = numbered_photos(path)[first:behind]
        if not self._paths:
            raise DataError(f"{path}: there are no photos between --start and --end; leave them out")
        self.length = len(self._paths)
        self._path = path
        self._first_size = FirstSize()

    def __iter__(self) -> Iterator[Frame]:
        for pts, path in enumerate(self._paths):
            time = float(pts * self.time_base)
            yield Frame(self._first_size(read_photo(path), time), pts, time)

    def notes(self) -> list[str]:
        """See `Source`."""
        return [f"{self._path}: {note}" for note in self._first_size.notes]
