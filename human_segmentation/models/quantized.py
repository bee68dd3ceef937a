"""Layers that compute what paddle 1.8 does with a model that it quantised.

Where a value lies between two of the 255 steps, the last bit of a product decides, and the layers behind make many such
decisions of a few: in another order of operations, masks had an IoU of 0.87 to 0.96 with PaddleX's. So these are the
operations of paddle 1.8, one by one, in a form that no engine merges.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import paddle
import paddle.nn.functional as F
from numpy.typing import NDArray
from paddle import nn
from paddle.base.layer_helper import LayerHelper

from human_segmentation.paddle_files import MAX_INT8, quantization_steps

HUGE = 1e30
"""More than any value between the layers."""


@dataclass(frozen=True)
class Quantization:
    """How a convolution was quantised.

    Attributes:
        weight_scales: float32 [out_channels], the weight that 127 stands for.
        input_scale: float32, the input that 127 stands for; larger ones are cut.
    """

    weight_scales: NDArray[np.float32]
    input_scale: np.float32


class QuantizedConv(nn.Layer):
    """A convolution of integers in [-127, 127].

    Args:
        conv: The convolution; its weights are integers, its bias is not.
        quantization: What they and the input stand for.
    """

    def __init__(self, conv: nn.Conv2D, quantization: Quantization) -> None:
        super().__init__()
        self.conv = conv
        self.bias, conv.bias = conv.bias, None
        self.limit = float(quantization.input_scale)
        self.steps = quantization_steps(self.limit)
        scales = quantization.weight_scales * quantization.input_scale
        self.register_buffer("scales", paddle.to_tensor(scales.reshape(1, -1, 1, 1)))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Maps [N, in, H, W] to [N, out, H', W']."""
        x = _round(paddle.clip(x, -self.limit, self.limit) * self.steps)
        # The sums are whole numbers already; without rounding, engines put the scales into the weights.
        x = _round(self.conv(x)) * self.scales
        # A divisor that engines take for no constant; they would multiply by its reciprocal, which rounds otherwise.
        x = x / paddle.clip(x, MAX_INT8**2, MAX_INT8**2)
        return x if self.bias is None else x + self.bias.reshape([1, -1, 1, 1])


class FixedBatchNorm(nn.Layer):
    """Batch normalisation with the statistics that it has.

    Args:
        norm: The layer that it takes the place of.
    """

    @paddle.no_grad()
    def __init__(self, norm: nn.BatchNorm2D) -> None:
        super().__init__()
        zeros = paddle.zeros_like(norm._mean)
        shape = [1, len(zeros), 1, 1]
        # The layer itself says what it adds and multiplies by: its square roots are none of NumPy's.
        shift = F.batch_norm(
            paddle.zeros(shape), norm._mean, norm._variance, norm.weight, norm.bias, epsilon=norm._epsilon
        )
        scale = F.batch_norm(paddle.ones(shape), zeros, norm._variance, norm.weight, zeros, epsilon=norm._epsilon)
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Keeps the shape [N, C, H, W]."""
        # OpenVINO would round once, behind the sum.
        return paddle.clip(x * self.scale, -HUGE, HUGE) + self.shift


def quantize_layers(network: nn.Layer, quantizations: Mapping[str, Quantization]) -> None:
    """Puts quantised convolutions in the place of a network's own.

    Args:
        network: The network; the weights of these convolutions are integers.
        quantizations: Path of a convolution to how it was quantised.
    """
    layers = dict(network.named_sublayers(include_self=True))
    for path, layer in layers.items():
        parent, _, name = path.rpartition(".")
        if path in quantizations:
            setattr(layers[parent], name, QuantizedConv(layer, quantizations[path]))
        elif quantizations and isinstance(layer, nn.BatchNorm2D):
            setattr(layers[parent], name, FixedBatchNorm(layer))


def _round(x: paddle.Tensor) -> paddle.Tensor:
    if paddle.in_dynamic_mode():
        return paddle.round(x)
    # paddle.round does not know the old form of programs, which models are exported in.
    helper = LayerHelper("round")
    rounded = helper.create_variable_for_type_inference(x.dtype)
    helper.append_op(type="round", inputs={"X": x}, outputs={"Out": rounded})
    return rounded
