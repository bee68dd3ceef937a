"""List files: one sample a row, `image label`, or `image` alone for a photo without people.

Rows may have Windows line ends, and paths may have spaces: where a row has more than one space, it is split where both
parts are files; a tab, if there is one, always separates.
"""

from dataclasses import dataclass
from pathlib import Path

from human_segmentation.errors import DataError

MAX_NAMED = 10


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
        raise DataError(f"{list_file}: the list file cannot be read ({error}); give the path of a text file") from error
    samples: list[Sample] = []
    missing: list[str] = []
    for row in text.splitlines():
        if not row.strip():
            continue
        sample = _split_row(row.strip(), data_dir)
        if sample is None:
            missing.append(row.strip())
        else:
            samples.append(sample)
    if missing:
        named = "; ".join(missing[:MAX_NAMED]) + ("; ..." if len(missing) > MAX_NAMED else "")
        raise DataError(
            f"{list_file}: {len(missing)} rows name files that are not in {data_dir} ({named}); "
            "correct the rows or the data folder"
        )
    if not samples:
        raise DataError(f"{list_file}: the list has no rows; write one 'image label' a row")
    return samples


def _split_row(row: str, data_dir: Path) -> Sample | None:
    """The sample of a row, or None where a file is missing."""
    separator = "\t" if "\t" in row else " "
    parts = row.split(separator)
    for cut in range(1, len(parts)):
        image = data_dir / separator.join(parts[:cut]).strip()
        label = data_dir / separator.join(parts[cut:]).strip()
        if image.is_file() and label.is_file():
            return Sample(image, label)
    image = data_dir / row
    return Sample(image, None) if image.is_file() else None
