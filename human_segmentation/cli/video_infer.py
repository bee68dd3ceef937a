"""`video` (video_infer.py): the person of a video or camera on white."""

import argparse

from human_segmentation.cli.common import add_model_arguments, add_video_arguments, run_replacement
from human_segmentation.video.background import color

WHITE = "#ffffff"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleX 1.3's video_infer.py, and ours."""
    add_model_arguments(parser)
    add_video_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Shows or writes the person on white."""
    return run_replacement(args, color(WHITE), "result.mp4")
