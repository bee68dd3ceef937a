"""Parameters of PaddleX 1.x: what they are called, and the three forms that a folder has them in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from paddle import nn

from human_segmentation.errors import ModelError
from human_segmentation.models.quantized import Quantization, quantize_layers
from human_segmentation.models.weights import PARAMS_FILE as PICKLE_FILE
from human_segmentation.models.weights import load_params, not_trained, read_params
from human_segmentation.paddle_files import (
    DEQUANTIZE,
    MAX_INT8,
    PARAMS_FILE,
    PROGRAM_FILE,
    QUANTIZE,
    arguments,
    parameter_names,
    read_program,
    read_tensors,
)

CONVOLUTIONS = ("conv2d", "depthwise_conv2d")

# For each network: what joins the path of a layer, the suffix of a parameter here -> PaddleX's.
_NAMES: dict[str, tuple[str, dict[str, str]]] = {
    "HumanSegMobile": (
        "_",
        {
            ".conv.weight": "_weights",
            ".bn.weight": "_bn_scale",
            ".bn.bias": "_bn_offset",
            ".bn._mean": "_bn_mean",
            ".bn._variance": "_bn_variance",
            ".weight": "_weights",
        },
    ),
    "HumanSegServer": (
        "/",
        {
            ".conv.weight": "/weights",
            ".bn.weight": "/BatchNorm/gamma",
            ".bn.bias": "/BatchNorm/beta",
            ".bn._mean": "/BatchNorm/moving_mean",
            ".bn._variance": "/BatchNorm/moving_variance",
            ".weight": "/weights",
            ".bias": "/biases",
        },
    ),
}
# The layers whose PaddleX names are no Python names.
_LAYERS = {"conv_2": "conv-2", "conv_1": "conv-1"}


def paddlex_name(model: str, name: str) -> str:
    """What PaddleX 1.x calls a parameter.

    Args:
        model: The network's name in the zoo.
        name: The parameter's name here, such as "st2_1.layer_1_2.bn.weight".

    Returns:
        PaddleX's name, such as "st2_1_layer_1_2_bn_scale".

    Raises:
        ModelError: PaddleX 1.x had no such network.
    """
    if model not in _NAMES:
        raise ModelError(f"{model}: PaddleX 1.x had no such model; it had {' and '.join(_NAMES)}")
    separator, suffixes = _NAMES[model]
    suffix = next(suffix for suffix in suffixes if name.endswith(suffix))
    layer = name.removesuffix(suffix).replace(".", separator)
    return _LAYERS.get(layer, layer) + suffixes[suffix]


def read_trained(path: Path, network: nn.Layer) -> dict[str, NDArray]:
    """Reads the parameters of a trained model for a network, or those of a PaddleX 1.x model in any form.

    Args:
        path: Folder of the model, or its `model.pdparams`.
        network: The network.

    Returns:
        Name in the network to array; quantised weights in float.

    Raises:
        ModelError: The parameters are missing or damaged, or those of an exported model, which has other names.
    """
    names = _paddlex_names(network)
    tensors, quantizations = _read(path, names)
    if not names or not set(tensors).isdisjoint(names):
        return tensors
    params = _renamed(tensors, names, network)
    for layer, quantization in _by_layer(quantizations, names, network).items():
        scales = quantization.weight_scales.reshape(-1, 1, 1, 1)
        params[f"{layer}.weight"] = params[f"{layer}.weight"] * scales / MAX_INT8
    return params


def load_legacy(network: nn.Layer, folder: Path) -> None:
    """Makes a network compute what a PaddleX 1.x model does; one that was quantised becomes so too.

    Args:
        network: The network.
        folder: Folder of the model.

    Raises:
        ModelError: The parameters are missing, damaged, or do not fit.
    """
    names = _paddlex_names(network)
    tensors, quantizations = _read(folder, names)
    load_params(network, _renamed(tensors, names, network), folder)
    quantize_layers(network, _by_layer(quantizations, names, network))


def _paddlex_names(network: nn.Layer) -> dict[str, str]:
    """Name in a network to PaddleX's; empty for a network that PaddleX had not."""
    model = type(network).__name__
    return {name: paddlex_name(model, name) for name in network.state_dict()} if model in _NAMES else {}


