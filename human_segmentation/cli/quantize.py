"""`quant` (quant_offline.py): writes a trained model in INT8."""

import argparse
import math
from pathlib import Path

from human_segmentation.cli.common import at_given_size
from human_segmentation.errors import DataError, ModelError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleX 1.3's quant_offline.py, and ours."""
    from human_segmentation.export.quantize_paddle import ALGORITHMS

    parser.add_argument(
        "--model_dir",
        type=Path,
        default=Path("output/best_model"),
        help="folder of the trained model (default %(default)s)",
    )
    parser.add_argument("--data_dir", type=Path, default=Path(), help="folder that the lists' paths are relative to")
    parser.add_argument("--quant_list", type=Path, required=True, help="list of photos that show the ranges of values")
    parser.add_argument("--val_list", type=Path, help="list of photos and labels to measure on; default: --quant_list")
    parser.add_argument("--save_dir", type=Path, default=Path("output/quant_offline"), help="folder for the model")
    parser.add_argument("--batch_nums", type=int, default=10, help="batches that show them (default 10)")
    parser.add_argument("--batch_size", type=int, default=1, help="photos in each (default 1)")
    parser.add_argument(
        "--image_shape", type=int, nargs=2, metavar=("W", "H"), help="size of the network's input; default: the model's"
    )
    parser.add_argument("--algo", choices=ALGORITHMS, default="avg", help="how Paddle derives ranges (default avg)")
    parser.add_argument(
        "--max_drop", type=float, default=0.5, metavar="POINTS", help="mIoU that INT8 may cost, of 100 (default 0.5)"
    )


def run(args: argparse.Namespace) -> int:
    """Quantises and prints every engine before and after."""
    from dataclasses import replace

    from human_segmentation.datasets.list_file import read_list
    from human_segmentation.export.quantize import quantize_model
    from human_segmentation.export.quantize_paddle import paddleslim
    from human_segmentation.files import check_not_same
    from human_segmentation.inference.model_config import ModelConfig
    from human_segmentation.training.checkpoint import load_network

    if min(args.batch_nums, args.batch_size) < 1:
        raise DataError(
            f"--batch_nums {args.batch_nums} --batch_size {args.batch_size}: both numbers must be 1 or more"
        )
    if not 0 <= args.max_drop < math.inf:
        raise DataError(f"--max_drop {args.max_drop}: the number must be 0 or more; 0.5 is usual")
    if ModelConfig.read(args.model_dir).status == "Quant":
        raise ModelError(f"{args.model_dir}: this model is in INT8 already; give the trained one that it was made of")
    check_not_same(args.model_dir, args.save_dir)
    photos = read_list(args.quant_list, args.data_dir)
    wanted = args.batch_nums * args.batch_size
    if wanted > len(photos):
        raise DataError(
            f"{args.quant_list}: the list has {len(photos)} photos and --batch_nums {args.batch_nums} times "
            f"--batch_size {args.batch_size} asks for {wanted}; give a longer list or smaller numbers"
        )
    val_samples = read_list(args.val_list, args.data_dir) if args.val_list else photos
    # A row without a label says that there are no people: a list of mere photos would measure nothing.
    if not any(sample.label for sample in val_samples):
        raise DataError(
            f"{args.val_list or args.quant_list}: no row has a label, and without labels nobody sees what INT8 costs; "
            "give a list of photos and labels with --val_list"
        )
    network, config = load_network(args.model_dir)
    config = replace(config, preprocess=at_given_size(config.preprocess, args))
    # Lists are often sorted by kind: photos are taken from all over the list.
    calibration = [photos[index * len(photos) // wanted] for index in range(wanted)]
    report = quantize_model(network, config, calibration, val_samples, args.save_dir, args.algo, args.max_drop)
    print(f"{'':5} {'engine':12} {'mIoU':>6} {'boundary':>8} {'worst':>6} {'MB':>5} {'ms':>6}")
    for row in report.measurements:
        print(
            f"{row.precision:5} {row.engine:12} {100 * row.miou:6.2f} {100 * row.boundary_iou:8.2f} "
            f"{100 * row.worst_iou:6.2f} {row.megabytes:5.2f} {row.milliseconds:6.2f}"
        )
    print(f"for Paddle Lite by {'PaddleSlim' if paddleslim() else 'Paddle itself, without PaddleSlim'}")
    if report.kept:
        print(f"in float: {', '.join(report.kept)}")
    print(args.save_dir)
    return 0
