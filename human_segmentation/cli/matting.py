"""What the commands on photos, videos and cameras have in common: one run from a source to its sinks."""

import argparse
from contextlib import ExitStack

from human_segmentation.cli import INTERRUPTED
from human_segmentation.cli.common import add_model_arguments, build_predictor
from human_segmentation.cli.inputs import add_input_arguments, input_path, open_source
from human_segmentation.cli.outputs import add_output_arguments, open_sinks, output_path
from human_segmentation.video.pictures import Picture
from human_segmentation.video.pipeline import run_pipeline
from human_segmentation.video.temporal import FlowTracker


def add_matting_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the frames, the result and what is between them."""
    add_model_arguments(parser)
    add_input_arguments(parser)
    add_output_arguments(parser)
    parser.add_argument("--no_temporal", action="store_true", help="take each frame by itself, without optical flow")


def run_matting(args: argparse.Namespace, picture: Picture, name: str) -> int:
    """Runs the pipeline that the arguments describe.

    Args:
        args: The parsed arguments.
        picture: What a frame and its alpha become.
        name: Name of the result in `--save_dir`.

    Returns:
        The exit code.
    """
    predictor = build_predictor(args)
    output = output_path(args, name)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(args))
        sinks = open_sinks(output, source, input_path(args))
        for sink in sinks:
            stack.enter_context(sink)
        tracker = None if args.no_temporal or source.length == 1 else FlowTracker()
        summary = run_pipeline(source, predictor, tracker, picture, sinks)
    if output is not None:
        print(output if not summary.interrupted else f"{output}: stopped after {summary.frames} frames")
    return INTERRUPTED if summary.interrupted else 0
