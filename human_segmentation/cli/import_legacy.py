"""`import`: brings a model of PaddleX 1.x here."""

import argparse
from pathlib import Path

from human_segmentation.cli.export import print_parities


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the model is, and where it goes."""
    parser.add_argument("source", type=Path, metavar="SRC", help="folder of the PaddleX model")
    parser.add_argument("target", type=Path, metavar="DST", help="folder for the imported model")


def run(args: argparse.Namespace) -> int:
    """Imports and prints how far each engine is from the model."""
    from human_segmentation.export.legacy import import_legacy

    parities = import_legacy(args.source, args.target)
    if parities:
        print_parities(parities)
    print(args.target)
    return 0
