"""What the commands on photos, videos and cameras have in common: runs from a source to its sinks."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2
from tqdm import tqdm

from human_segmentation.cli import INTERRUPTED
from human_segmentation.cli.batch import find_inputs, run_batch
from human_segmentation.cli.common import add_model_arguments, build_predictor
from human_segmentation.cli.inputs import add_input_arguments, input_path, open_source
from human_segmentation.cli.outputs import OUTPUT_TYPES, Job, add_output_arguments, open_sinks, plan
from human_segmentation.inference.predictor import Predictor
from human_segmentation.video.background import Background
from human_segmentation.video.choice import PictureChoice
from human_segmentation.video.frames import Source
from human_segmentation.video.look import CloserLook
from human_segmentation.video.memory import keep_freed_memory
from human_segmentation.video.photo_source import PhotoSource
from human_segmentation.video.pictures import on
from human_segmentation.video.pipeline import Summary, run_pipeline
from human_segmentation.video.sinks import Sink
from human_segmentation.video.stop import stop_requests
from human_segmentation.video.stream import ScoreStream
from human_segmentation.video.temporal import TRACKERS


def add_matting_arguments(parser: argparse.ArgumentParser, photos: bool = False) -> None:
    """The model, the frames, the result and what is between them; `photos` says whether a photo can be given."""
    add_model_arguments(parser)
    add_input_arguments(parser, photos)
    add_output_arguments(parser)
    parser.add_argument(
        "--temporal",
        choices=TRACKERS,
        help="steadier scores: along optical flow (default), by a plain average, or none",
    )
    parser.add_argument("--no_temporal", action="store_const", dest="temporal", const="none", help="--temporal none")


def run_matting(
    args: argparse.Namespace,
    backgrounds_of: Callable[[argparse.Namespace], Sequence[Background]],
    name: Path | None = None,
) -> int:
    """Does what the arguments describe, for the one input or for each of many.

    Args:
        args: The parsed arguments.
        backgrounds_of: Makes what composites are made on, from the arguments for one input, where they name anything;
            keys choose one in the window of a camera.
        name: Name of the result in `--save_dir`, where there is one; None takes the input's own.

    Returns:
        The exit code.
    """
    keep_freed_memory()
    many = args.input_dir is not None
    inputs = find_inputs(args) if many else [(args, name)]
    backgrounds = backgrounds_of(inputs[0][0])
    jobs = [plan(one, place, bool(backgrounds)) for one, place in inputs]
    threads = None
    if input_path(jobs[0].args) is not None:
        # For a file, everything runs at the same time; for a camera, one step after the other.
        threads = max(1, (os.cpu_count() or 1) // 2)
        cv2.setNumThreads(threads)
    predictor = build_predictor(args, threads)
    if many:
        # A background video begins anew with each input.
        return run_batch(jobs, args.save_dir, lambda job: _run(job, backgrounds_of(job.args), predictor, whole=True))
    output, summary = jobs[0].output, _run(jobs[0], backgrounds, predictor)
    if output is not None:
        print(output if not summary.interrupted else f"{output}: stopped after {summary.frames} frames")
    return INTERRUPTED if summary.interrupted else 0


def _run(job: Job, backgrounds: Sequence[Background], predictor: Predictor, whole: bool = False) -> Summary:
    """Makes one result.

    Args:
        job: What is to be made.
        backgrounds: What composites are made on.
        predictor: Finds the people.
        whole: Whether a result that Ctrl-C cuts short is to go, as `KeyboardInterrupt`.

    Returns:
        What was done.
    """
    pictures = [on(background) for background in backgrounds] if job.kind == "composite" else [OUTPUT_TYPES[job.kind]]
    with ExitStack() as stack:
        source = stack.enter_context(open_source(job.args))
        photo = isinstance(source, PhotoSource)
        look_at = CloserLook(predictor) if photo else ScoreStream(predictor, TRACKERS[job.args.temporal or "flow"]())
        picture = PictureChoice(pictures, look_at.reset)
        stop = stack.enter_context(stop_requests(source))  # until the sinks are closed
        sinks = open_sinks(job, source, picture.press)
        for sink in sinks:
            stack.enter_context(sink)
        summary = run_pipeline(source, look_at, picture, sinks, stop)
        if summary.interrupted and (whole or not summary.frames):
            raise KeyboardInterrupt  # an error is what makes sinks leave nothing
    parts: list[Source | Background | Sink] = [source, *backgrounds, *sinks]
    notes = [note for part in parts for note in part.notes()]
    if not look_at.found and summary.frames:
        notes.append(f"{input_path(job.args) or 'the camera'}: nobody was found")
    for note in notes:
        tqdm.write(f"warning: {note}", file=sys.stderr)  # many inputs have a bar of their own
    return summary
