"""`export` (export.py): writes a trained model for deployment."""

import argparse
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from human_segmentation.export.parity import Parity


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `paddlex --export_inference`, and ours."""
    parser.add_argument("--model_dir", "-m", type=Path, required=True, help="folder of the trained model")
    parser.add_argument(
        "--save_dir", "-s", type=Path, default=Path("output/export"), help="folder for the exported model"
    )
    parser.add_argument(
        "--fixed_input_shape",
        "-fs",
        type=_shape,
        metavar="[W,H]",
        help="the only size that the exported model takes; default: any",
    )
    parser.add_argument("--fixed_batch_size", type=int, metavar="N", help="photos at once; default: any number")
    parser.add_argument("--output_op", choices=("softmax", "argmax"), help="scores (default), or classes")
    parser.add_argument(
        "--format",
        choices=("paddle", "paddlex3"),
        default="paddle",
        help="paddle (default): for the engines here, Paddle Lite and browsers; paddlex3: for PaddleX 3, with classes",
    )
    parser.add_argument("--photos", type=Path, nargs="+", default=[], help="more photos to compare engines on")


def _shape(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\[?\s*(\d+)\s*,\s*(\d+)\s*\]?", text)
    if match is None or 0 in (sizes := (int(match[1]), int(match[2]))):
        raise argparse.ArgumentTypeError(f"{text} is no size; write [192,192]")
    return sizes


def run(args: argparse.Namespace) -> int:
    """Exports and prints how far each engine is from the trained model."""
    from human_segmentation.cli.common import checked_size
    from human_segmentation.errors import DataError
    from human_segmentation.export.artifact import ExportOptions, export_model
    from human_segmentation.export.paddlex3 import export_paddlex3
    from human_segmentation.files import check_not_same
    from human_segmentation.photos import read_photo
    from human_segmentation.training.checkpoint import load_network

    if args.fixed_batch_size is not None and args.fixed_batch_size < 1:
        raise DataError(f"--fixed_batch_size {args.fixed_batch_size}: the number must be 1 or more")
    if args.format == "paddlex3" and args.fixed_batch_size is not None:
        raise DataError("--fixed_batch_size: with --format paddlex3 a model takes any number of photos; leave it out")
    if args.format == "paddlex3" and args.output_op == "softmax":
        raise DataError("--output_op softmax: PaddleX 3 takes classes; leave it out")
    check_not_same(args.model_dir, args.save_dir)
    network, config = load_network(args.model_dir)
    if args.fixed_input_shape:
        stride = config.preprocess.coarsest_stride or 1
        size = checked_size(args.fixed_input_shape, "--fixed_input_shape", stride)
        config = replace(config, preprocess=config.preprocess.resized(*size))
    options = ExportOptions(args.fixed_input_shape is not None, args.fixed_batch_size, args.output_op or "softmax")
    photos = [read_photo(path) for path in args.photos]
    if args.format == "paddlex3":
        parities = export_paddlex3(network, config, args.save_dir, photos)
    else:
        parities = export_model(network, config, args.save_dir, options, photos)
    print_parities(parities)
    print(args.save_dir)
    return 0


def print_parities(parities: "Mapping[str, Parity]") -> None:
    """Prints a table of how far each engine is from the trained model."""
    print(f"{'engine':12} {'largest':>8} {'mean':>8} {'IoU':>7}   difference from the trained model")
    for engine, parity in parities.items():
        print(f"{engine:12} {parity.largest:8.1e} {parity.mean:8.1e} {parity.iou:7.5f}")
