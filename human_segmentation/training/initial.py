"""Where the training of a network starts: a trained model, or ImageNet weights for PortraitNet's encoder."""

from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle import nn

from human_segmentation.datasets.dataset import TrainingSet
from human_segmentation.errors import ModelError
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.layers import ConvBN
from human_segmentation.models.legacy import read_trained
from human_segmentation.models.mobilenetv2 import MobileNetV2
from human_segmentation.models.portraitnet import PortraitNet
from human_segmentation.models.weights import load_params

IMAGENET = ".npz"
"""The suffix of weights that were trained for ImageNet."""
CALIBRATION_PHOTOS = 32


def start_from(path: Path, network: nn.Layer, preprocess: Preprocess, training_set: TrainingSet) -> None:
    """Loads a trained model, or ImageNet weights (an npz file) into PortraitNet's encoder.

    Where the trained model has another number of classes, its head is left out, and a line says so.

    Args:
        path: Folder of a trained model or of one of PaddleX 1.x, its `model.pdparams`, or the npz file.
        network: What is to be trained.
        preprocess: How its input is made.
        training_set: Where photos are taken from to measure the statistics of ImageNet weights.

    Raises:
        ModelError: The file is missing, damaged or belongs to another network.
    """
    if path.suffix == IMAGENET:
        if not isinstance(network, PortraitNet):
            raise ModelError(
                f"{path}: these are weights of MobileNetV2, which only PortraitNet has; give a trained model"
            )
        photos = np.stack([training_set[i][2] for i in range(min(CALIBRATION_PHOTOS, len(training_set)))])
        load_mobilenetv2(network.encoder, path, preprocess, paddle.to_tensor(preprocess.normalize(photos)))
        return
    params = read_trained(path, network)
    head = _fresh_head(network, params)
    load_params(network, params | head, path)
    if head:
        name, value = next(iter(head.items()))
        print(
            f"{path}: the parameter {name} has the shape {list(params[name].shape)} and the network "
            f"{list(value.shape)}; this layer starts at random, as the number of classes is another"
        )


def _fresh_head(network: nn.Layer, params: dict[str, NDArray]) -> dict[str, NDArray]:
    """A network's own, random head, where the parameters given have one for another number of classes; else nothing."""
    own = {name: value.numpy() for name, value in network.state_dict().items() if name.startswith(f"{network.HEAD}.")}
    differ = [name for name, value in own.items() if name in params and params[name].shape != value.shape]
    return own if differ and all(params[name].shape[1:] == own[name].shape[1:] for name in differ) else {}


@paddle.no_grad()
def load_mobilenetv2(encoder: MobileNetV2, path: Path, preprocess: Preprocess, images: paddle.Tensor) -> None:
    """Starts an encoder from MobileNetV2 weights whose batch normalisation is folded into the convolutions.

    The normalisation is unfolded with real photos: each layer's running statistics become those of its own output, and
    its scale and shift undo them again. In training and evaluation mode alike, the network then starts from the
    function that the weights were trained for.

    Args:
        encoder: The encoder, of width 1.
        path: An npz file with `NN.weight` and `NN.bias` in graph order, for RGB input (x - 127.5) / 127.5.
        preprocess: How the network's own input is made; the first weights are converted to it.
        images: float32 [N, 3, H, W], photos so preprocessed.

    Raises:
        ModelError: The file is missing or does not fit.
    """
    layers = [layer for layer in encoder.sublayers() if isinstance(layer, ConvBN)]
    try:
        with np.load(path) as file:
            weights = [file[f"{i:02d}.weight"].astype(np.float32) for i in range(len(layers))]
            biases = [file[f"{i:02d}.bias"].astype(np.float32) for i in range(len(layers))]
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise ModelError(f"{path}: these are no MobileNetV2 weights ({error}); give the npz file") from error
    shapes = [list(layer.conv.weight.shape) for layer in layers]
    priors = shapes[0][1] - 3
    shapes[0][1] = 3  # the file knows no prior channel
    for index, shape in enumerate(shapes):
        for part, value, own in (("weight", weights[index], shape), ("bias", biases[index], shape[:1])):
            if list(value.shape) != own:
                raise ModelError(
                    f"{path}: the {part} of layer {index} has the shape {list(value.shape)} and the network {own}; "
                    "these weights are for --width 1"
                )
    weights[0], biases[0] = _converted(weights[0], biases[0], preprocess)
    if priors:  # a prior channel starts without a say
        weights[0] = np.pad(weights[0], [(0, 0), (0, priors), (0, 0), (0, 0)])
        images = paddle.concat([images, paddle.zeros_like(images[:, :priors])], axis=1)
    hooks = []
    for layer, weight, bias in zip(layers, weights, biases, strict=True):
        layer.conv.weight.set_value(weight)
        hooks.append(layer.conv.register_forward_post_hook(_unfolding(layer.bn, paddle.to_tensor(bias))))
    encoder.eval()
    encoder(images)
    encoder.train()
    for hook in hooks:
        hook.remove()


def _converted(weight: np.ndarray, bias: np.ndarray, preprocess: Preprocess) -> tuple[np.ndarray, np.ndarray]:
    """First weights for the network's own input, in place of RGB (x - 127.5) / 127.5."""
    if preprocess.color == "BGR":
        weight = weight[:, ::-1]
    pixels = 255.0 * np.array(preprocess.std)  # of one unit of the network's input
    zero = 255.0 * np.array(preprocess.mean)  # the pixel value that is 0 there
    shift = ((zero - 127.5) / 127.5).reshape(1, 3, 1, 1)
    scale = (pixels / 127.5).reshape(1, 3, 1, 1)
    return (weight * scale).astype(np.float32), (bias + (weight * shift).sum((1, 2, 3))).astype(np.float32)


def _unfolding(bn: nn.BatchNorm2D, bias: paddle.Tensor) -> Callable[..., None]:
    def unfold(_layer: nn.Layer, _inputs: object, output: paddle.Tensor) -> None:
        mean, variance = output.mean([0, 2, 3]), output.var([0, 2, 3], unbiased=False)
        bn._mean.set_value(mean)
        bn._variance.set_value(variance)
        bn.weight.set_value(paddle.sqrt(variance + bn._epsilon))
        bn.bias.set_value(bias + mean)

    return unfold
