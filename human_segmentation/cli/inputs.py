"""Where frames come from: the flags and the source that they ask for."""

import argparse
import io
import re
import sys
from fractions import Fraction
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from human_segmentation.errors import DataError
from human_segmentation.video.camera_source import CameraSource
from human_segmentation.video.frames import Source
from human_segmentation.video.media import Span, is_address
from human_segmentation.video.numbered import is_numbered
from human_segmentation.video.photo_source import PhotoSource, PhotosSource
from human_segmentation.video.raw_source import RawSource
from human_segmentation.video.video_source import VideoSource

STANDARD_INPUT = Path("-")
SLOWEST, FASTEST = Fraction(1, 100), 1000
"""Frames a second."""
FINEST_RATE = 10_000
"""The largest denominator of a rate."""
LARGEST_SIDE = 16_000
"""Of raw frames, in pixels: FFmpeg holds no square that is much larger."""
_RATE = re.compile(r"[\d./]+")
_NUMBER = re.compile(r"\d{1,9}")
"""As large as OpenCV takes them."""
_TIME = re.compile(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,9}(?:\.\d*)?|\.\d+)")
"""As large as FFmpeg's clocks of a nanosecond go."""


def add_input_arguments(parser: argparse.ArgumentParser, photos: bool) -> None:
    """Where frames come from; `photos` says whether a photo can be given."""
    one = parser.add_mutually_exclusive_group()
    if photos:
        one.add_argument("--image_path", type=_path, help="photo to work on")
    one.add_argument(
        "--video_path",
        type=_place,
        metavar="VIDEO",
        help="video to work on: a file, an address such as https://... or rtsp://..., numbered photos such as "
        "frames/%%05d.png, or - for raw frames on standard input; without it, the camera",
    )
    one.add_argument(
        "--input_dir",
        type=Path,
        metavar="FOLDER",
        help="folder of photos and videos to work on, or a quoted pattern such as 'clips/*.mp4'; ** goes into folders; "
        "run again, it goes on where it stopped",
    )
    one.add_argument("--camera", type=_camera, metavar="N", help="number, device or address of the camera (default 0)")
    parser.add_argument("--start", metavar="TIME", help="where to begin, in seconds or as [HH:]MM:SS")
    parser.add_argument("--end", metavar="TIME", help="where to stop, in seconds or as [HH:]MM:SS")
    parser.add_argument("--fps", metavar="RATE", help="frames a second of numbered photos and raw frames (default 25)")
    parser.add_argument("--raw_size", type=int, nargs=2, metavar=("W", "H"), help="size of raw frames, which are bgr24")


def _camera(text: str) -> int | str:
    return int(text) if _NUMBER.fullmatch(text) else text


def _place(text: str) -> Path | str:
    if not is_address(text):
        return _path(text)
    scheme, mark, rest = text.partition("://")
    return scheme.lower() + mark + rest  # FFmpeg knows no other


def _path(text: str) -> Path:
    if not Path(text).name:
        raise argparse.ArgumentTypeError(f"'{text}' names no file")
    return Path(text)


def input_path(args: argparse.Namespace) -> Path | str | None:
    """The file or address that is worked on; None for a camera. `image_path` is a flag of some commands only."""
    return getattr(args, "image_path", None) or args.video_path


def video_name(place: Path | str) -> str:
    """What the result of a `--video_path` is called after, with any suffix."""
    if isinstance(place, str):
        return PurePosixPath(urlsplit(place).path).name or "video.mp4"
    if place == STANDARD_INPUT:
        return "video.mp4"
    return f"{place.absolute().parent.name}.mp4" if is_numbered(place) else place.name


def open_source(args: argparse.Namespace) -> Source:
    """Opens what the arguments name; to be entered.

    Raises:
        DataError: It cannot be opened, or an argument is wrong or does not go with it.
        DeviceError: There is no such camera.
    """
    place, span = input_path(args), span_of(args)
    if place is None or place == getattr(args, "image_path", None):
        _refuse(args, "start", "end", "fps", "raw_size", *(() if place is None else ("temporal",)))
        return CameraSource(args.camera or 0) if place is None else PhotoSource(args.image_path)
    if place == STANDARD_INPUT:
        if sys.stdin is None:
            raise DataError("--video_path -: standard input is closed; let a program write raw frames to it")
        return RawSource(io.FileIO(sys.stdin.fileno(), closefd=False), _raw_size(args), _rate(args), span)
    _refuse(args, "raw_size")
    if isinstance(place, Path) and is_numbered(place):
        return PhotosSource(place, _rate(args), span)
    _refuse(args, "fps")
    return VideoSource(place, span)


def _refuse(args: argparse.Namespace, *names: str) -> None:
    for name in names:
        if getattr(args, name) is not None:
            raise DataError(f"--{name}: it does not go with {input_path(args) or 'a camera'}; leave it out")


def span_of(args: argparse.Namespace) -> Span:
    """The part that is worked on. Raises `DataError` where `--start` and `--end` are none."""
    start = Fraction(0) if args.start is None else _seconds("--start", args.start)
    end = None if args.end is None else _seconds("--end", args.end)
    if end is not None and end <= start:
        raise DataError(f"--end {args.end}: this is not after --start {args.start or 0}; give a later time")
    return Span(start, end)


def _seconds(flag: str, text: str) -> Fraction:
    match = _TIME.fullmatch(text)
    if match is None:
        raise DataError(f"{flag} {text}: this is no time; write it in seconds or as [HH:]MM:SS, such as 83.5 or 1:23.5")
    hours, minutes, seconds = (Fraction(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def _rate(args: argparse.Namespace) -> Fraction:
    if args.fps is None:
        return Fraction(25)
    try:
        # What other programs print as 29.97002997 is 30000/1001, and FFmpeg holds no exact fraction of so many digits.
        rate = Fraction(args.fps if _RATE.fullmatch(args.fps) else 0).limit_denominator(FINEST_RATE)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not SLOWEST <= rate <= FASTEST:
        raise DataError(
            f"--fps {args.fps}: this is no rate; give frames a second, from {SLOWEST} to {FASTEST}, such as 25 or "
            "30000/1001"
        )
    return rate


def _raw_size(args: argparse.Namespace) -> tuple[int, int]:
    if args.raw_size is None:
        raise DataError("--video_path -: raw frames do not tell their size; add --raw_size W H")
    width, height = args.raw_size
    if min(width, height) < 1 or max(width, height) > LARGEST_SIDE:
        raise DataError(f"--raw_size {width} {height}: both numbers must be from 1 to {LARGEST_SIDE}")
    return width, height
