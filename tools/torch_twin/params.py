"""Parameters from Paddle to PyTorch and back; but for batch normalisation the names are the same."""

import numpy as np
import torch
from hrnet import HumanSegMobile
from numpy.typing import NDArray
from portraitnet import PortraitNet
from torch import nn

TWINS = ("HumanSegMobile", "PortraitNet")
STRIDE = 32
"""The sides of their inputs are multiples of it."""
RENAMED = (("running_mean", "_mean"), ("running_var", "_variance"))


def build_twin(model: str, num_classes: int = 2, prior_channel: bool = False) -> nn.Module:
    """Builds the twin of a network of the zoo, in the memory layout that is fastest on a CPU."""
    twin = HumanSegMobile(num_classes) if model == "HumanSegMobile" else PortraitNet(num_classes, 3 + prior_channel)
    return twin.to(memory_format=torch.channels_last)


def from_paddle(twin: nn.Module, params: dict[str, NDArray]) -> None:
    """Loads parameters by their Paddle names; every one must be there."""
    state = {}
    for name, value in params.items():
        for ours, theirs in RENAMED:
            name = name.replace(theirs, ours)
        state[name] = torch.from_numpy(np.asarray(value))
    counters = {name: value for name, value in twin.state_dict().items() if name.endswith("num_batches_tracked")}
    twin.load_state_dict(state | counters)


def to_paddle(twin: nn.Module) -> dict[str, NDArray]:
    """All parameters by their Paddle names."""
    params = {}
    for name, value in twin.state_dict().items():
        for ours, theirs in RENAMED:
            name = name.replace(ours, theirs)
        if not name.endswith("num_batches_tracked"):
            params[name] = value.contiguous().numpy().copy()
    return params
