"""List files: one sample a row, `image label`, or `image` alone for a photo without people.

Rows may have the line ends and the backslashes of Windows, and paths may have spaces: where a row has more than one
space, it is split where both parts are files; a tab, if there is one, always separates.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from human_segmentation.errors import DataError

MAX_NAMED = 10
MAX_SHOWN = 200
"""Characters of a row that an error shows."""
MAX_ROW = 2 * 4096
"""Characters of a row; two paths of the greatest length that Linux takes."""


@dataclass(frozen=True)
class Sample:
    """One photo and its label.

    Attributes:
        image: Path of the photo.
        label: Path of the mask or alpha; None for a photo without people.
    """

    image: Path
    label: Path | None


def read_list(list_file: Path, data_dir: Path) -> list[Sample]:
    """Reads a list file and finds every file that it names.

    Args:
        list_file: The list.
        data_dir: The folder that its paths are relative to.

    Raises:
        DataError: The list is missing or empty, or files that it names are missing (all are counted, ten are named).
    """
    try:
        text = list_file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or error) if isinstance(error, OSError) else "it is no UTF-8"
        raise DataError(
            f"{list_file}: the list file cannot be read ({reason}); give the path of a text file"
        ) from error
    samples: list[Sample] = []
    missing: list[str] = []
    for row in text.splitlines():
        if not row.strip():
            continue
        sample = _split_row(row.strip(), data_dir) if len(row) <= MAX_ROW else None
        if sample is None:
            missing.append(_not_found(row.strip(), data_dir))
        else:
            samples.append(sample)
    if missing:
        shown = [row if len(row) <= MAX_SHOWN else f"{row[:MAX_SHOWN]}..." for row in missing[:MAX_NAMED]]
        named = "; ".join(shown) + ("; ..." if len(missing) > MAX_NAMED else "")
        raise DataError(
            f"{list_file}: {len(missing)} rows name files that are not in {data_dir} ({named}); "
            "correct the rows or the data folder"
        )
    if not samples:
        raise DataError(f"{list_file}: the list has no rows; write one 'image label' a row")
    return samples


def read_lists(lists: Sequence[tuple[Path, Path]]) -> list[list[Sample]]:
    """Reads several list files, each with the folder that its paths are relative to.

    Raises:
        DataError: What `read_list` raises, of all of them at once.
    """
    samples, errors = [], []
    for list_file, data_dir in lists:
        try:
            samples.append(read_list(list_file, data_dir))
        except DataError as error:
            errors.append(str(error))
    if errors:
        raise DataError("; ".join(errors))
    return samples


def _not_found(row: str, data_dir: Path) -> str:
    """What is missing of a row, or the row itself where that cannot be told."""
    parts = row.split(_separator(row))
    names = [name for part in parts if not _find(data_dir, name := part.strip())] if len(parts) == 2 else []
    return " ".join(names) or row


def _separator(row: str) -> str:
    return "\t" if "\t" in row else " "


def _split_row(row: str, data_dir: Path) -> Sample | None:
    """The sample of a row, or None where a file is missing."""
    separator = _separator(row)
    parts = row.split(separator)
    for cut in range(1, len(parts)):
        image = _find(data_dir, separator.join(parts[:cut]).strip())
        label = _find(data_dir, separator.join(parts[cut:]).strip()) if image else None
        if image and label:
            return Sample(image, label)
    image = _find(data_dir, row)
    return Sample(image, None) if image else None


def _find(data_dir: Path, name: str) -> Path | None:
    """The file of this name, or else of the name that it has where folders are separated by slashes."""
    for path in (data_dir / name, data_dir / name.replace("\\", "/")):
        # Of a name that is too long, or in a folder that is closed, pathlib's own raises an error.
        if os.path.isfile(path):  # noqa: PTH113
            return path
    return None
