"""Trained models and the state of a run on disk. A folder appears whole or not at all."""

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path

import numpy as np
import paddle
from paddle import nn
from paddle.optimizer import Optimizer

from human_segmentation.errors import ModelError
from human_segmentation.files import check_folder, check_replaceable, whole_folder
from human_segmentation.inference.model_config import CONFIG_FILE, NETWORKS, TRAINED, ModelConfig, unknown_model
from human_segmentation.models.legacy import load_legacy
from human_segmentation.models.weights import (
    PARAMS_FILE,
    check_finite,
    load_params,
    not_trained,
    read_params,
    read_pickle,
    save_params,
)
from human_segmentation.models.zoo import build_network
from human_segmentation.training.ema import WeightAverage

BEST = "best_model"
METRICS_FILE = "metrics.json"
RAW_FILE = "raw.pdparams"
OPTIMIZER_FILE = "model.pdopt"
PROGRESS_FILE = "progress.json"
SCHEDULE = "LR_Scheduler"
"""Paddle's name in the state of an optimiser."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        epochs: Epochs that are done.
        history: What each of them brought.
        started: When the run began, in seconds since 1970, which tells the checkpoints of two runs in one folder apart.
    """

    epochs: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    started: float = field(default_factory=time.time)


def check_run_folder(folder: Path) -> None:
    """Makes sure that a run can write into its folder, and its best model there, before work is spent on it.

    Raises:
        OutputError: It cannot, or the best model's folder holds other files.
    """
    check_folder(folder)
    check_replaceable(folder / BEST, {PARAMS_FILE, CONFIG_FILE, METRICS_FILE})


def _write_model(folder: Path, params: dict[str, paddle.Tensor], config: ModelConfig) -> None:
    save_params(params, folder / PARAMS_FILE)
    config.write(folder)
    (folder / METRICS_FILE).write_text(json.dumps(config.metrics, indent=2) + "\n", encoding="utf-8")


def save_model(folder: Path, params: dict[str, paddle.Tensor], config: ModelConfig) -> None:
    """Writes a trained model: `model.pdparams`, `model.yml`, `metrics.json`.

    Args:
        folder: The folder, which appears whole or not at all.
        params: The parameters by name.
        config: What `model.yml` says.

    Raises:
        OutputError: The folder cannot be written, or holds other files.
    """
    with whole_folder(folder) as partial:
        _write_model(partial, params, config)


def save_checkpoint(
    folder: Path,
    network: nn.Layer,
    average: WeightAverage,
    optimizer: Optimizer,
    scaler: paddle.amp.GradScaler,
    config: ModelConfig,
    progress: Progress,
) -> None:
    """Writes a trained model (the averaged weights) and what a run needs to go on from there.

    Args:
        folder: The folder, which appears whole or not at all.
        network: The network.
        average: The average of its weights.
        optimizer: Its optimizer.
        scaler: What scales its loss in mixed precision.
        config: What `model.yml` says.
        progress: How far the run is.

    Raises:
        OutputError: The folder cannot be written, or holds other files.
    """
    with whole_folder(folder) as partial:
        _write_model(partial, average.state_dict(), config)
        save_params(network.state_dict(), partial / RAW_FILE)
        save_params(optimizer.state_dict(), partial / OPTIMIZER_FILE)
        scale = {name: np.asarray(value).tolist() for name, value in scaler.state_dict().items()}
        state = {**asdict(progress), "average_steps": average.steps, "scaler": scale}
        (partial / PROGRESS_FILE).write_text(json.dumps(state), encoding="utf-8")


