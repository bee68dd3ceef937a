"""`video` (video_infer.py): the person of a video or camera on white."""

import argparse
from pathlib import Path

from human_segmentation.cli.matting import add_matting_arguments, run_matting
from human_segmentation.video.background import Background, color

WHITE = "#ffffff"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleX 1.3's video_infer.py, and ours."""
    add_matting_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Shows or writes the person on white."""
    return run_matting(args, _white, Path("result.mp4"))


def _white(args: argparse.Namespace) -> list[Background]:
    """White, but where something else than the person on a background is asked for."""
    return [color(WHITE)] if args.output_type in (None, "composite") else []
