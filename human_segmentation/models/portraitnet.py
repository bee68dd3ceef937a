"""PortraitNet: a MobileNetV2 U-shape with a mask head and, for training, a boundary head.

Zhang, Dong et al., "PortraitNet: Real-time Portrait Segmentation Network for Mobile Device", CAD/Graphics 2019. 2.1 M
parameters at 224x224.
"""

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from human_segmentation.models.layers import ConvBN
from human_segmentation.models.mobilenetv2 import MobileNetV2, scaled

# Channels of the decoder from 1/32 up to 1/2; the first three are the encoder's, whose features are added.
DECODER_CHANNELS = (96, 32, 24, 16, 8)


class Transition(nn.Layer):
    """Two depthwise-separable convolutions with a projected shortcut."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            ConvBN(in_channels, in_channels, 3, groups=in_channels),
            ConvBN(in_channels, out_channels, 1),
            ConvBN(out_channels, out_channels, 3, groups=out_channels),
            ConvBN(out_channels, out_channels, 1, activation=None),
        )
        self.shortcut = ConvBN(in_channels, out_channels, 1, activation=None)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Maps [N, in, H, W] to [N, out, H, W]."""
        return F.relu(self.shortcut(x) + self.block(x))


def upsampling(channels: int) -> nn.Conv2DTranspose:
    """Transposed convolution that doubles the size and starts as bilinear interpolation of each channel."""
    line = np.array([0.25, 0.75, 0.75, 0.25], np.float32)
    kernel = np.eye(channels, dtype=np.float32)[..., None, None] * np.outer(line, line)
    return nn.Conv2DTranspose(
        channels, channels, 4, stride=2, padding=1, weight_attr=nn.initializer.Assign(kernel), bias_attr=False
    )


class PortraitNet(nn.Layer):
    """The network.

    Args:
        num_classes: Classes of the mask head.
        in_channels: 3, or 4 with a prior channel.
        width: Factor of all channels.
    """

    HEAD = "mask_head"
    """The layer whose outputs are the classes."""

    def __init__(self, num_classes: int = 2, in_channels: int = 3, width: float = 1.0) -> None:
        super().__init__()
        self.encoder = MobileNetV2(in_channels, width)
        channels = [scaled(c, width) for c in DECODER_CHANNELS]
        self.transitions = nn.LayerList(
            Transition(before, after)
            for before, after in zip([self.encoder.channels[-1], *channels], channels, strict=False)
        )
        self.upsamplings = nn.LayerList(upsampling(c) for c in channels)
        self.mask_head = nn.Conv2D(channels[-1], num_classes, 3, padding=1, bias_attr=False)
        self.boundary_head = nn.Conv2D(channels[-1], 2, 3, padding=1, bias_attr=False)

    @paddle.jit.not_to_static  # Tracing it makes its graph; rewriting its code first takes as long again.
    def forward(self, image: paddle.Tensor) -> paddle.Tensor | tuple[paddle.Tensor, paddle.Tensor]:
        """Computes the logits.

        Args:
            image: float32 [N, in_channels, H, W], normalised; H and W are multiples of 32.

        Returns:
            Mask logits, float32 [N, num_classes, H, W]; in training mode also boundary logits, float32 [N, 2, H, W].
        """
        *skips, x = self.encoder(image)
        # The last two steps have no counterpart in the encoder, as in the paper's code.
        for step in range(len(self.transitions)):
            if 1 <= step <= 3:
                x = x + skips[-step]
            x = self.upsamplings[step](self.transitions[step](x))
        return (self.mask_head(x), self.boundary_head(x)) if self.training else self.mask_head(x)