def load_checkpoint(
    folder: Path, network: nn.Layer, average: WeightAverage, optimizer: Optimizer, scaler: paddle.amp.GradScaler
) -> Progress:
    """Puts a run back to where `save_checkpoint` left it.

    Raises:
        ModelError: A file is missing or damaged, or belongs to another model or a schedule of another kind.
    """
    load_params(network, read_params(folder / RAW_FILE), folder / RAW_FILE)
    for name, value in read_params(folder / PARAMS_FILE).items():
        average.average[name].set_value(value)
    saved = read_pickle(folder / OPTIMIZER_FILE)
    if saved[SCHEDULE].keys() != optimizer.state_dict()[SCHEDULE].keys():
        raise ModelError(
            f"{folder / OPTIMIZER_FILE}: this is the state of another schedule; give the --schedule that the run began "
            "with"
        )
    optimizer.set_state_dict(saved)
    state = _read_progress(folder)
    average.steps = state.pop("average_steps")
    scale = state.pop("scaler")
    if scale:
        scaler.load_state_dict(scale)
    return Progress(**state)


def find_checkpoint(path: Path, model: str, prior_channel: bool = False) -> Path:
    """Finds what a run can go on from.

    Args:
        path: An epoch_N folder, or the folder of a run: its newest whole checkpoint is taken, damaged ones are named.
            Where the folder holds checkpoints of several runs, it is that of the run that began last.
        model: The network that is trained.
        prior_channel: Whether it has a prior channel.

    Raises:
        ModelError: There is no whole checkpoint of this network.
    """
    if (path / PROGRESS_FILE).exists():
        folder = path
        _check_whole(folder)
    else:
        folder = _newest_whole(path)
    config = ModelConfig.read(folder)
    if config.model != model:
        raise ModelError(f"{folder}: this is a checkpoint of {config.model}, not of {model}; give --model_type")
    if config.prior_channel != prior_channel:
        found, do = ("with", "give") if config.prior_channel else ("without", "leave out")
        raise ModelError(f"{folder}: this is a checkpoint {found} a prior channel; {do} --prior_channel")
    return folder


def _newest_whole(run: Path) -> Path:
    for folder in sorted(run.glob("epoch_*"), key=_age, reverse=True):
        try:
            _check_whole(folder)
        except ModelError as error:
            print(f"{folder}: the checkpoint is damaged and passed over ({error})", file=sys.stderr)
            continue
        return folder
    raise ModelError(
        f"{run}: there is no whole checkpoint: neither a {PROGRESS_FILE} nor folders epoch_N that are whole; give the "
        "--save_dir of a run, or one of its epoch_N"
    )


def _age(folder: Path) -> tuple[float, int]:
    """What sorts checkpoints; one that does not say comes last, to be named as damaged."""
    try:
        state = _read_progress(folder)
    except ModelError:
        return inf, 0
    return state["started"], state["epochs"]


def _check_whole(folder: Path) -> None:
    ModelConfig.read(folder)
    for name in (PARAMS_FILE, RAW_FILE, OPTIMIZER_FILE):
        check_finite(read_params(folder / name), folder / name)
    _read_progress(folder)


def _read_progress(folder: Path) -> dict:
    path = folder / PROGRESS_FILE
    try:
        # Checkpoints that do not say when their run began are older than all that do, and were made in full precision.
        state = {"started": 0.0, "scaler": {}, **json.loads(path.read_text(encoding="utf-8"))}
        return {name: state[name] for name in ("epochs", "history", "started", "average_steps", "scaler")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: the state of the run cannot be read ({error}); give another checkpoint") from error


def load_network(folder: Path) -> tuple[nn.Layer, ModelConfig]:
    """Builds the network of a trained model, or of any model of PaddleX 1.x, and loads its parameters.

    Raises:
        ModelError: The folder is not that of a trained model, its model is unknown or its parameters do not fit.
    """
    config = ModelConfig.read(folder)
    if config.status != TRAINED and not config.legacy:
        raise not_trained(folder)
    if config.model not in NETWORKS:
        raise ModelError(f"{folder}: {unknown_model(config.model)}")
    try:
        network = build_network(config.model, config.num_classes, config.prior_channel, config.width)
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from error
    if config.legacy:
        load_legacy(network, folder)
    else:
        load_params(network, read_params(folder / PARAMS_FILE), folder / PARAMS_FILE)
    return network, config
