"""`replace` (bg_replace.py): puts people in front of another background."""

import argparse
import functools
from pathlib import Path

from human_segmentation.cli.batch import VIDEOS
from human_segmentation.cli.inputs import input_path
from human_segmentation.cli.made_from import photos_in
from human_segmentation.cli.matting import add_matting_arguments, run_matting
from human_segmentation.errors import DataError
from human_segmentation.video.background import Background, VideoBackground, color, image_file
from human_segmentation.video.blur import BlurBackground, LensBackground

_image = functools.cache(image_file)
"""The same for every photo of many."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleX 1.3's bg_replace.py, and ours."""
    add_matting_arguments(parser, photos=True)
    group = parser.add_argument_group("background (one of)").add_mutually_exclusive_group()
    group.add_argument(
        "--background_image_path", type=Path, help="photo that covers the frame; for a camera also a folder of photos"
    )
    group.add_argument("--background_video_path", type=Path, help="video that covers the frame, again and again")
    group.add_argument("--background_color", metavar="#RRGGBB", help="plain colour, such as #00b140")
    group.add_argument("--background_blur", type=int, metavar="PIXELS", help="the room itself, blurred; 21 is usual")
    group.add_argument(
        "--background_lens", type=int, metavar="PIXELS", help="the room out of focus, lights become discs; 41 is usual"
    )


def run(args: argparse.Namespace) -> int:
    """Replaces the background of photos, of videos or of the camera."""
    return run_matting(args, _backgrounds)


def _backgrounds(args: argparse.Namespace) -> list[Background]:
    """The background that is given, or several in a folder for the camera, or none."""
    if args.background_video_path is not None:
        return [VideoBackground(args.background_video_path, live=input_path(args) is None)]
    if args.background_image_path is not None:
        path = args.background_image_path
        if path.suffix.lower() in VIDEOS:
            raise DataError(f"--background_image_path {path}: this is a video; give it as --background_video_path")
        if input_path(args) is not None or not path.is_dir():
            return [_image(path)]
        photos = photos_in(path)
        if not photos:
            raise DataError(f"{path}: the folder has no photos; give one that has, or a photo")
        return [_image(photo) for photo in photos]
    if args.background_color is not None:
        return [color(args.background_color)]
    if args.background_blur is not None:
        return [BlurBackground(args.background_blur)]
    if args.background_lens is not None:
        return [LensBackground(args.background_lens)]
    return []
