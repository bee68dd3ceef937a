"""The model: its flags, and the predictor that they ask for."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from human_segmentation.errors import DataError
from human_segmentation.inference.engines import ENGINES
from human_segmentation.inference.model_config import TRAINED, ModelConfig
from human_segmentation.inference.predictor import Predictor, load_model
from human_segmentation.inference.preprocess import LARGEST_SIDE, Preprocess

USUAL_THREADS = "half of the cores for photos and videos, else the engine's choice"


def add_model_arguments(
    parser: argparse.ArgumentParser, kind: str = "an exported model", threads: str = USUAL_THREADS
) -> None:
    """Which model runs and on what; the help names its `kind` and its usual number of `threads`."""
    parser.add_argument("--model_dir", type=Path, help=f"folder of {kind}; default: the one that ships")
    parser.add_argument(
        "--image_shape", type=int, nargs=2, metavar=("W", "H"), help="size of the network's input; default: the model's"
    )
    parser.add_argument("--engine", choices=["auto", *ENGINES], default="auto", help="what runs the network")
    parser.add_argument("--threads", type=int, help=f"CPU threads of the engine; default: {threads}")


def network_size(args: argparse.Namespace) -> tuple[int, int] | None:
    """Width and height of the network's input, where they are given."""
    return None if args.image_shape is None else checked_size(args.image_shape, "--image_shape")


def checked_size(size: Sequence[int], flag: str, stride: int = 1) -> tuple[int, int]:
    """A width and a height, which `flag` gave, where a network can have them that takes multiples of `stride`."""
    width, height = size
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise DataError(f"{flag} {width} {height}: both numbers must be from 1 to {LARGEST_SIDE}, such as 192 192")
    if width % stride or height % stride:
        raise DataError(f"{flag} {width} {height}: this network takes multiples of {stride}; 224 224 is usual")
    return width, height


def at_given_size(preprocess: Preprocess, args: argparse.Namespace) -> Preprocess:
    """The rules for the network's input, at the size that is given or at their own."""
    if args.image_shape is None:
        return preprocess
    return preprocess.resized(*checked_size(args.image_shape, "--image_shape", preprocess.coarsest_stride or 1))


def build_predictor(args: argparse.Namespace, usual_threads: int | None = None) -> Predictor:
    """Loads the model that the arguments name, on `usual_threads` where they name no number; None: the engine's."""
    threads = usual_threads if args.threads is None else args.threads
    return load_model(args.model_dir, args.engine, threads, network_size(args))


def add_any_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The same for `build_any_predictor`."""
    add_model_arguments(parser, "a trained or an exported model", "the engine's choice")


def build_any_predictor(args: argparse.Namespace) -> Predictor:
    """Loads the model that the arguments name; a trained one runs on paddle as it is."""
    if args.model_dir is None or ModelConfig.read(args.model_dir).status != TRAINED:
        return build_predictor(args)
    if args.engine not in ("auto", "paddle") or args.threads is not None:
        raise DataError(
            f"{args.model_dir}: a trained model runs on Paddle as it is; leave --engine and --threads out, or export it"
        )
    from human_segmentation.training.checkpoint import load_network
    from human_segmentation.training.engine import NetworkEngine

    network, config = load_network(args.model_dir)
    preprocess = at_given_size(config.preprocess, args)
    return Predictor(NetworkEngine(network), preprocess, config.prior_channel, config.num_classes)
