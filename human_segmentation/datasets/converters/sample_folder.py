"""What every converter writes: a folder of list files and masks that appears whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import DataError
from human_segmentation.files import whole_folder
from human_segmentation.photos import read_photo, write_photo


@dataclass(frozen=True)
class Written:
    """A list file that was written.

    Attributes:
        path: The list file.
        samples: Number of its rows.
        note: What the user should know besides; empty for nothing.
    """

    path: Path
    samples: int
    note: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.samples} samples" + (f"; {self.note}" if self.note else "")


@dataclass
class SampleFolder:
    """A folder that is being filled with samples.

    Attributes:
        path: Where the folder's files go for now.
        rows: The rows of every list file.
    """

    path: Path
    rows: dict[str, list[str]] = field(default_factory=dict)

    def add(self, image: Path, mask: NDArray[np.uint8] | None, list_name: str = "list.txt") -> None:
        """Writes a mask and the row of its sample.

        Args:
            image: The photo, anywhere; the list names it relative to this folder.
            mask: uint8 [H, W] of the photo's size; None for a photo without people.
            list_name: The list file that the row goes to.

        Raises:
            DataError: The photo cannot be read, has another size than the mask, or has a name that no list can hold.
        """
        shape = read_photo(image).shape[:2]
        row = Path(os.path.relpath(image.resolve(), self.path)).as_posix()
        if row.splitlines() != [row] or row.encode(errors="replace").decode() != row:
            raise DataError(f"{str(image)!r}: the name has characters that no list file can hold; rename the photo")
        if mask is not None:
            if mask.shape != shape:
                raise DataError(
                    f"{image}: the photo has {shape[1]}x{shape[0]} pixels and its annotation "
                    f"{mask.shape[1]}x{mask.shape[0]}; give the photo that was annotated"
                )
            # The number keeps photos of the same name in different folders apart.
            number = sum(map(len, self.rows.values()))
            label = f"masks/{number:06d}_{image.stem}.png"
            write_photo(self.path / label, mask)
            row += (" " if len(f"{row}{label}".split()) == 1 else "\t") + label
        self.rows.setdefault(list_name, []).append(row)


@contextlib.contextmanager
def sample_folder(target: Path) -> Iterator[SampleFolder]:
    """A folder to fill with samples; it takes the place of `target` when the block ends, and goes when the block fails.

    Raises:
        OutputError: The folder cannot be written, or `target` holds other files.
    """
    with whole_folder(target) as partial:
        folder = SampleFolder(partial)
        yield folder
        for name, rows in folder.rows.items():
            (partial / name).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
