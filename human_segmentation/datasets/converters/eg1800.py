"""EG1800 as PortraitNet used it: a folder of portraits, a folder of labels, and a list of names for each split."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from human_segmentation.datasets.converters.sample_folder import Written, sample_folder
from human_segmentation.errors import DataError
from human_segmentation.photos import read_photo

LISTS = {"eg1800_train.txt": "train.txt", "eg1800_test.txt": "val.txt"}


def convert_eg1800(source: Path, target: Path) -> list[Written]:
    """Writes a mask for every portrait, and train.txt and val.txt.

    Many portraits have gone from where they were shared: those missing are counted and left out.

    Args:
        source: The folder with `Images` (or `image`), `Labels` (or `mask`) and the two lists.
        target: The folder to write.

    Raises:
        DataError: A folder, a list or a label is missing or broken, or none of a list's portraits is there.
        OutputError: The folder cannot be written.
    """
    photos = _by_stem(source, "Images", "image")
    labels = _by_stem(source, "Labels", "mask")
    written = []
    with sample_folder(target) as folder:
        for given, name in LISTS.items():
            stems = _stems(source / given)
            there = [stem for stem in stems if stem in photos]
            if not there:
                raise DataError(f"{source / given}: none of its {len(stems)} portraits is there; add the portraits")
            for stem in tqdm(there, desc=name, disable=None):
                if stem not in labels:
                    raise DataError(f"{photos[stem]}: has no label; add it to the labels or take it out of {given}")
                person = read_photo(labels[stem]).any(axis=2)
                folder.add(photos[stem], np.where(person, np.uint8(255), np.uint8(0)), name)
            missing = len(stems) - len(there)
            note = f"{missing} of {len(stems)} portraits are missing and left out" if missing else ""
            written.append(Written(target / name, len(there), note))
    return written


def _by_stem(source: Path, *names: str) -> dict[str, Path]:
    """The files of the first of the folders that is there, by their names without suffix."""
    for name in names:
        if (source / name).is_dir():
            return {path.stem: path for path in sorted((source / name).glob("*"))}
    raise DataError(f"{source}: has no folder {' or '.join(names)}; give the folder of EG1800")


def _stems(path: Path) -> list[str]:
    """The names that a list holds, without suffix."""
    try:
        rows = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the list cannot be read ({error}); give the folder of EG1800") from error
    return [Path(row.strip()).stem for row in rows if row.strip()]
