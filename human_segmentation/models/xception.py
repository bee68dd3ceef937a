"""Xception65, the backbone of HumanSegServer, as PaddleX 1.3 builds it, at output stride 16.

Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017, as modified by DeepLabv3+.
"""

import paddle
import paddle.nn.functional as F
from paddle import nn

from human_segmentation.models.layers import ConvBN

EPSILON = 1e-3
MIDDLE_BLOCKS = 16
LOW_LEVEL_CHANNELS = 256
CHANNELS = 2048


class SeparableConv(nn.Layer):
    """Depthwise 3x3 and pointwise 1x1 convolution, each with batch normalisation and an activation if asked for.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride of the depthwise convolution.
        dilation: Its dilation.
        epsilon: Added to the variance of the batch normalisation.
        relu: Whether a ReLU follows each of the two.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        dilation: int = 1,
        epsilon: float = 1e-5,
        relu: bool = True,
    ) -> None:
        super().__init__()
        activation = F.relu if relu else None
        self.depthwise = ConvBN(
            in_channels,
            in_channels,
            3,
            stride=stride,
            groups=in_channels,
            dilation=dilation,
            epsilon=epsilon,
            activation=activation,
        )
        self.pointwise = ConvBN(in_channels, out_channels, 1, epsilon=epsilon, activation=activation)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Maps [N, in, H, W] to [N, out, H / stride, W / stride]."""
        return self.pointwise(self.depthwise(x))


class XceptionBlock(nn.Layer):
    """Three separable convolutions, each behind a ReLU, and a shortcut, projected where the shape changes.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels behind each of the three convolutions.
        stride: Stride of the last one.
    """

    def __init__(self, in_channels: int, out_channels: tuple[int, int, int], stride: int = 1) -> None:
        super().__init__()
        first, second, third = out_channels
        self.separable_conv1 = SeparableConv(in_channels, first, epsilon=EPSILON, relu=False)
        self.separable_conv2 = SeparableConv(first, second, epsilon=EPSILON, relu=False)
        self.separable_conv3 = SeparableConv(second, third, stride=stride, epsilon=EPSILON, relu=False)
        self.shortcut: ConvBN | None = None
        if stride != 1 or in_channels != third:
            self.shortcut = ConvBN(in_channels, third, 1, stride=stride, epsilon=EPSILON, activation=None)

    def forward(self, x: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Maps [N, in, H, W] to [N, third, H / stride, W / stride], and what the second convolution gave."""
        middle = self.separable_conv2(F.relu(self.separable_conv1(F.relu(x))))
        last = self.separable_conv3(F.relu(middle))
        return last + (x if self.shortcut is None else self.shortcut(x)), middle


class Xception65(nn.Layer):
    """The backbone."""

    def __init__(self) -> None:
        super().__init__()
        self.entry_flow = nn.LayerDict(
            {
                "conv1": ConvBN(3, 32, 3, stride=2, epsilon=EPSILON),
                "conv2": ConvBN(32, 64, 3, epsilon=EPSILON),
                "block1": XceptionBlock(64, (128, 128, 128), stride=2),
                "block2": XceptionBlock(128, (LOW_LEVEL_CHANNELS,) * 3, stride=2),
                "block3": XceptionBlock(256, (728, 728, 728), stride=2),
            }
        )
        self.middle_flow = nn.LayerDict(
            {f"block{i}": XceptionBlock(728, (728, 728, 728)) for i in range(1, MIDDLE_BLOCKS + 1)}
        )
        # At output stride 16 the last block is dilated instead of strided.
        last = (
            SeparableConv(i, o, dilation=2, epsilon=EPSILON) for i, o in ((1024, 1536), (1536, 1536), (1536, CHANNELS))
        )
        self.exit_flow = nn.LayerDict(
            {
                "block1": XceptionBlock(728, (728, 1024, 1024)),
                "block2": nn.LayerDict({f"separable_conv{i}": conv for i, conv in enumerate(last, 1)}),
            }
        )

    def forward(self, image: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Computes the features of an image.

        Args:
            image: float32 [N, 3, H, W].

        Returns:
            float32 [N, 2048, H / 16, W / 16] and the low-level features, float32 [N, 256, H / 4, W / 4].
        """
        x = self.entry_flow["conv2"](self.entry_flow["conv1"](image))
        x, _ = self.entry_flow["block1"](x)
        x, low_level = self.entry_flow["block2"](x)
        x, _ = self.entry_flow["block3"](x)
        for block in self.middle_flow.values():
            x, _ = block(x)
        x, _ = self.exit_flow["block1"](x)
        for conv in self.exit_flow["block2"].values():
            x = conv(x)
        return x, low_level
