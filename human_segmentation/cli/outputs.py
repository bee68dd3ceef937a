"""Where pictures go: the flags and the sinks that they ask for."""

import argparse
from pathlib import Path

from human_segmentation.cli.inputs import input_path
from human_segmentation.errors import DataError
from human_segmentation.video.frames import PhotoSource, Source
from human_segmentation.video.sinks import PhotoSink, Sink, VideoSink, WindowSink


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Where pictures go."""
    parser.add_argument("--save_dir", type=Path, default=Path("output"), help="folder for the result (default output)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="file for the result, in place of --save_dir")


def output_path(args: argparse.Namespace, name: str) -> Path | None:
    """The file for the result, `name` in `--save_dir` where no other is given; None where a window alone shows it."""
    if input_path(args) is None and args.output is None:
        return None
    return args.output or args.save_dir / name


def open_sinks(output: Path | None, source: Source, given: Path | None) -> list[Sink]:
    """What writes to `output` and shows a live source; to be entered.

    Args:
        output: The file for the result.
        source: Where frames come from.
        given: The file that the source reads.

    Raises:
        DataError: The result would overwrite that file.
    """
    if output is not None and given is not None and output.exists() and output.samefile(given):
        raise DataError(f"{output}: the result would overwrite what it is made from; choose another --output")
    sinks: list[Sink] = [WindowSink()] if source.live else []
    if output is not None:
        sinks.append(PhotoSink(output) if isinstance(source, PhotoSource) else VideoSink(output, source))
    return sinks
