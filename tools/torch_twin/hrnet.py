"""HumanSegMobile in PyTorch, layer by layer and name by name that of `human_segmentation.models.hrnet`."""

import torch
import torch.nn.functional as F
from layers import ConvBN
from torch import nn

STEM_CHANNELS = 32
BRANCH_CHANNELS = (16, 32, 64, 128)
BLOCKS_PER_BRANCH = 2


class Bottleneck(nn.Module):
    """Residual block 1×1, 3×3, 1×1 with a projected shortcut."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = ConvBN(in_channels, channels, 1)
        self.conv2 = ConvBN(channels, channels, 3)
        self.conv3 = ConvBN(channels, out_channels, 1, activation=None)
        self.downsample = ConvBN(in_channels, out_channels, 1, activation=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, in, H, W] to [N, 4 * channels, H, W]."""
        return F.relu(self.downsample(x) + self.conv3(self.conv2(self.conv1(x))))


class BasicBlock(nn.Module):
    """Residual block of two 3×3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvBN(channels, channels, 3)
        self.conv2 = ConvBN(channels, channels, 3, activation=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keeps the shape [N, channels, H, W]."""
        return F.relu(x + self.conv2(self.conv1(x)))


class Stage(nn.Module):
    """Parallel branches of basic blocks, then an exchange between every pair of branches."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.branches = len(channels)
        for i, width in enumerate(channels, 1):
            for block in range(1, BLOCKS_PER_BRANCH + 1):
                self.add_module(f"branch_layer_{i}_{block}", BasicBlock(width))
        for target in range(1, self.branches + 1):
            for source in range(1, self.branches + 1):
                self._add_exchange(target, source, channels[source - 1], channels[target - 1])

    def _add_exchange(self, target: int, source: int, source_width: int, target_width: int) -> None:
        if source > target:
            self.add_module(f"layer_{target}_{source}", ConvBN(source_width, target_width, 1, activation=None))
        for step in range(1, target - source + 1):
            last = step == target - source
            out = target_width if last else source_width
            layer = ConvBN(source_width, out, 3, stride=2, activation=None if last else F.relu)
            self.add_module(f"layer_{target}_{source}_{step}", layer)

    def _exchange(self, x: torch.Tensor, target: int, source: int) -> torch.Tensor:
        if source > target:
            return upsample(getattr(self, f"layer_{target}_{source}")(x), 2 ** (source - target))
        for step in range(1, target - source + 1):
            x = getattr(self, f"layer_{target}_{source}_{step}")(x)
        return x

    def forward(self, xs: list[torch.Tensor]) -> list[torch.Tensor]:
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
                    total = total + self._exchange(xs[source - 1], target, source)
            fused.append(F.relu(total))
        return fused


def upsample(x: torch.Tensor, factor: int) -> torch.Tensor:
    """Bilinear interpolation with source = target / factor, Paddle's `align_mode=1`, which torch does not have.

    With the last row and column doubled, it is torch's with aligned corners less its last row and column.
    """
    height, width = x.shape[2:]
    size = (height * factor + 1, width * factor + 1)
    x = torch.cat([x, x[:, :, -1:]], dim=2)
    x = torch.cat([x, x[..., -1:]], dim=3)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)[:, :, :-1, :-1]


class HumanSegMobile(nn.Module):
    """HRNet_w18_small_v1 with a one-convolution head; the sides of its input are multiples of 32."""

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.layer1_1 = ConvBN(3, STEM_CHANNELS, 3, stride=2)
        self.layer1_2 = ConvBN(STEM_CHANNELS, STEM_CHANNELS, 3, stride=2)
        self.layer2_1 = Bottleneck(STEM_CHANNELS, STEM_CHANNELS)
        widths = BRANCH_CHANNELS
        self.tr1 = nn.ModuleDict(
            {
                "layer_1": ConvBN(STEM_CHANNELS * Bottleneck.expansion, widths[0], 3),
                "layer_2": ConvBN(STEM_CHANNELS * Bottleneck.expansion, widths[1], 3, stride=2),
            }
        )
        self.st2_1 = Stage(widths[:2])
        self.tr2 = nn.ModuleDict({"layer_3": ConvBN(widths[1], widths[2], 3, stride=2)})
        self.st3_1 = Stage(widths[:3])
        self.tr3 = nn.ModuleDict({"layer_4": ConvBN(widths[2], widths[3], 3, stride=2)})
        self.st4_1 = Stage(widths)
        self.conv_2 = ConvBN(sum(widths), sum(widths), 1)
        self.conv_1 = nn.Conv2d(sum(widths), num_classes, 1, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Maps normalised photos [N, 3, H, W] to logits [N, num_classes, H, W]."""
        x = self.layer2_1(self.layer1_2(self.layer1_1(image)))
        xs = self.st2_1([self.tr1["layer_1"](x), self.tr1["layer_2"](x)])
        xs = self.st3_1([*xs, self.tr2["layer_3"](xs[-1])])
        xs = self.st4_1([*xs, self.tr3["layer_4"](xs[-1])])
        up = [F.interpolate(x, size=xs[0].shape[2:], mode="bilinear", align_corners=True) for x in xs[1:]]
        logits = self.conv_1(self.conv_2(torch.cat([xs[0], *up], dim=1)))
        return F.interpolate(logits, size=image.shape[2:], mode="bilinear", align_corners=True)
