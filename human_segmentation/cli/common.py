"""Arguments and objects that the commands on photos and videos share."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from human_segmentation.cli import INTERRUPTED
from human_segmentation.errors import DataError
from human_segmentation.inference.engines import ENGINES
from human_segmentation.inference.model_config import TRAINED, ModelConfig
from human_segmentation.inference.predictor import Predictor, load_model
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.video.background import Background
from human_segmentation.video.frames import CameraSource, PhotoSource, Source, VideoSource
from human_segmentation.video.pipeline import replace_background
from human_segmentation.video.sinks import PhotoSink, Sink, VideoSink, WindowSink
from human_segmentation.video.temporal import FlowTracker


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model runs, and on what."""
    parser.add_argument("--model_dir", type=Path, help="folder of an exported model; default: the one that ships")
    parser.add_argument(
        "--image_shape", type=int, nargs=2, metavar=("W", "H"), help="size of the network's input; default: the model's"
    )
    parser.add_argument("--engine", choices=["auto", *ENGINES], default="auto", help="what runs the network")
    parser.add_argument("--threads", type=int, help="CPU threads of the engine; default: the engine's choice")


def add_video_arguments(parser: argparse.ArgumentParser) -> None:
    """Where frames come from and where composites go."""
    parser.add_argument("--video_path", type=Path, help="video to work on; without it, the camera")
    parser.add_argument(
        "--camera", type=_camera, default=0, metavar="N", help="number, device or address of the camera (default 0)"
    )
    parser.add_argument("--save_dir", type=Path, default=Path("output"), help="folder for the result (default output)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="file for the result, in place of --save_dir")
    parser.add_argument("--no_temporal", action="store_true", help="take each frame by itself, without optical flow")


def _camera(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def network_size(args: argparse.Namespace) -> tuple[int, int] | None:
    """Width and height of the network's input, where they are given."""
    if args.image_shape is None:
        return None
    width, height = args.image_shape
    if min(width, height) < 1:
        raise DataError(f"--image_shape {width} {height}: both numbers must be 1 or more; 192 192 is usual")
    return width, height


def at_given_size(preprocess: Preprocess, args: argparse.Namespace) -> Preprocess:
    """The rules for the network's input, at the size that is given or at their own."""
    size = network_size(args)
    return preprocess.resized(*size) if size else preprocess


def build_predictor(args: argparse.Namespace) -> Predictor:
    """Loads the model that the arguments name."""
    if args.threads is not None and args.threads < 1:
        raise DataError(f"--threads {args.threads}: the number must be 1 or more")
    return load_model(args.model_dir, args.engine, args.threads, network_size(args))


def build_any_predictor(args: argparse.Namespace) -> Predictor:
    """Loads the model that the arguments name; a trained one runs on paddle as it is."""
    if args.model_dir is None or ModelConfig.read(args.model_dir).status != TRAINED:
        return build_predictor(args)
    from human_segmentation.training.checkpoint import load_network
    from human_segmentation.training.engine import NetworkEngine

    network, config = load_network(args.model_dir)
    return Predictor(NetworkEngine(network), at_given_size(config.preprocess, args), config.prior_channel)


def run_replacement(args: argparse.Namespace, background: Background, name: str) -> int:
    """Runs the loop that the arguments describe.

    Args:
        args: The parsed arguments.
        background: What is put behind the person.
        name: Name of the result in `--save_dir`.

    Returns:
        The exit code.
    """
    image_path: Path | None = getattr(args, "image_path", None)
    predictor = build_predictor(args)
    output = args.output or args.save_dir / name
    with ExitStack() as stack:
        source: Source
        sinks: list[Sink]
        if image_path is not None:
            source, sinks = PhotoSource(image_path), [PhotoSink(output)]
        elif args.video_path is not None:
            source = stack.enter_context(VideoSource(args.video_path))
            sinks = [VideoSink(output, source)]
        else:
            source = stack.enter_context(CameraSource(args.camera))
            sinks = [WindowSink()]
            if args.output is not None:
                sinks.append(VideoSink(output, source))
        given = image_path or args.video_path
        if given is not None and output.exists() and output.samefile(given):
            raise DataError(f"{output}: the result would overwrite what it is made from; choose another --output")
        tracker = None if args.no_temporal or image_path is not None else FlowTracker()
        for sink in sinks:
            stack.enter_context(sink)
        summary = replace_background(source, predictor, tracker, background, sinks)
    if given is not None or args.output is not None:
        print(output if not summary.interrupted else f"{output}: stopped after {summary.frames} frames")
    return INTERRUPTED if summary.interrupted else 0
