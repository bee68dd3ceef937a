"""What the commands on photos, videos and cameras have in common: one run from a source to its sinks."""

import argparse
import os
from collections.abc import Sequence
from contextlib import ExitStack

from human_segmentation.cli import INTERRUPTED
from human_segmentation.cli.common import add_model_arguments, build_predictor
from human_segmentation.cli.inputs import add_input_arguments, input_path, open_source
from human_segmentation.cli.outputs import OUTPUT_TYPES, add_output_arguments, open_sinks, output_path, output_type
from human_segmentation.video.background import Background
from human_segmentation.video.choice import KEYS, PictureChoice
from human_segmentation.video.pictures import on
from human_segmentation.video.pipeline import run_pipeline
from human_segmentation.video.stream import ScoreStream
from human_segmentation.video.temporal import TRACKERS


def add_matting_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the frames, the result and what is between them."""
    add_model_arguments(parser)
    add_input_arguments(parser)
    add_output_arguments(parser)
    parser.add_argument(
        "--temporal",
        choices=TRACKERS,
        default="flow",
        help="steadier scores: along optical flow (default), by a plain average, or none",
    )


def run_matting(args: argparse.Namespace, backgrounds: Sequence[Background], name: str) -> int:
    """Runs the pipeline that the arguments describe.

    Args:
        args: The parsed arguments.
        backgrounds: What composites are made on, where anything was given; keys choose one in the window of a camera.
        name: Name of the result in `--save_dir`.

    Returns:
        The exit code.
    """
    output = output_path(args, name)
    kind = output_type(args, output, bool(backgrounds))
    pictures = [on(background) for background in backgrounds] if kind == "composite" else [OUTPUT_TYPES[kind]]
    # For a file, decoding, compositing and encoding take the rest.
    predictor = build_predictor(args, None if input_path(args) is None else max(1, (os.cpu_count() or 1) // 2))
    with ExitStack() as stack:
        source = stack.enter_context(open_source(args))
        tracker = None if source.length == 1 else TRACKERS[args.temporal]()
        scores = ScoreStream(predictor, tracker)
        picture = PictureChoice(pictures, scores.reset)
        sinks = open_sinks(args, output, source, kind == "foreground", picture.press)
        for sink in sinks:
            stack.enter_context(sink)
        if source.live:
            print(KEYS)
        summary = run_pipeline(source, scores, picture, sinks)
    if output is not None:
        print(output if not summary.interrupted else f"{output}: stopped after {summary.frames} frames")
    return INTERRUPTED if summary.interrupted else 0
