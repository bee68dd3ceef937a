"""Where pictures go: the flags and the sinks that they ask for."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from human_segmentation.cli.inputs import input_path, video_name
from human_segmentation.cli.made_from import check_overwriting
from human_segmentation.errors import DataError, DeviceError, OutputError
from human_segmentation.photos import SUFFIXES
from human_segmentation.video.choice import KEYS
from human_segmentation.video.encoding import TRANSPARENT, choose_encoding
from human_segmentation.video.frames import Source
from human_segmentation.video.live import VirtualCameraSink, WindowSink
from human_segmentation.video.numbered import is_numbered
from human_segmentation.video.photo_source import PhotoSource
from human_segmentation.video.pictures import cutout, green_screen, matte
from human_segmentation.video.sinks import PhotoSink, PhotosSink, Sink
from human_segmentation.video.video_sink import VideoSink

OUTPUT_TYPES = {"alpha": matte, "foreground": cutout, "green_screen": green_screen}
"""What there is besides composites."""
TRANSPARENT_PHOTOS = (".png", ".webp")


@dataclass(frozen=True)
class Job:
    """One input and its result.

    Attributes:
        args: The arguments, which name one input.
        output: The file for the result; None where a window alone shows it.
        kind: What frames become: "composite" or a key of `OUTPUT_TYPES`.
    """

    args: argparse.Namespace
    output: Path | None
    kind: str

    @property
    def finished(self) -> bool:
        """Whether the result is there."""
        return self.output is not None and self.output.exists()


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


def plan(args: argparse.Namespace, name: Path | None, background: bool) -> Job:
    """Decides what becomes of an input.

    Args:
        args: The arguments, which name one input.
        name: Where the result is in `--save_dir`, with any suffix; None takes the input's own name.
        background: Whether a background is given.

    Raises:
        DataError: Nothing says what to put behind the person, or what does is not seen, or the result would overwrite
            what it is made from.
        OutputError: The result is a folder, or cannot hold transparency.
    """
    output = _output_path(args, name)
    if output is not None:
        if output.is_dir():
            raise OutputError(f"{output}: this is a folder; give a file with --output, or the folder with --save_dir")
        check_overwriting(args, output)
    return Job(args, output, _output_type(args, output, background))


def _output_path(args: argparse.Namespace, name: Path | None) -> Path | None:
    given = input_path(args)
    if args.output is not None or given is None:
        return args.output
    if given == args.video_path:
        own = video_name(given)
        suffix = ".webm" if args.output_type == "foreground" else ".mp4"
    else:
        own = args.image_path.name
        suffix = ".png" if args.output_type in ("alpha", "foreground") else result_suffix(args.image_path)
    return (args.save_dir / (name or own)).with_suffix(suffix)


def result_suffix(photo: Path) -> str:
    """The suffix of what a photo becomes: its own, or .png where that holds not any colours at any size."""
    return photo.suffix if photo.suffix.lower() in SUFFIXES else ".png"


def _output_type(args: argparse.Namespace, output: Path | None, background: bool) -> str:
    transparent = output is not None and output.suffix.lower() in (*TRANSPARENT, *TRANSPARENT_PHOTOS)
    kind = args.output_type or ("composite" if background or not transparent else "foreground")
    if kind == "composite" and not background:
        raise DataError(
            "no background is given; add --background_image_path, --background_video_path, --background_color, "
            "--background_blur, --background_lens or --output_type foreground, or an --output with transparency "
            "(.png, .webp, .webm, .mov)"
        )
    if kind != "composite" and background:
        raise DataError(f"--output_type {kind}: no background is seen there; leave the background out")
    if kind == "foreground" and not transparent:
        raise OutputError(
            f"{output or 'a window'}: there is no transparency for --output_type foreground; give an --output that "
            "ends in .png, .webp, .webm or .mov"
        )
    return kind


def open_sinks(job: Job, source: Source, press: Callable[[str], None]) -> list[Sink]:
    """What writes the result and shows a live source; to be entered.

    Args:
        job: What is to be made.
        source: Where frames come from.
        press: Is told the keys that are pressed in the window.

    Raises:
        DeviceError: Nothing would show or keep the pictures of a live source.
        OutputError: The result cannot be written as it is asked for.
    """
    sinks: list[Sink] = []
    if job.args.virtual_camera:
        if not source.live:
            raise OutputError(f"--virtual_camera: {input_path(job.args)} is no camera; leave --virtual_camera out")
        sinks.append(VirtualCameraSink(source))
    if job.output is not None:
        sinks.append(_file_sink(job, job.output, source))
    if source.live:
        try:
            sinks.append(WindowSink(source, press))
            print(KEYS)
        except DeviceError:
            if not sinks:
                raise
            print("there is no display for a window; Ctrl-C ends the run")
    return sinks


def _file_sink(job: Job, output: Path, source: Source) -> Sink:
    settings = {name: getattr(job.args, name) for name in ("codec", "crf", "preset")}
    # In --save_dir, a result has the name of a photo, whatever it looks like.
    numbered = job.args.output is not None and is_numbered(output)
    if not numbered and not isinstance(source, PhotoSource):
        return VideoSink(output, source, choose_encoding(output, job.kind == "foreground", **settings))
    for name, value in settings.items():
        if value is not None:
            raise OutputError(f"--{name} {value}: it is for videos, and {output} is a photo; leave it out")
    return PhotosSink(output) if numbered else PhotoSink(output)
