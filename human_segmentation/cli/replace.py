"""`replace` (bg_replace.py): puts people in front of another background."""

import argparse
from pathlib import Path

from human_segmentation.cli.matting import add_matting_arguments, run_matting
from human_segmentation.errors import DataError
from human_segmentation.video.background import Background, BlurBackground, VideoBackground, color, image_file
from human_segmentation.video.pictures import on


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleX 1.3's bg_replace.py, and ours."""
    parser.add_argument("--image_path", type=Path, help="photo to work on")
    add_matting_arguments(parser)
    group = parser.add_argument_group("background (one of)")
    group.add_argument("--background_image_path", type=Path, help="photo that covers the frame")
    group.add_argument("--background_video_path", type=Path, help="video that covers the frame, again and again")
    group.add_argument("--background_color", metavar="#RRGGBB", help="plain colour, such as #00b140")
    group.add_argument("--background_blur", type=int, metavar="PIXELS", help="the room itself, blurred; 21 is usual")


def run(args: argparse.Namespace) -> int:
    """Replaces the background of a photo, a video or the camera."""
    if args.image_path is not None:
        name = args.image_path.name
    elif args.video_path is not None:
        name = args.video_path.name.split(".")[0] + ".mp4"
    else:
        name = "camera.mp4"
    return run_matting(args, on(_background(args)), name)


def _background(args: argparse.Namespace) -> Background:
    if args.background_video_path is not None:
        return VideoBackground(args.background_video_path)
    if args.background_image_path is not None:
        return image_file(args.background_image_path)
    if args.background_color is not None:
        return color(args.background_color)
    if args.background_blur is not None:
        return BlurBackground(args.background_blur)
    raise DataError(
        "no background is given; add --background_image_path, --background_video_path, --background_color or "
        "--background_blur"
    )
