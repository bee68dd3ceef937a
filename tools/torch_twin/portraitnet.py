"""PortraitNet in PyTorch, layer by layer and name by name that of `human_segmentation.models.portraitnet`."""

import torch
import torch.nn.functional as F
from layers import ConvBN
from torch import nn

# By resolution (1/2, 1/4, ... 1/32): expansion, channels, number of blocks, stride of the first.
STAGES = (
    ((1, 16, 1, 1),),
    ((6, 24, 2, 2),),
    ((6, 32, 3, 2),),
    ((6, 64, 4, 2), (6, 96, 3, 1)),
    ((6, 160, 3, 2), (6, 320, 1, 1)),
)
DECODER_CHANNELS = (96, 32, 24, 16, 8)


class InvertedResidual(nn.Module):
    """Expand, convolve each channel by itself, project; with a shortcut where the shape stays."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers = [] if expansion == 1 else [ConvBN(in_channels, hidden, 1, activation=F.relu6)]
        layers.append(ConvBN(hidden, hidden, 3, stride=stride, groups=hidden, activation=F.relu6))
        layers.append(ConvBN(hidden, out_channels, 1, activation=None))
        self.layers = nn.Sequential(*layers)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, in, H, W] to [N, out, H / stride, W / stride]."""
        return x + self.layers(x) if self.shortcut else self.layers(x)


class MobileNetV2(nn.Module):
    """The encoder, up to its 320-channel block."""

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        channels = 32
        self.stem = ConvBN(in_channels, channels, 3, stride=2, activation=F.relu6)
        self.stages = nn.ModuleList()
        for stage in STAGES:
            blocks = []
            for expansion, out_channels, number, first_stride in stage:
                for block in range(number):
                    stride = first_stride if block == 0 else 1
                    blocks.append(InvertedResidual(channels, out_channels, stride, expansion))
                    channels = out_channels
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Maps [N, in_channels, H, W] to five features [N, C_i, H / 2^(i+1), W / 2^(i+1)]."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class Transition(nn.Module):
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

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, in, H, W] to [N, out, H, W]."""
        return F.relu(self.shortcut(x) + self.block(x))


def upsampling(channels: int) -> nn.ConvTranspose2d:
    """Transposed convolution that doubles the size and starts as bilinear interpolation of each channel."""
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False)
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.copy_(torch.eye(channels)[..., None, None] * torch.outer(line, line))
    return layer


class PortraitNet(nn.Module):
    """The network of width 1; the sides of its input are multiples of 32."""

    def __init__(self, num_classes: int = 2, in_channels: int = 3) -> None:
        super().__init__()
        self.encoder = MobileNetV2(in_channels)
        before = (STAGES[-1][-1][1], *DECODER_CHANNELS)
        self.transitions = nn.ModuleList(Transition(a, b) for a, b in zip(before, DECODER_CHANNELS, strict=False))
        self.upsamplings = nn.ModuleList(upsampling(c) for c in DECODER_CHANNELS)
        self.mask_head = nn.Conv2d(DECODER_CHANNELS[-1], num_classes, 3, padding=1, bias=False)
        self.boundary_head = nn.Conv2d(DECODER_CHANNELS[-1], 2, 3, padding=1, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Maps normalised photos [N, in_channels, H, W] to mask logits and, in training mode, boundary logits."""
        *skips, x = self.encoder(image)
        for step in range(len(self.transitions)):
            if 1 <= step <= 3:
                x = x + skips[-step]
            x = self.upsamplings[step](self.transitions[step](x))
        return (self.mask_head(x), self.boundary_head(x)) if self.training else self.mask_head(x)
