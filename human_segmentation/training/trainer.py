"""A whole training run."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle
from paddle import nn
from paddle.io import BatchSampler, DataLoader
from tqdm import tqdm

from human_segmentation.datasets.dataset import TrainingSet
from human_segmentation.datasets.list_file import Sample
from human_segmentation.errors import DataError, HumanSegError, ModelError
from human_segmentation.inference.model_config import TRAINED, ModelConfig
from human_segmentation.inference.predictor import Predictor
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.portraitnet import PortraitNet
from human_segmentation.models.weights import load_params, read_params
from human_segmentation.models.zoo import MODELS
from human_segmentation.training.backbone import load_mobilenetv2
from human_segmentation.training.checkpoint import PARAMS_FILE, load_checkpoint, save_checkpoint, save_model
from human_segmentation.training.ema import WeightAverage
from human_segmentation.training.engine import NetworkEngine, train_one_epoch
from human_segmentation.training.evaluation import evaluate
from human_segmentation.training.objectives import Objective
from human_segmentation.training.recipes import RECIPES

WARMUP_SHARE = 0.03
WEIGHT_DECAY = 0.01
EMA_DECAY = 0.998
WORKERS = 1
CALIBRATION_PHOTOS = 32


@dataclass(frozen=True)
class TrainOptions:
    """What a run is asked to do, by the names of the command's flags; without an objective, the recipe's is taken."""

    model_type: str
    save_dir: Path
    num_classes: int = 2
    pretrain_weights: Path | None = None
    resume_checkpoint: Path | None = None
    num_epochs: int = 10
    batch_size: int = 8
    learning_rate: float = 0.001
    save_interval_epochs: int = 1
    objective: Objective | None = None


def train(options: TrainOptions, training_set: TrainingSet, val_samples: list[Sample]) -> dict[str, float]:
    """Trains a network and writes `best_model` and `epoch_N` folders under `save_dir`.

    The optimiser is AdamW with a linear warm-up and a cosine schedule; what is evaluated and saved is the moving
    average of the weights. The network runs as a static graph, which on a CPU is three times as fast as eager mode.

    Returns:
        The metrics of the best model.

    Raises:
        HumanSegError: The data, the weights or the folder cannot be used, or the loss is not a number.
    """
    if len(training_set) < options.batch_size:
        raise DataError(
            f"the training list has {len(training_set)} photos and a batch {options.batch_size}; "
            "give more photos or a smaller --batch_size"
        )
    # The optimiser's state goes by names, which would otherwise count on from whatever was built before.
    with paddle.utils.unique_name.guard():
        return _train(options, training_set, val_samples)


def _train(options: TrainOptions, training_set: TrainingSet, val_samples: list[Sample]) -> dict[str, float]:
    paddle.seed(training_set.seed)
    recipe = RECIPES[options.model_type]
    preprocess = recipe.preprocess.resized(*training_set.size)
    network = MODELS[options.model_type](options.num_classes)
    if options.pretrain_weights is not None:
        _start_from(options.pretrain_weights, network, preprocess, training_set)
    forward = paddle.jit.to_static(
        network, input_spec=[paddle.static.InputSpec([None, 3, None, None], "float32")], full_graph=True
    )
    average = WeightAverage(network, EMA_DECAY)
    steps = options.num_epochs * (len(training_set) // options.batch_size)
    cosine = paddle.optimizer.lr.CosineAnnealingDecay(options.learning_rate, T_max=steps, eta_min=0.0)
    warmup = max(1, round(WARMUP_SHARE * steps))
    rate = paddle.optimizer.lr.LinearWarmup(cosine, warmup, start_lr=0.0, end_lr=options.learning_rate)
    decayed = {p.name for p in network.parameters() if p.ndim > 1}
    optimizer = paddle.optimizer.AdamW(
        rate,
        parameters=network.parameters(),
        weight_decay=WEIGHT_DECAY,
        apply_decay_param_fun=lambda name: name in decayed,
    )
    averaged = MODELS[options.model_type](options.num_classes)
    predictor = Predictor(NetworkEngine(averaged), preprocess)
    first, best = 0, {"miou": -1.0}
    if options.resume_checkpoint is not None:
        config = load_checkpoint(options.resume_checkpoint, network, average, optimizer)
        first, best = config.epochs, config.metrics

    for epoch in range(first, options.num_epochs):
        training_set.set_epoch(epoch)
        sampler = BatchSampler(training_set, batch_size=options.batch_size, shuffle=False, drop_last=True)
        loader = DataLoader(training_set, batch_sampler=sampler, num_workers=WORKERS, persistent_workers=False)
        start = time.perf_counter()
        network.train()
        bar = tqdm(loader, desc=f"epoch {epoch + 1}/{options.num_epochs}", disable=None)
        try:
            loss = train_one_epoch(forward, bar, options.objective or recipe.objective, preprocess, optimizer, average)
        except FloatingPointError as error:
            raise HumanSegError(f"epoch {epoch + 1}: {error}; lower --learning_rate and resume") from error
        speed = len(sampler) * options.batch_size / (time.perf_counter() - start)
        averaged.set_state_dict(average.state_dict())
        metrics = evaluate(predictor, val_samples)
        print(
            f"epoch {epoch + 1}/{options.num_epochs}: loss {loss:.4f}, mIoU {metrics['miou']:.4f}, "
            f"boundary IoU {metrics['boundary_iou']:.4f}, {speed:.1f} photos/s",
            flush=True,
        )
        config = ModelConfig(options.model_type, TRAINED, preprocess, options.num_classes, epoch + 1, metrics)
        if (epoch + 1) % options.save_interval_epochs == 0 or epoch + 1 == options.num_epochs:
            save_checkpoint(options.save_dir / f"epoch_{epoch + 1}", network, average, optimizer, config)
        if metrics["miou"] > best["miou"]:
            best = metrics
            save_model(options.save_dir / "best_model", average.state_dict(), config)
    return best


def _start_from(path: Path, network: nn.Layer, preprocess: Preprocess, training_set: TrainingSet) -> None:
    """Loads a trained model, or ImageNet weights (an npz file) into PortraitNet's encoder."""
    if path.suffix == ".npz":
        if not isinstance(network, PortraitNet):
            raise ModelError(
                f"{path}: these are weights of MobileNetV2, which only PortraitNet has; give a trained model"
            )
        photos = np.stack([training_set[i][2] for i in range(min(CALIBRATION_PHOTOS, len(training_set)))])
        load_mobilenetv2(network.encoder, path, preprocess, paddle.to_tensor(preprocess.normalize(photos)))
        return
    path = path / PARAMS_FILE if path.is_dir() else path
    load_params(network, read_params(path), path)
