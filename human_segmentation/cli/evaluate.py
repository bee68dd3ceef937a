"""`eval` (eval.py): measures a model on photos with labels."""

import argparse
import json
from pathlib import Path

from human_segmentation.cli.common import add_any_model_arguments, build_any_predictor
from human_segmentation.files import check_file, whole_file

IN_THOUSANDS = ("gradient_error", "connectivity_error")
"""Metrics that are sums over a photo; all others are shares."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleX 1.3's eval.py, and ours."""
    add_any_model_arguments(parser)
    parser.add_argument("--data_dir", type=Path, default=Path(), help="folder that the list's paths are relative to")
    parser.add_argument("--val_list", type=Path, required=True, help="list of photos and labels")
    parser.add_argument("--batch_size", type=int, help="kept for old commands; photos are measured one by one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the metrics to this file")


def run(args: argparse.Namespace) -> int:
    """Prints the metrics: shares in percent, sums in thousands."""
    from human_segmentation.datasets.list_file import read_list
    from human_segmentation.training.evaluation import evaluate

    if args.json is not None:
        check_file(args.json)
    metrics = evaluate(build_any_predictor(args), read_list(args.val_list, args.data_dir))
    for name, value in metrics.items():
        shown = f"{value:6.2f} thousand" if name in IN_THOUSANDS else f"{100 * value:6.2f} %"
        print(f"{name:26} {shown}")
    if args.json is not None:
        with whole_file(args.json) as partial:
            partial.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return 0
