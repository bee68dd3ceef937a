"""Where frames come from: the flags and the source that they ask for."""

import argparse
from pathlib import Path

from human_segmentation.video.frames import CameraSource, PhotoSource, Source, VideoSource


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """Where frames come from."""
    parser.add_argument("--video_path", type=Path, help="video to work on; without it, the camera")
    parser.add_argument(
        "--camera", type=_camera, default=0, metavar="N", help="number, device or address of the camera (default 0)"
    )


def _camera(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def input_path(args: argparse.Namespace) -> Path | None:
    """The file that is worked on; None for a camera. `image_path` is a flag of some commands only."""
    return getattr(args, "image_path", None) or args.video_path


def open_source(args: argparse.Namespace) -> Source:
    """Opens what the arguments name; to be entered."""
    if getattr(args, "image_path", None) is not None:
        return PhotoSource(args.image_path)
    if args.video_path is not None:
        return VideoSource(args.video_path)
    return CameraSource(args.camera)