def _read(path: Path, names: dict[str, str]) -> tuple[dict[str, NDArray], dict[str, Quantization]]:
    """PaddleX's name of a parameter to array, and of a quantised weight to its quantisation."""
    if path.is_file() or (path / PICKLE_FILE).is_file():
        return read_params(path if path.is_file() else path / PICKLE_FILE), {}
    if (path / PROGRAM_FILE).is_file():
        program = read_program(path / PROGRAM_FILE)
        wanted = parameter_names(program)
        if not any(name.endswith("weights") for name in wanted):  # the parameters of today's programs have numbers
            raise not_trained(path)
        tensors = _read_tensors(path, wanted)
        return tensors, _quantizations(program, tensors, path / PROGRAM_FILE)
    # The network alone knows then what the file has, or which of the files belong to the model.
    combined = (path / PARAMS_FILE).is_file()
    tensors = _read_tensors(path, sorted(name for name in names.values() if combined or (path / name).is_file()))
    if not tensors:
        raise ModelError(
            f"{path}: the parameters are missing; give a folder with {PICKLE_FILE}, {PARAMS_FILE} or one file for each"
        )
    return tensors, {}


def _read_tensors(folder: Path, names: list[str]) -> dict[str, NDArray]:
    if (folder / PARAMS_FILE).is_file():
        return read_tensors(folder / PARAMS_FILE, names)
    return {name: read_tensors(folder / name, [name])[name] for name in names}


def _quantizations(program: Any, tensors: dict[str, NDArray], path: Path) -> dict[str, Quantization]:
    operators = program.blocks[0].ops
    unknown = {op.type for op in operators if op.type.startswith("fake_")} - {DEQUANTIZE, *QUANTIZE}
    if unknown:
        raise ModelError(f"{path}: {min(unknown)} is a quantisation that is unknown here; give the model before it")
    weights = {
        arguments(op.outputs, "Output")[0]: arguments(op.inputs, "Filter")[0]
        for op in operators
        if op.type in CONVOLUTIONS
    }
    found = {}
    try:
        for op in operators:
            if op.type == DEQUANTIZE:
                of_weights, of_input = (tensors[name].ravel() for name in arguments(op.inputs, "Scales"))
                found[weights[arguments(op.inputs, "X")[0]]] = Quantization(of_weights, of_input[0])
    except (LookupError, ValueError) as error:
        raise ModelError(f"{path}: the program has quantised layers that are unknown here ({error})") from error
    return found


def _renamed(tensors: dict[str, NDArray], names: dict[str, str], network: nn.Layer) -> dict[str, NDArray]:
    state = network.state_dict()
    return {
        name: _two_classes(tensors[theirs], state[name].shape[0]) for name, theirs in names.items() if theirs in tensors
    }


def _by_layer(
    quantizations: dict[str, Quantization], names: dict[str, str], network: nn.Layer
) -> dict[str, Quantization]:
    """Path of a convolution in the network to its quantisation."""
    channels = {name: value.shape[0] for name, value in network.state_dict().items()}
    return {
        name.removesuffix(".weight"): replace(
            quantizations[theirs], weight_scales=_two_classes(quantizations[theirs].weight_scales, channels[name])
        )
        for name, theirs in names.items()
        if theirs in quantizations
    }


def _two_classes(values: NDArray, channels: int) -> NDArray:
    """The last layer of a model that PaddleX trained by Dice or BCE has one output x and the scores of (0, x)."""
    if len(values) == 1 and channels == 2:
        return np.concatenate([np.zeros_like(values), values])
    return values
