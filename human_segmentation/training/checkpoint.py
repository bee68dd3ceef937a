"""Trained models and the state of a run on disk. A folder appears whole or not at all."""

import json
from pathlib import Path

import paddle
from paddle import nn
from paddle.optimizer import Optimizer

from human_segmentation.errors import ModelError
from human_segmentation.files import whole_folder
from human_segmentation.inference.model_config import TRAINED, ModelConfig
from human_segmentation.models.weights import load_params, read_params, save_params
from human_segmentation.models.zoo import MODELS
from human_segmentation.training.ema import WeightAverage

PARAMS_FILE = "model.pdparams"
METRICS_FILE = "metrics.json"
RAW_FILE = "raw.pdparams"
OPTIMIZER_FILE = "model.pdopt"


def _write_model(folder: Path, params: dict[str, paddle.Tensor], config: ModelConfig) -> None:
    save_params(params, folder / PARAMS_FILE)
    config.write(folder)
    (folder / METRICS_FILE).write_text(json.dumps(config.metrics, indent=2) + "\n", encoding="utf-8")


def save_model(folder: Path, params: dict[str, paddle.Tensor], config: ModelConfig) -> None:
    """Writes a trained model: `model.pdparams`, `model.yml`, `metrics.json`."""
    with whole_folder(folder) as partial:
        _write_model(partial, params, config)


def save_checkpoint(
    folder: Path, network: nn.Layer, average: WeightAverage, optimizer: Optimizer, config: ModelConfig
) -> None:
    """Writes a trained model (the averaged weights) and what a run needs to go on from there."""
    with whole_folder(folder) as partial:
        _write_model(partial, average.state_dict(), config)
        save_params(network.state_dict(), partial / RAW_FILE)
        paddle.save({**optimizer.state_dict(), "average_steps": average.steps}, str(partial / OPTIMIZER_FILE))


def load_checkpoint(folder: Path, network: nn.Layer, average: WeightAverage, optimizer: Optimizer) -> ModelConfig:
    """Puts a run back to where `save_checkpoint` left it.

    Returns:
        The checkpoint's configuration, with the number of epochs that are done.

    Raises:
        ModelError: It is no checkpoint, or one of another model.
    """
    config = ModelConfig.read(folder)
    load_params(network, read_params(folder / RAW_FILE), folder / RAW_FILE)
    for name, value in read_params(folder / PARAMS_FILE).items():
        average.average[name].set_value(value)
    if not (folder / OPTIMIZER_FILE).is_file():
        raise ModelError(f"{folder / OPTIMIZER_FILE}: the state of the run is missing; give an epoch_N folder")
    state = paddle.load(str(folder / OPTIMIZER_FILE))
    average.steps = state.pop("average_steps")
    optimizer.set_state_dict(state)
    return config


def load_network(folder: Path) -> tuple[nn.Layer, ModelConfig]:
    """Builds the network of a trained model and loads its parameters.

    Raises:
        ModelError: The folder is not that of a trained model, its model is unknown or its parameters do not fit.
    """
    config = ModelConfig.read(folder)
    if config.status != TRAINED:
        raise ModelError(f"{folder}: this is an exported model; give a trained one, such as output/best_model")
    if config.model not in MODELS:
        raise ModelError(f"{folder}: the model {config.model} is unknown; it must be one of {', '.join(MODELS)}")
    network = MODELS[config.model](config.num_classes)
    load_params(network, read_params(folder / PARAMS_FILE), folder / PARAMS_FILE)
    return network, config
