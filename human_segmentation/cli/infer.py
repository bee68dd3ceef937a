"""`infer` (infer.py): masks, scores and cut-outs of photos."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from human_segmentation.cli.common import add_any_model_arguments, build_any_predictor
from human_segmentation.cli.outputs import result_suffix
from human_segmentation.datasets.list_file import Sample, read_list
from human_segmentation.errors import DataError
from human_segmentation.photos import read_photo, write_photo

PHOTO_SHARE = 0.6


def class_colors() -> NDArray[np.float32]:
    """The colours of classes in the overlay, float32 [256, 3] BGR: Pascal VOC's, which PaddleX has too."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    # Every third bit of the number is of one channel, the lowest bits are the highest of red, green and blue.
    red, green, blue = (np.packbits(bits[:, channel::3], axis=1) for channel in range(3))
    return np.hstack([blue, green, red]).astype(np.float32)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleX 1.3's infer.py, and ours."""
    add_any_model_arguments(parser)
    parser.add_argument("--data_dir", type=Path, default=Path(), help="folder that the list's paths are relative to")
    parser.add_argument("--test_list", type=Path, required=True, help="list of photos; labels in it are not used")
    parser.add_argument("--save_dir", type=Path, default=Path("output/result"), help="folder for the results")


def run(args: argparse.Namespace) -> int:
    """Writes `added/` (overlay), `scoremap/` (grey) and `mat/` (RGBA PNG), each with the photo's own path.

    That is the path below `--data_dir`; where the list also names photos elsewhere, it is the one below the deepest
    folder that holds all of them and `--data_dir`.

    The overlay has a colour for each class, the other two show the whole person.
    """
    results = plan_results(read_list(args.test_list, args.data_dir), args.data_dir, args.save_dir)
    predictor, colors = build_any_predictor(args), class_colors()
    for path, (added, scoremap, mat) in tqdm(results.items(), desc="infer", disable=None):
        photo = read_photo(path)
        alpha, classes = predictor.segment(photo)
        score = (255 * alpha).round().astype(np.uint8)
        painted = PHOTO_SHARE * photo + (1 - PHOTO_SHARE) * colors[classes]
        marked = np.where(classes[..., None] > 0, painted, photo)
        write_photo(added, marked.astype(np.uint8))
        write_photo(scoremap, score)
        write_photo(mat, cv2.merge([*cv2.split(photo), score]))
    print(f"{args.save_dir}: {len(results)} photos")
    return 0


def plan_results(samples: Sequence[Sample], data_dir: Path, save_dir: Path) -> dict[Path, tuple[Path, Path, Path]]:
    """The files in `added`, `scoremap` and `mat` for each photo, see `run`.

    Raises:
        DataError: Two photos would have the same cut-out, or a result would overwrite a file that the list names.
    """
    given = {path.resolve() for sample in samples for path in (sample.image, sample.label) if path}
    # Links are not followed here: a photo keeps the name by which the list knows it.
    full = {sample.image: Path(os.path.abspath(sample.image)) for sample in samples}  # noqa: PTH100
    root = os.path.commonpath([os.path.abspath(data_dir), *full.values()])  # noqa: PTH100
    results: dict[Path, tuple[Path, Path, Path]] = {}
    owners: dict[Path, Path] = {}
    for photo, path in full.items():
        name = path.relative_to(root)
        mat = save_dir / "mat" / name.with_suffix(".png")
        picture = name.with_suffix(result_suffix(photo))
        results[photo] = save_dir / "added" / picture, save_dir / "scoremap" / picture, mat
        owner = owners.setdefault(mat, photo)
        if not owner.samefile(photo):
            raise DataError(f"{owner} and {photo}: both cut-outs would be {mat}; rename one or take it out of the list")
        for result in results[photo]:
            if result.resolve() in given:
                raise DataError(f"{result}: the result would overwrite what the list names; choose another --save_dir")
    return results
