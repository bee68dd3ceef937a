"""Layers that both networks share, as `human_segmentation.models.layers` has them."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn


class ConvBN(nn.Module):
    """Convolution without bias, batch normalisation and an activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        activation: Callable[[torch.Tensor], torch.Tensor] | None = F.relu,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False
        )
        nn.init.kaiming_normal_(self.conv.weight)
        # Paddle's momentum of 0.9 is torch's 0.1.
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-5, momentum=0.1)
        self.activation = activation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps [N, in, H, W] to [N, out, H / stride, W / stride]."""
        x = self.bn(self.conv(x))
        return x if self.activation is None else self.activation(x)
