"""Where pictures go: the flags and the sinks that they ask for."""

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2

from human_segmentation.cli.inputs import input_path
from human_segmentation.errors import DataError, OutputError
from human_segmentation.video.encoding import TRANSPARENT, choose_encoding
from human_segmentation.video.frames import PhotoSource, Source
from human_segmentation.video.live import VirtualCameraSink, WindowSink
from human_segmentation.video.pictures import cutout, green_screen, matte
from human_segmentation.video.sinks import NUMBER, PhotoSink, PhotosSink, Sink
from human_segmentation.video.video_sink import VideoSink

OUTPUT_TYPES = {"alpha": matte, "foreground": cutout, "green_screen": green_screen}
"""What there is besides composites."""
TRANSPARENT_PHOTOS = (".png", ".webp")


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Where pictures go."""
    parser.add_argument("--save_dir", type=Path, default=Path("output"), help="folder for the result (default output)")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="file for the result, in place of --save_dir; a name such as frames/%%05d.png makes a photo of each frame",
    )
    parser.add_argument(
        "--output_type",
        choices=["composite", *OUTPUT_TYPES],
        help="the person on the background (default), the alpha in grey, the person with transparency (default without "
        "a background, in .png, .webp, .webm and .mov), or the person on green (#00b140)",
    )
    parser.add_argument("--codec", help="FFmpeg's name of the video encoder (default libx264; in .webm libvpx-vp9)")
    parser.add_argument("--crf", type=int, help="quality of the video, lower is better (default 20 with libx264)")
    parser.add_argument("--preset", help="speed for size of the video (default veryfast with libx264)")
    parser.add_argument(
        "--virtual_camera", action="store_true", help="give the camera's pictures to programs for calls too"
    )


def output_path(args: argparse.Namespace, name: str) -> Path | None:
    """The file for the result, `name` in `--save_dir` where no other is given; None where a window alone shows it."""
    given = input_path(args)
    if args.output is not None or given is None:
        return args.output
    path = args.save_dir / name
    if args.output_type == "foreground":
        return path.with_suffix(".webm" if given == args.video_path else ".png")
    return path


def output_type(args: argparse.Namespace, output: Path | None, background: bool) -> str:
    """What frames become: "composite" or a key of `OUTPUT_TYPES`.

    Args:
        args: The parsed arguments.
        output: The file for the result.
        background: Whether a background is given.

    Raises:
        DataError: Nothing says what to put behind the person.
        OutputError: The file cannot hold transparency.
    """
    transparent = output is not None and output.suffix.lower() in (*TRANSPARENT, *TRANSPARENT_PHOTOS)
    kind = args.output_type or ("composite" if background or not transparent else "foreground")
    if kind == "composite" and not background:
        raise DataError(
            "no background is given; add --background_image_path, --background_video_path, --background_color, "
            "--background_blur or --background_lens, or an --output with transparency (.png, .webp, .webm, .mov)"
        )
    if kind == "foreground" and not transparent:
        raise OutputError(
            f"{output or 'a window'}: there is no transparency for --output_type foreground; give an --output that "
            "ends in .png, .webp, .webm or .mov"
        )
    return kind


def open_sinks(
    args: argparse.Namespace, output: Path | None, source: Source, transparent: bool, press: Callable[[str], None]
) -> list[Sink]:
    """What writes to `output` and shows a live source; to be entered.

    Args:
        args: The parsed arguments.
        output: The file for the result.
        source: Where frames come from.
        transparent: Whether pictures have transparency.
        press: Is told the keys that are pressed in the window.

    Raises:
        DataError: The result would overwrite what it is made from.
        OutputError: The result cannot be written as it is asked for.
    """
    given = input_path(args)
    if output is not None and given is not None and output.exists() and output.samefile(given):
        raise DataError(f"{output}: the result would overwrite what it is made from; choose another --output")
    sinks: list[Sink] = [WindowSink(source, press)] if source.live else []
    if args.virtual_camera:
        if not source.live:
            raise OutputError(f"--virtual_camera: {given} is no camera; leave --virtual_camera out")
        sinks.append(VirtualCameraSink(source))
    if output is None:
        return sinks
    if isinstance(source, PhotoSource):
        sinks.append(PhotoSink(output))
    elif NUMBER.search(output.name) and cv2.haveImageWriter(output.name):
        sinks.append(PhotosSink(output))
    else:
        encoding = choose_encoding(output, transparent, args.codec, args.crf, args.preset)
        sinks.append(VideoSink(output, source, encoding))
    return sinks
