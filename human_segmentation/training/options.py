"""What a training run is asked to do, and what cannot be asked."""

from dataclasses import dataclass
from math import inf
from pathlib import Path

import paddle

from human_segmentation.datasets.dataset import TrainingSet
from human_segmentation.errors import DataError
from human_segmentation.inference.model_config import LARGEST_WIDTH, MAX_CLASSES
from human_segmentation.training import distributed
from human_segmentation.training.objectives import Objective


@dataclass(frozen=True)
class TrainOptions:
    """What a run is asked to do; the names are those of the command's flags.

    Attributes:
        model_type: A key of the zoo.
        save_dir: Folder of the run.
        prior_channel: Whether the network also sees the score of the frame before.
        width: Factor of the network's channels.
        pretrain_weights: Where the network starts: a trained model, or ImageNet weights for PortraitNet's encoder.
        resume_checkpoint: Where the run goes on: an epoch_N folder, or the folder of a run for its newest whole one.
        num_epochs: Epochs of the whole run.
        batch_size: Photos a step, over all processes.
        learning_rate: Highest learning rate.
        schedule: A name of `SCHEDULES`; None takes the recipe's.
        ema: Share of the averaged weights that a step keeps; 0 evaluates and saves the weights themselves.
        clip: Largest norm of the gradients; None leaves them.
        early_stopping: Epochs without a better mIoU after which the run ends; None never ends it early.
        save_interval_epochs: Epochs between checkpoints.
        amp: Whether a GPU computes in mixed precision.
        writers: Keys of `run_log.WRITERS`.
        objective: The loss; None takes the recipe's.
    """

    model_type: str
    save_dir: Path
    prior_channel: bool = False
    width: float = 1.0
    pretrain_weights: Path | None = None
    resume_checkpoint: Path | None = None
    num_epochs: int = 100
    batch_size: int = 8
    learning_rate: float = 0.001
    schedule: str | None = None
    ema: float = 0.998
    clip: float | None = None
    early_stopping: int | None = None
    save_interval_epochs: int = 1
    amp: bool = False
    writers: tuple[str, ...] = ()
    objective: Objective | None = None


def nothing_left(num_epochs: int, done: int) -> DataError:
    """The error of a run that has as many epochs already as it is to have."""
    return DataError(f"--num_epochs {num_epochs}: the checkpoint has {done} epochs already; give more")


def check(options: TrainOptions, training_set: TrainingSet) -> None:
    """Refuses what cannot be done, before anything is.

    Raises:
        DataError: A number is out of range, or does not go with another one or with this machine.
    """
    for name in ("num_epochs", "batch_size", "learning_rate", "save_interval_epochs", "clip", "early_stopping"):
        value = getattr(options, name)
        if value is not None and not 0 < value < inf:
            raise DataError(f"--{name} must be above 0, and it is {value}")
    if not 0 < options.width <= LARGEST_WIDTH:
        raise DataError(f"--width must be above 0 and at most {LARGEST_WIDTH}, and it is {options.width}")
    if not 0 <= options.ema < 1:
        raise DataError(f"--ema must be 0 or more and below 1, and it is {options.ema}")
    if not 2 <= training_set.num_classes <= MAX_CLASSES:
        raise DataError(
            f"--num_classes {training_set.num_classes}: labels have 2 to {MAX_CLASSES} classes; give 2 for background "
            "and person"
        )
    if options.amp and not paddle.get_device().startswith("gpu"):
        raise DataError("--amp: mixed precision takes a GPU and a Paddle that is built for it; leave --amp out")
    if len(training_set) < options.batch_size:
        raise DataError(
            f"the training list has {len(training_set)} photos and a batch {options.batch_size}; "
            "give more photos or a smaller --batch_size"
        )
    if options.batch_size % distributed.world():
        raise DataError(f"--batch_size {options.batch_size} cannot be divided among {distributed.world()} processes")
