"""Photos that are the frames of a video, by names such as `frames/%05d.png`."""

import re
from itertools import pairwise
from pathlib import Path

from human_segmentation.errors import DataError
from human_segmentation.photos import has_writer

_NUMBER = re.compile(r"%(0\d+)?d")


def is_numbered(path: Path) -> bool:
    """Whether this is the name of numbered photos."""
    return _NUMBER.search(path.name) is not None and has_writer(path.name)


def numbered(path: Path, number: int) -> Path:
    """The photo of a number."""
    return path.with_name(_NUMBER.sub(lambda place: f"{number:{place[1] or ''}d}", path.name))


def numbers_of(path: Path) -> list[int]:
    """The numbers of the photos that there are of a name, from the lowest to the highest."""
    parts = re.split(_NUMBER.pattern.replace("(", "(?:"), path.name)
    name = re.compile(r"(\d+)".join(map(re.escape, parts)))
    there = {entry.name for entry in path.parent.iterdir()} if path.parent.is_dir() else set()
    numbers = {int(match[1]) for match in map(name.fullmatch, there) if match}
    return sorted(number for number in numbers if numbered(path, number).name in there)


def numbered_photos(path: Path) -> list[Path]:
    """All photos that there are of a name, from the lowest number to the highest.

    Raises:
        DataError: There are none, or one in between is missing.
    """
    numbers = numbers_of(path)
    if not numbers:
        raise DataError(f"{path}: there are no such photos; give the name of numbered ones, such as frames/%05d.png")
    photos = [numbered(path, number) for number in numbers]
    for before, after in pairwise(numbers):
        if after != before + 1:
            raise DataError(
                f"{numbered(path, before + 1)}: there is no such photo between {photos[0].name} and {photos[-1].name}; "
                "put it there, or give the photos new numbers"
            )
    return photos
