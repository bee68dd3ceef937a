"""`infer` (infer.py): masks, scores and cut-outs of photos."""

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from human_segmentation.cli.common import add_model_arguments, build_any_predictor
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
    add_model_arguments(parser)
    parser.add_argument("--data_dir", type=Path, default=Path(), help="folder that the list's paths are relative to")
    parser.add_argument("--test_list", type=Path, required=True, help="list of photos; labels in it are not used")
    parser.add_argument("--save_dir", type=Path, default=Path("output/result"), help="folder for the results")


def run(args: argparse.Namespace) -> int:
    """Writes `added/` (overlay), `scoremap/` (grey) and `mat/` (RGBA PNG), each with the photo's own path.

    The overlay has a colour for each class, the other two show the whole person.
    """
    from human_segmentation.datasets.list_file import read_list

    predictor, colors = build_any_predictor(args), class_colors()
    samples = read_list(args.test_list, args.data_dir)
    for sample in tqdm(samples, desc="infer", disable=None):
        photo = read_photo(sample.image)
        alpha, classes = predictor.segment(photo)
        name = sample.image.relative_to(args.data_dir)
        score = (255 * alpha).round().astype(np.uint8)
        painted = PHOTO_SHARE * photo + (1 - PHOTO_SHARE) * colors[classes]
        marked = np.where(classes[..., None] > 0, painted, photo)
        write_photo(args.save_dir / "added" / name, marked.astype(np.uint8))
        write_photo(args.save_dir / "scoremap" / name, score)
        write_photo(args.save_dir / "mat" / name.with_suffix(".png"), cv2.merge([*cv2.split(photo), score]))
    print(f"{args.save_dir}: {len(samples)} photos")
    return 0
