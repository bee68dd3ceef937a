"""`train`: trains a model on photos with labels."""

import argparse
from pathlib import Path

from human_segmentation.cli.common import at_given_size
from human_segmentation.datasets.dataset import TrainingSet, WeightedSamples
from human_segmentation.datasets.list_file import Sample, read_lists
from human_segmentation.datasets.transforms import BackgroundSwap
from human_segmentation.errors import DataError, ModelError
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.zoo import MODELS
from human_segmentation.training.checkpoint import find_checkpoint
from human_segmentation.training.objectives import Objective, PortraitNetObjective
from human_segmentation.training.optimizer import SCHEDULES
from human_segmentation.training.options import TrainOptions
from human_segmentation.training.recipes import RECIPES
from human_segmentation.training.run_log import WRITERS
from human_segmentation.training.trainer import train

LARGEST_SEED = 2**63 - 1
LARGEST_WEIGHT = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleX 1.3's train.py, and ours."""
    add_data_arguments(parser)
    parser.add_argument(
        "--num_classes",
        type=int,
        default=2,
        metavar="N",
        help="classes of the labels: 0 is the background, 1 to N-1 are parts of the person, 255 is ignored (default 2)",
    )
    parser.add_argument(
        "--width", type=float, default=1.0, help="factor of PortraitNet's channels (default %(default)s)"
    )
    parser.add_argument("--resume_checkpoint", type=Path, help="folder of a run to go on with, or one of its epoch_N")
    parser.add_argument("--schedule", choices=SCHEDULES, help="course of the learning rate; default: the model's")
    parser.add_argument("--clip", type=float, help="largest norm of the gradients; default: no limit")
    parser.add_argument("--early_stopping", type=int, metavar="EPOCHS", help="end after so many without improvement")
    parser.add_argument("--amp", action="store_true", help="mixed precision on a GPU")
    parser.add_argument("--use_vdl", action="store_true", help="write VisualDL's event files")
    parser.add_argument("--tensorboard", action="store_true", help="write TensorBoard's event files")
    parser.add_argument(
        "--save_interval_epochs", type=int, default=1, help="epochs between checkpoints (default %(default)s)"
    )


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """What is trained on what, and how long."""
    parser.add_argument(
        "--model_type", default="HumanSegMobile", choices=list(MODELS), help="the network (default %(default)s)"
    )
    parser.add_argument(
        "--save_dir", type=Path, default=Path("output"), help="folder for the models (default %(default)s)"
    )
    parser.add_argument("--data_dir", type=Path, default=Path(), help="folder that the lists' paths are relative to")
    parser.add_argument("--train_list", type=Path, help="list of photos and labels to train on")
    parser.add_argument("--val_list", type=Path, required=True, help="list of photos and labels to choose the best by")
    parser.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar="LIST[=WEIGHT]",
        help="a further list, relative to its own folder, and how often an epoch shows each photo; may be repeated",
    )
    parser.add_argument("--background_list", type=Path, help="list of photos without people to put people in front of")
    parser.add_argument("--pretrain_weights", type=Path, help="trained model to start from")
    parser.add_argument(
        "--image_shape",
        type=int,
        nargs=2,
        metavar=("W", "H"),
        help="size of the network's input; default: that of the model to start from or to go on with, else the usual",
    )
    parser.add_argument("--num_epochs", type=int, default=100, help="epochs of the whole run (default %(default)s)")
    parser.add_argument("--batch_size", type=int, default=8, help="photos a step (default %(default)s)")
    parser.add_argument(
        "--learning_rate", type=float, default=0.001, help="highest learning rate (default %(default)s)"
    )
    parser.add_argument(
        "--ema",
        type=float,
        default=0.998,
        help="decay of the averaged weights; 0 does not average (default %(default)s)",
    )
    parser.add_argument(
        "--prior_channel", action="store_true", help="PortraitNet that also sees the score of the frame before"
    )
    parser.add_argument("--no_boundary_loss", action="store_true", help="PortraitNet without its boundary loss")
    parser.add_argument("--no_consistency_loss", action="store_true", help="PortraitNet without its consistency loss")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (default %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Builds the data sets and trains."""
    if args.resume_checkpoint is not None:
        args.resume_checkpoint = find_checkpoint(args.resume_checkpoint, args.model_type, args.prior_channel)
    objective = build_objective(args)
    training_set, val_samples = build_data(args, objective.needs_plain, args.num_classes)
    flags = {name: value for name, value in vars(args).items() if name in TrainOptions.__dataclass_fields__}
    writers = tuple(name for name in WRITERS if getattr(args, name))
    options = TrainOptions(**flags, objective=objective, writers=writers)
    best = train(options, training_set, val_samples)
    print(f"best model: {args.save_dir / 'best_model'}, mIoU {best['miou']:.4f}")
    return 0


def build_objective(args: argparse.Namespace) -> Objective:
    """The loss of the network that is trained, without what was switched off."""
    objective = RECIPES[args.model_type].objective
    if isinstance(objective, PortraitNetObjective):
        return PortraitNetObjective(not args.no_boundary_loss, not args.no_consistency_loss)
    if args.no_boundary_loss or args.no_consistency_loss:
        raise DataError("--no_boundary_loss and --no_consistency_loss belong to --model_type PortraitNet")
    return objective


def build_preprocess(args: argparse.Namespace) -> Preprocess:
    """How the input of the network is made: at the size that is given, or else at that of the model before."""
    return at_given_size(_begun_with(args) or RECIPES[args.model_type].preprocess, args)


def _begun_with(args: argparse.Namespace) -> Preprocess | None:
    """The usual input at the size of the model that a run goes on with or starts from; None where that says none."""
    before = getattr(args, "resume_checkpoint", None) or args.pretrain_weights
    if before is None:
        return None
    try:
        config = ModelConfig.read(before if before.is_dir() else before.parent)
    except ModelError:  # weights alone
        return None
    if config.model != args.model_type or config.preprocess.sides is not None:
        return None
    return RECIPES[args.model_type].preprocess.resized(config.preprocess.width, config.preprocess.height)


def build_data(args: argparse.Namespace, plain: bool, num_classes: int = 2) -> tuple[TrainingSet, list[Sample]]:
    """The photos to train on, of all lists, and those to choose the best model by.

    Args:
        args: The arguments.
        plain: Whether photos without changes of texture are asked for too.
        num_classes: Classes of the labels.
    """
    if not 0 <= args.seed <= LARGEST_SEED:
        raise DataError(f"--seed {args.seed}: the number must be from 0 to {LARGEST_SEED}")
    lists, weights = [(args.val_list, args.data_dir)], []
    if args.train_list:
        lists.append((args.train_list, args.data_dir))
        weights.append(1.0)
    for entry in args.dataset:
        name, weight = _name_and_weight(entry)
        lists.append((name, name.parent))
        weights.append(weight)
    if not weights:
        raise DataError("no photos to train on; give --train_list or --dataset")
    if args.background_list:
        lists.append((args.background_list, args.background_list.parent))
    val_samples, *samples = read_lists(lists)
    preprocess = build_preprocess(args)
    training_set = TrainingSet(
        [WeightedSamples(*part) for part in zip(samples, weights, strict=False)],  # the backgrounds have no weight
        (preprocess.width, preprocess.height),
        args.seed,
        BackgroundSwap([sample.image for sample in samples[-1]]) if args.background_list else None,
        stretch=0.5 if preprocess.padding is None else 0.0,
        plain=plain,
        prior=args.prior_channel,
        num_classes=num_classes,
    )
    return training_set, val_samples


def _name_and_weight(entry: str) -> tuple[Path, float]:
    """What a --dataset names: a list, and how often an epoch shows its photos."""
    name, sign, weight = entry.rpartition("=")
    if not sign or Path(entry).is_file():
        name, weight = entry, "1"
    try:
        share = float(weight)
        if not 0 < share <= LARGEST_WEIGHT:
            raise ValueError
    except ValueError as error:
        raise DataError(
            f"--dataset {entry}: the weight is no number above 0 and at most {LARGEST_WEIGHT}; write LIST or LIST=2.5"
        ) from error
    return Path(name), share
