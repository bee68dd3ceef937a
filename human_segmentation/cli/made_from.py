"""What a result is made from is never overwritten."""

import argparse
from pathlib import Path

from human_segmentation.cli.inputs import input_path
from human_segmentation.errors import DataError
from human_segmentation.photos import is_photo
from human_segmentation.video.numbered import is_numbered, numbered, numbers_of


def photos_in(folder: Path) -> list[Path]:
    """The photos in a folder, sorted by name; what is none is passed over."""
    return [path for path in sorted(folder.iterdir()) if path.is_file() and is_photo(path)]


def check_overwriting(args: argparse.Namespace, output: Path) -> None:
    """Makes sure that a result leaves the input and the background alone, by whatever names they go.

    Args:
        args: The arguments, which name one input; the background's flags are of some commands only.
        output: The file for the result, or the name of numbered photos.

    Raises:
        DataError: It would take the place of one of their files.
    """
    backgrounds = (getattr(args, f"background_{kind}_path", None) for kind in ("image", "video"))
    old = {_identity(file) for file in _files(output)}
    for place in (input_path(args), *backgrounds):
        for file in _files(place) if isinstance(place, Path) else ():
            if _identity(file) in old:
                raise DataError(
                    f"{output}: the result would overwrite {file}, which it is made from; choose another --output or "
                    "--save_dir"
                )


def _files(place: Path) -> list[Path]:
    """What is there of a file, of numbered photos, or of the photos in a folder."""
    if place.is_dir():
        return photos_in(place)
    photos = [numbered(place, number) for number in numbers_of(place)] if is_numbered(place) else []
    return [file for file in (place, *photos) if file.exists()]


def _identity(file: Path) -> tuple[int, int]:
    """The same for all names of a file, as by links."""
    status = file.stat()
    return status.st_dev, status.st_ino
