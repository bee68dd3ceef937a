"""MobileNetV2 up to its 320-channel block, the encoder of PortraitNet.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
"""

import paddle
from paddle import nn

from human_segmentation.models.layers import ConvBN

STEM_CHANNELS = 32
# By resolution (1/2, 1/4, ... 1/32): expansion, channels, number of blocks, stride of the first.
STAGES = (
    ((1, 16, 1, 1),),
    ((6, 24, 2, 2),),
    ((6, 32, 3, 2),),
    ((6, 64, 4, 2), (6, 96, 3, 1)),
    ((6, 160, 3, 2), (6, 320, 1, 1)),
)


def scaled(channels: int, width: float) -> int:
    """Channels times the width factor, as a multiple of eight."""
    return max(8, int(channels * width + 4) // 8 * 8)


def relu6(x: paddle.Tensor) -> paddle.Tensor:
    """min(max(x, 0), 6), as a clip: Paddle Lite's relu6 wants an attribute that paddle 3 no longer writes."""
    return paddle.clip(x, 0.0, 6.0)


class InvertedResidual(nn.Layer):
    """Expand, convolve each channel by itself, project; with a shortcut where the shape stays."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers = [] if expansion == 1 else [ConvBN(in_channels, hidden, 1, activation=relu6)]
        layers.append(ConvBN(hidden, hidden, 3, stride=stride, groups=hidden, activation=relu6))
        layers.append(ConvBN(hidden, out_channels, 1, activation=None))
        self.layers = nn.Sequential(*layers)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Maps [N, in, H, W] to [N, out, H / stride, W / stride]."""
        return x + self.layers(x) if self.shortcut else self.layers(x)


class MobileNetV2(nn.Layer):
    """The encoder.

    Args:
        in_channels: Channels of the input.
        width: Factor of all channels.

    Attributes:
        channels: Channels of the five outputs.
    """

    def __init__(self, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__()
        channels = scaled(STEM_CHANNELS, width)
        self.stem = ConvBN(in_channels, channels, 3, stride=2, activation=relu6)
        self.stages = nn.LayerList()
        self.channels: list[int] = []
        for stage in STAGES:
            blocks = []
            for expansion, out_channels, number, first_stride in stage:
                for block in range(number):
                    out = scaled(out_channels, width)
                    blocks.append(InvertedResidual(channels, out, first_stride if block == 0 else 1, expansion))
                    channels = out
            self.stages.append(nn.Sequential(*blocks))
            self.channels.append(channels)

    def forward(self, x: paddle.Tensor) -> list[paddle.Tensor]:
        """Computes the features of an image.

        Args:
            x: float32 [N, in_channels, H, W].

        Returns:
            Five float32 [N, channels[i], H / 2^(i+1), W / 2^(i+1)].
        """
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features
