"""Layers that several networks share."""

from collections.abc import Callable

import paddle
import paddle.nn.functional as F
from paddle import nn


class ConvBN(nn.Layer):
    """Convolution without bias, batch normalisation and an activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the square kernel; the padding keeps the size at stride 1.
        stride: Stride of the convolution.
        groups: Groups of the convolution.
        dilation: Distance between the taps of the kernel.
        epsilon: Added to the variance of the batch normalisation.
        activation: What follows; None for nothing.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        epsilon: float = 1e-5,
        activation: Callable[[paddle.Tensor], paddle.Tensor] | None = F.relu,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            groups=groups,
            weight_attr=nn.initializer.KaimingNormal(),
            bias_attr=False,
        )
        self.bn = nn.BatchNorm2D(out_channels, epsilon=epsilon)
        self.activation = activation

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Maps [N, in, H, W] to [N, out, H / stride, W / stride]."""
        x = self.bn(self.conv(x))
        return x if self.activation is None else self.activation(x)
