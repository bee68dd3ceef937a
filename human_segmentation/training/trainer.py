"""A whole training run."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
from paddle import nn
from paddle.io import BatchSampler
from tqdm import tqdm

from human_segmentation.datasets.dataset import MAX_CLASSES, TrainingSet
from human_segmentation.datasets.list_file import Sample
from human_segmentation.errors import DataError, HumanSegError
from human_segmentation.inference.model_config import TRAINED, ModelConfig
from human_segmentation.inference.predictor import Predictor
from human_segmentation.models.zoo import build_network
from human_segmentation.training import distributed
from human_segmentation.training.checkpoint import (
    Progress,
    find_checkpoint,
    load_checkpoint,
    load_network,
    save_checkpoint,
    save_model,
)
from human_segmentation.training.ema import WeightAverage
from human_segmentation.training.engine import NetworkEngine, train_one_epoch
from human_segmentation.training.evaluation import Evaluation, measure
from human_segmentation.training.initial import start_from
from human_segmentation.training.loading import Batches
from human_segmentation.training.metrics import part_ious
from human_segmentation.training.objectives import Objective
from human_segmentation.training.optimizer import build_optimizer, build_schedule
from human_segmentation.training.recipes import RECIPES
from human_segmentation.training.report import panel, write_report
from human_segmentation.training.run_log import RunLog

PANELS = 4
BEST = "best_model"


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
    num_epochs: int = 10
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


def train(options: TrainOptions, training_set: TrainingSet, val_samples: Sequence[Sample]) -> dict[str, float]:
    """Trains a network; writes `best_model`, `epoch_N` folders and `report.html` under `save_dir`.

    What is evaluated and saved is the moving average of the weights. The network runs as a static graph, which on a CPU
    is three times as fast as eager mode.

    Returns:
        The metrics of the best model.

    Raises:
        HumanSegError: The data, the weights or the folder cannot be used, or the loss is not a number.
    """
    distributed.start()
    for name in ("num_epochs", "batch_size", "learning_rate", "save_interval_epochs", "width"):
        if getattr(options, name) <= 0:
            raise DataError(f"--{name} must be above 0, and it is {getattr(options, name)}")
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
    # The optimiser's state goes by names, which would otherwise count on from whatever was built before.
    with paddle.utils.unique_name.guard():
        return _Run(options, training_set, val_samples).run()


class _Run:
    """The state of a run and its steps, from start to end."""

    def __init__(self, options: TrainOptions, training_set: TrainingSet, val_samples: Sequence[Sample]) -> None:
        self.options, self.training_set, self.val_samples = options, training_set, val_samples
        paddle.seed(training_set.seed)
        recipe = RECIPES[options.model_type]
        self.objective = options.objective or recipe.objective
        self.preprocess = recipe.preprocess.resized(*training_set.size)
        # The averaged weights run in a network of their own.
        self.network, self.averaged = (
            build_network(options.model_type, training_set.num_classes, options.prior_channel, options.width)
            for _ in range(2)
        )
        if options.pretrain_weights is not None:
            start_from(options.pretrain_weights, self.network, self.preprocess, training_set)
        distributed.broadcast(self.network)
        self.forward = paddle.jit.to_static(
            self.network,
            input_spec=[paddle.static.InputSpec([None, 4 if options.prior_channel else 3, None, None], "float32")],
            full_graph=True,
        )
        self.average = WeightAverage(self.network, options.ema)
        steps = len(training_set) // options.batch_size
        schedule = build_schedule(options.schedule or recipe.schedule, options.learning_rate, options.num_epochs, steps)
        self.optimizer = build_optimizer(self.network, schedule, options.clip)
        self.predictor = self._predictor(self.averaged)
        self.progress = Progress()
        if options.resume_checkpoint is not None:
            folder = find_checkpoint(options.resume_checkpoint, options.model_type, options.prior_channel)
            self.progress = load_checkpoint(folder, self.network, self.average, self.optimizer)

    def _predictor(self, network: nn.Layer) -> Predictor:
        engine, num_classes = NetworkEngine(network), self.training_set.num_classes
        return Predictor(engine, self.preprocess, self.options.prior_channel, num_classes)

    def run(self) -> dict[str, float]:
        """Trains to the end."""
        options = self.options
        log = RunLog(options.save_dir, list(options.writers) if distributed.rank() == 0 else [])
        for epoch in range(self.progress.epochs, options.num_epochs):
            row = self._train_epoch(epoch)
            evaluation = self._evaluate()
            metrics = evaluation.compute()
            better = metrics["miou"] > max((old["miou"] for old in self.progress.history), default=-1.0)
            self.progress = Progress(epoch + 1, [*self.progress.history, row | metrics])
            if distributed.rank() == 0:
                self._say(row | metrics)
                self._save(metrics, better)
                log.scalars(row | metrics, epoch + 1)
                if options.writers:
                    for index, sample in enumerate(self.val_samples[:PANELS]):
                        log.picture(f"validation/{index}", panel(self.predictor, sample), epoch + 1)
            distributed.barrier()
            if self._stale():
                break
        log.close()
        return self._finish()

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        """Trains on every photo once; returns what the epoch's row of the history has beside the metrics."""
        options, world = self.options, distributed.world()
        self.training_set.set_epoch(epoch)
        share = list(range(distributed.rank(), len(self.training_set) // world * world, world))
        sampler = BatchSampler(sampler=share, batch_size=options.batch_size // world, drop_last=True)
        batches = Batches(self.training_set, sampler)
        self.network.train()
        title = f"epoch {epoch + 1}/{options.num_epochs}"
        start = time.perf_counter()
        with tqdm(batches, desc=title, disable=None if distributed.rank() == 0 else True) as bar:
            try:
                loss, waited = train_one_epoch(
                    self.forward,
                    self.network,
                    bar,
                    self.objective,
                    self.preprocess,
                    self.optimizer,
                    self.average,
                    amp=options.amp,
                )
            except FloatingPointError as error:
                raise HumanSegError(
                    f"{title}: {error}; the checkpoints in {options.save_dir} are good: resume from one with a lower "
                    "--learning_rate or with --clip"
                ) from error
        seconds = time.perf_counter() - start
        return {
            "loss": loss,
            "learning_rate": float(self.optimizer.get_lr()),
            "photos_per_second": len(sampler) * options.batch_size / seconds,
            "waiting_share": waited / seconds,
        }

    def _evaluate(self) -> Evaluation:
        """Measures the averaged weights, each process on its share of the photos."""
        self.averaged.set_state_dict(self.average.state_dict())
        evaluation = Evaluation(self.training_set.num_classes)
        for part in distributed.gathered(
            measure(self.predictor, self.val_samples[distributed.rank() :: distributed.world()])
        ):
            evaluation.merge(part)
        return evaluation

    def _say(self, row: dict[str, float]) -> None:
        parts = "".join(f", {name} {value:.4f}" for name, value in part_ious(row).items())
        print(
            f"epoch {self.progress.epochs}/{self.options.num_epochs}: loss {row['loss']:.4f}, mIoU {row['miou']:.4f}"
            f"{parts}, boundary IoU {row['boundary_iou']:.4f}, {row['photos_per_second']:.1f} photos/s, "
            f"waiting for photos {row['waiting_share']:.0%}",
            flush=True,
        )

    def _save(self, metrics: dict[str, float], better: bool) -> None:
        options, epoch = self.options, self.progress.epochs
        config = ModelConfig(
            options.model_type,
            TRAINED,
            self.preprocess,
            num_classes=self.training_set.num_classes,
            prior_channel=options.prior_channel,
            width=options.width,
            epochs=epoch,
            metrics=metrics,
        )
        if better:
            save_model(options.save_dir / BEST, self.average.state_dict(), config)
        if epoch % options.save_interval_epochs == 0 or epoch == options.num_epochs:
            folder = options.save_dir / f"epoch_{epoch}"
            save_checkpoint(folder, self.network, self.average, self.optimizer, config, self.progress)

    def _stale(self) -> bool:
        """Whether the last epochs brought nothing better, so that the run is to end."""
        patience, history = self.options.early_stopping, [row["miou"] for row in self.progress.history]
        return patience is not None and len(history) - 1 - int(np.argmax(history)) >= patience

    def _finish(self) -> dict[str, float]:
        """Writes the report on the best model; returns its metrics."""
        best = max(self.progress.history, key=lambda row: row["miou"])
        folder = self.options.save_dir / BEST
        if distributed.rank() == 0 and folder.is_dir():
            network, _ = load_network(folder)
            predictor = self._predictor(network)
            scores = measure(predictor, self.val_samples).masks.foreground
            path = self.options.save_dir / "report.html"
            write_report(path, self.progress.history, predictor, self.val_samples, scores)
        return best
