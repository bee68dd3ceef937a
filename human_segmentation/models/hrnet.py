"""HumanSegMobile: HRNet_w18_small_v1 as PaddleX 1.3 builds it.

Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2020. The small version keeps
one module a stage and two blocks a branch: 1.51 M parameters.

The path of every layer, joined by underscores, is PaddleX's name for it (`st2_1.layer_1_2` is `st2_1_layer_1_2`), so
that importing a PaddleX model is a renaming.
"""

import paddle
import paddle.nn.functional as F
from paddle import nn

from human_segmentation.models.layers import ConvBN

STEM_CHANNELS = 32
BRANCH_CHANNELS = (16, 32, 64, 128)
BLOCKS_PER_BRANCH = 2


class Bottleneck(nn.Layer):
    """Residual block 1×1, 3×3, 1×1 with a projected shortcut."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = ConvBN(in_channels, channels, 1)
        self.conv2 = ConvBN(channels, channels, 3)
        self.conv3 = ConvBN(channels, out_channels, 1, activation=None)
        self.downsample = ConvBN(in_channels, out_channels, 1, activation=None)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Maps [N, in, H, W] to [N, 4 * channels, H, W]."""
        return F.relu(self.downsample(x) + self.conv3(self.conv2(self.conv1(x))))


class BasicBlock(nn.Layer):
    """Residual block of two 3×3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvBN(channels, channels, 3)
        self.conv2 = ConvBN(channels, channels, 3, activation=None)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Keeps the shape [N, channels, H, W]."""
        return F.relu(x + self.conv2(self.conv1(x)))


class Stage(nn.Layer):
    """Parallel branches of basic blocks, then an exchange between every pair of branches.

    Args:
        channels: Channels of each branch, from the highest resolution to the lowest.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.branches = len(channels)
        for i, width in enumerate(channels, 1):
            for block in range(1, BLOCKS_PER_BRANCH + 1):
                self.add_sublayer(f"branch_layer_{i}_{block}", BasicBlock(width))
        for target in range(1, self.branches + 1):
            for source in range(1, self.branches + 1):
                self._add_exchange(target, source, channels[source - 1], channels[target - 1])

    def _add_exchange(self, target: int, source: int, source_width: int, target_width: int) -> None:
        if source > target:  # from a lower resolution: project, then upsample
            self.add_sublayer(f"layer_{target}_{source}", ConvBN(source_width, target_width, 1, activation=None))
        for step in range(1, target - source + 1):  # from a higher one: a stride-2 convolution a level
            last = step == target - source
            out = target_width if last else source_width
            layer = ConvBN(source_width, out, 3, stride=2, activation=None if last else F.relu)
            self.add_sublayer(f"layer_{target}_{source}_{step}", layer)

    def _exchange(self, x: paddle.Tensor, target: int, source: int, size: paddle.Tensor) -> paddle.Tensor:
        if source > target:
            x = getattr(self, f"layer_{target}_{source}")(x)
            return F.interpolate(x, size=size, mode="bilinear", align_corners=False, align_mode=1)
        for step in range(1, target - source + 1):
            x = getattr(self, f"layer_{target}_{source}_{step}")(x)
        return x

    def forward(self, xs: list[paddle.Tensor]) -> list[paddle.Tensor]:
        """Maps a list of [N, C_i, H_i, W_i] to a list of the same shapes."""
        xs = list(xs)
        for i in range(self.branches):
            for block in range(1, BLOCKS_PER_BRANCH + 1):
                xs[i] = getattr(self, f"branch_layer_{i + 1}_{block}")(xs[i])
        fused = []
        for target in range(1, self.branches + 1):
            total = xs[target - 1]
            for source in range(1, self.branches + 1):
                if source != target:
                    total = total + self._exchange(xs[source - 1], target, source, paddle.shape(total)[2:])
            fused.append(F.relu(total))
        return fused


class HumanSegMobile(nn.Layer):
    """HRNet_w18_small_v1 with a one-convolution head.

    Args:
        num_classes: Classes of the output; 2 is background and person.
    """

    HEAD = "conv_1"
    """The layer whose outputs are the classes."""

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.layer1_1 = ConvBN(3, STEM_CHANNELS, 3, stride=2)
        self.layer1_2 = ConvBN(STEM_CHANNELS, STEM_CHANNELS, 3, stride=2)
        self.layer2_1 = Bottleneck(STEM_CHANNELS, STEM_CHANNELS)
        widths = BRANCH_CHANNELS
        self.tr1 = nn.LayerDict(
            {
                "layer_1": ConvBN(STEM_CHANNELS * Bottleneck.expansion, widths[0], 3),
                "layer_2": ConvBN(STEM_CHANNELS * Bottleneck.expansion, widths[1], 3, stride=2),
            }
        )
        self.st2_1 = Stage(widths[:2])
        self.tr2 = nn.LayerDict({"layer_3": ConvBN(widths[1], widths[2], 3, stride=2)})
        self.st3_1 = Stage(widths[:3])
        self.tr3 = nn.LayerDict({"layer_4": ConvBN(widths[2], widths[3], 3, stride=2)})
        self.st4_1 = Stage(widths)
        # PaddleX calls these two "conv-2" and "conv-1".
        self.conv_2 = ConvBN(sum(widths), sum(widths), 1)
        self.conv_1 = nn.Conv2D(sum(widths), num_classes, 1, bias_attr=False)

    @paddle.jit.not_to_static  # Tracing it makes its graph; rewriting its code first takes as long again.
    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        """Computes the logits.

        Args:
            image: float32 [N, 3, H, W], normalised.

        Returns:
            float32 [N, num_classes, H, W], logits at the size of the input.
        """
        x = self.layer2_1(self.layer1_2(self.layer1_1(image)))
        xs = self.st2_1([self.tr1["layer_1"](x), self.tr1["layer_2"](x)])
        xs = self.st3_1([*xs, self.tr2["layer_3"](xs[-1])])
        xs = self.st4_1([*xs, self.tr3["layer_4"](xs[-1])])
        size = paddle.shape(xs[0])[2:]
        up = [F.interpolate(x, size=size, mode="bilinear", align_corners=True) for x in xs[1:]]
        logits = self.conv_1(self.conv_2(paddle.concat([xs[0], *up], axis=1)))
        return F.interpolate(logits, size=paddle.shape(image)[2:], mode="bilinear", align_corners=True)
