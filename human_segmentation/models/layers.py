"""Layers that several networks share."""

import paddle
import paddle.nn.functional as F
from paddle import nn


class ConvBN(nn.Layer):
    """Convolution without bias, batch normalisation and, if asked for, a ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the square kernel; the padding keeps the size at stride 1.
        stride: Stride of the convolution.
        relu: Whether a ReLU follows.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2D(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            weight_attr=nn.initializer.KaimingNormal(),
            bias_attr=False,
        )
        self.bn = nn.BatchNorm2D(out_channels)
        self.relu = relu

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Maps [N, in, H, W] to [N, out, H / stride, W / stride]."""
        x = self.bn(self.conv(x))
        return F.relu(x) if self.relu else x
