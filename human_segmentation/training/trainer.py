"""A whole training run."""

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import paddle
from paddle import nn
from paddle.io import BatchSampler
from tqdm import tqdm

from human_segmentation.datasets.dataset import TrainingSet, read_sample
from human_segmentation.datasets.list_file import Sample
from human_segmentation.errors import DataError, HumanSegError, ModelError
from human_segmentation.files import whole_folder
from human_segmentation.inference.model_config import TRAINED, ModelConfig
from human_segmentation.inference.predictor import Predictor
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.zoo import build_network
from human_segmentation.training import distributed
from human_segmentation.training.checkpoint import (
    BEST,
    Progress,
    check_run_folder,
    find_checkpoint,
    load_checkpoint,
    load_network,
    save_checkpoint,
    save_model,
)
from human_segmentation.training.ema import WeightAverage
from human_segmentation.training.engine import NetworkEngine, train_one_epoch
from human_segmentation.training.evaluation import Evaluation, measure
from human_segmentation.training.initial import IMAGENET, start_from
from human_segmentation.training.loading import Batches
from human_segmentation.training.metrics import part_ious
from human_segmentation.training.optimizer import build_optimizer, build_schedule
from human_segmentation.training.options import TrainOptions, check, nothing_left
from human_segmentation.training.recipes import RECIPES
from human_segmentation.training.report import panel, write_report
from human_segmentation.training.run_log import RunLog

PANELS = 4


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
    check(options, training_set)
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
        self.scaler = paddle.amp.GradScaler(enable=options.amp)
        self.predictor = self._predictor(self.averaged, self.preprocess)
        self.progress = Progress()
        self.resumed: Path | None = None
        if options.resume_checkpoint is not None:
            self.resumed = find_checkpoint(options.resume_checkpoint, options.model_type, options.prior_channel)
            self.progress = load_checkpoint(self.resumed, self.network, self.average, self.optimizer, self.scaler)
        self.best = _row_of(options.save_dir / BEST, self.progress.history)
        self.begun_with: float | None = None

    def _predictor(self, network: nn.Layer, preprocess: Preprocess) -> Predictor:
        engine, num_classes = NetworkEngine(network), self.training_set.num_classes
        return Predictor(engine, preprocess, self.options.prior_channel, num_classes)

    def run(self) -> dict[str, float]:
        """Trains to the end."""
        options = self.options
        # What cannot be used is told now, and not after an epoch.
        check_run_folder(options.save_dir)
        self._check_labels()
        self._bring_best()
        if options.pretrain_weights is not None and options.pretrain_weights.suffix != IMAGENET and not self.resumed:
            self.begun_with = self._evaluate().compute()["miou"]
            if distributed.rank() == 0:
                print(f"{options.pretrain_weights}: mIoU {self.begun_with:.4f} before training", flush=True)
        log = RunLog(options.save_dir, list(options.writers) if distributed.rank() == 0 else [])
        for epoch in range(self.progress.epochs, options.num_epochs):
            row = self._train_epoch(epoch)
            evaluation = self._evaluate()
            metrics = evaluation.compute()
            better = self.best is None or metrics["miou"] > self.best["miou"]
            if better:
                self.best = row | metrics
            self.progress = replace(self.progress, epochs=epoch + 1, history=[*self.progress.history, row | metrics])
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

    def _check_labels(self) -> None:
        """Reads what is evaluated; raises `DataError` where it cannot be used, or shows nobody to be found."""
        classes = self.training_set.num_classes
        people = [read_sample(sample, classes)[1].any() for sample in distributed.share(self.val_samples)]
        if not any(map(any, distributed.gathered(people))):
            values = "255 (or 1)" if classes == 2 else f"1 to {classes - 1} (255 is ignored)"
            raise DataError(f"--val_list: no label shows a person; a person is {values} in labels of {classes} classes")

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        """Trains on every photo once; returns what the epoch's row of the history has beside the metrics."""
        options, world = self.options, distributed.world()
        self.training_set.set_epoch(epoch)
        # What dropout draws is the epoch's too, so that a run that was stopped draws it again.
        paddle.seed(
            int(np.random.SeedSequence([self.training_set.seed, epoch, distributed.rank()]).generate_state(1)[0])
        )
        share = distributed.share(range(len(self.training_set) // world * world))
        sampler = BatchSampler(sampler=list(share), batch_size=options.batch_size // world, drop_last=True)
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
                    self.scaler,
                    lambda loss: bar.set_postfix(loss=f"{loss:.4f}", refresh=False),
                )
            except FloatingPointError as error:
                raise HumanSegError(
                    f"{title}: {error}; go on from a checkpoint, if there is one, or start again, with a lower "
                    "--learning_rate or with --clip"
                ) from error
        seconds = time.perf_counter() - start
        loss = float(np.mean(distributed.gathered(loss)))
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
        for part in distributed.gathered(measure(self.predictor, distributed.share(self.val_samples))):
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
        if epoch % options.save_interval_epochs == 0 or epoch == options.num_epochs or self._stale():
            folder = options.save_dir / f"epoch_{epoch}"
            save_checkpoint(folder, self.network, self.average, self.optimizer, self.scaler, config, self.progress)

    def _bring_best(self) -> None:
        """Copies the best model so far, where a run goes on in another folder than it began in."""
        if self.best is not None or self.resumed is None or self.progress.epochs >= self.options.num_epochs:
            return
        before = self.resumed.parent / BEST
        self.best = _row_of(before, self.progress.history)
        if self.best is not None and distributed.rank() == 0:
            with whole_folder(self.options.save_dir / BEST) as folder:
                shutil.copytree(before, folder, dirs_exist_ok=True)

    def _stale(self) -> bool:
        """Whether the last epochs brought nothing better, so that the run is to end."""
        patience, history = self.options.early_stopping, [row["miou"] for row in self.progress.history]
        return patience is not None and len(history) - 1 - int(np.argmax(history)) >= patience

    def _finish(self) -> dict[str, float]:
        """Writes the report on the best model; returns its metrics."""
        if self.best is None:
            raise nothing_left(self.options.num_epochs, self.progress.epochs)
        if distributed.rank() == 0:
            network, config = load_network(self.options.save_dir / BEST)
            predictor = self._predictor(network, config.preprocess)
            scores = measure(predictor, self.val_samples).masks.foreground
            path = self.options.save_dir / "report.html"
            write_report(path, self.progress.history, predictor, self.val_samples, scores)
            if self.begun_with is not None and self.best["miou"] <= self.begun_with:
                print(
                    f"warning: no epoch is better than {self.options.pretrain_weights}, with which the run began; keep "
                    "that, or give a lower --learning_rate or more photos",
                    file=sys.stderr,
                )
        return self.best


def _row_of(folder: Path, history: list[dict[str, float]]) -> dict[str, float] | None:
    """The row of a run's history that a best model belongs to; None where there is no model, or another run's."""
    try:
        metrics = ModelConfig.read(folder).metrics
    except ModelError:
        return None
    return next((row for row in history if metrics and metrics.items() <= row.items()), None)
