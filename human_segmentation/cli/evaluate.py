"""`eval` (eval.py): measures a model on photos with labels."""

import argparse
from pathlib import Path

from human_segmentation.cli.common import add_model_arguments, build_predictor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleX 1.3's eval.py, and ours."""
    add_model_arguments(parser)
    parser.add_argument("--data_dir", type=Path, default=Path(), help="folder that the list's paths are relative to")
    parser.add_argument("--val_list", type=Path, required=True, help="list of photos and labels")


def run(args: argparse.Namespace) -> int:
    """Prints the metrics, in percent."""
    from human_segmentation.datasets.list_file import read_list
    from human_segmentation.training.evaluation import evaluate

    for name, value in evaluate(build_predictor(args), read_list(args.val_list, args.data_dir)).items():
        print(f"{name:26} {100 * value:6.2f}")
    return 0
