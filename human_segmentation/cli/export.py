"""`export` (export.py): writes a trained model for deployment."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `paddlex --export_inference`."""
    parser.add_argument("--model_dir", type=Path, required=True, help="folder of the trained model")
    parser.add_argument("--save_dir", type=Path, default=Path("output/export"), help="folder for the exported model")


def run(args: argparse.Namespace) -> int:
    """Exports and prints how far each engine is from the trained model."""
    from human_segmentation.export.artifact import export_model
    from human_segmentation.training.checkpoint import load_network

    differences = export_model(*load_network(args.model_dir), args.save_dir)
    for engine, difference in differences.items():
        print(f"{engine:12} largest difference {difference:.1e}")
    print(args.save_dir)
    return 0
