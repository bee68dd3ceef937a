"""HumanSegServer: DeepLabv3+ with Xception65 as PaddleX 1.3 builds it, 41 M parameters, made for 512x512.

Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation", ECCV 2018.

The path of every layer, joined by slashes, is PaddleX's name for it (`encoder.aspp1.depthwise` is
`encoder/aspp1/depthwise`).
"""

import paddle
import paddle.nn.functional as F
from paddle import nn

from human_segmentation.models.layers import ConvBN
from human_segmentation.models.xception import CHANNELS, LOW_LEVEL_CHANNELS, SeparableConv, Xception65

WIDTH = 256
SKIP_WIDTH = 48
DILATIONS = (6, 12, 18)
DROPOUT = 0.9


class HumanSegServer(nn.Layer):
    """Xception65, atrous spatial pyramid pooling, and a decoder that adds low-level features.

    Args:
        num_classes: Classes of the output; 2 is background and person.
    """

    HEAD = "logit"
    """The layer whose outputs are the classes."""

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.xception_65 = Xception65()
        branches = {f"aspp{i}": SeparableConv(CHANNELS, WIDTH, dilation=d) for i, d in enumerate(DILATIONS, 1)}
        self.encoder = nn.LayerDict(
            {
                "image_pool": ConvBN(CHANNELS, WIDTH, 1),
                "aspp0": ConvBN(CHANNELS, WIDTH, 1),
                **branches,
                "concat": ConvBN(WIDTH * (2 + len(DILATIONS)), WIDTH, 1),
            }
        )
        # PaddleX drops nine values of ten and, other than is usual today, scales at inference instead of in training.
        self.dropout = nn.Dropout(DROPOUT, mode="downscale_in_infer")
        self.decoder = nn.LayerDict(
            {
                "concat": ConvBN(LOW_LEVEL_CHANNELS, SKIP_WIDTH, 1),
                "separable_conv1": SeparableConv(WIDTH + SKIP_WIDTH, WIDTH),
                "separable_conv2": SeparableConv(WIDTH, WIDTH),
            }
        )
        self.logit = nn.Conv2D(WIDTH, num_classes, 1)

    @paddle.jit.not_to_static  # Tracing it makes its graph; rewriting its code first takes as long again.
    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        """Computes the logits.

        Args:
            image: float32 [N, 3, H, W], normalised.

        Returns:
            float32 [N, num_classes, H, W], logits at the size of the input.
        """
        x, low_level = self.xception_65(image)
        pooled = self.encoder["image_pool"](x.mean([2, 3], keepdim=True))
        branches = [_resize(pooled, x), *(self.encoder[f"aspp{i}"](x) for i in range(1 + len(DILATIONS)))]
        x = self.dropout(self.encoder["concat"](paddle.concat(branches, axis=1)))
        skip = self.decoder["concat"](low_level)
        x = paddle.concat([_resize(x, skip), skip], axis=1)
        x = self.decoder["separable_conv2"](self.decoder["separable_conv1"](x))
        return _resize(self.logit(x), image)


def _resize(x: paddle.Tensor, like: paddle.Tensor) -> paddle.Tensor:
    """Brings `x` to the height and width of `like`."""
    return F.interpolate(x, size=paddle.shape(like)[2:], mode="bilinear", align_corners=True)
