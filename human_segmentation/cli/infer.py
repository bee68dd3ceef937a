"""`infer` (infer.py): masks, scores and cut-outs of photos."""

import argparse
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from human_segmentation.cli.common import add_model_arguments, build_any_predictor
from human_segmentation.photos import read_photo, write_photo

MARK = np.array((0, 0, 128), np.float32)
"""Colour of the person in the overlay, BGR."""
PHOTO_SHARE = 0.6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleX 1.3's infer.py, and ours."""
    add_model_arguments(parser)
    parser.add_argument("--data_dir", type=Path, default=Path(), help="folder that the list's paths are relative to")
    parser.add_argument("--test_list", type=Path, required=True, help="list of photos; labels in it are not used")
    parser.add_argument("--save_dir", type=Path, default=Path("output/result"), help="folder for the results")


def run(args: argparse.Namespace) -> int:
    """Writes `added/` (overlay), `scoremap/` (grey) and `mat/` (RGBA PNG), each with the photo's own path."""
    from human_segmentation.datasets.list_file import read_list

    predictor = build_any_predictor(args)
    samples = read_list(args.test_list, args.data_dir)
    for sample in tqdm(samples, desc="infer", disable=None):
        photo = read_photo(sample.image)
        alpha = predictor.alpha(photo)
        name = sample.image.relative_to(args.data_dir)
        score = (255 * alpha).round().astype(np.uint8)
        marked = np.where(alpha[..., None] > 0.5, PHOTO_SHARE * photo + (1 - PHOTO_SHARE) * MARK, photo)
        write_photo(args.save_dir / "added" / name, marked.astype(np.uint8))
        write_photo(args.save_dir / "scoremap" / name, score)
        write_photo(args.save_dir / "mat" / name.with_suffix(".png"), cv2.merge([*cv2.split(photo), score]))
    print(f"{args.save_dir}: {len(samples)} photos")
    return 0
