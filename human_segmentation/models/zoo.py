"""The networks by name."""

from collections.abc import Callable

from paddle import nn

from human_segmentation.errors import ModelError
from human_segmentation.models.deeplabv3p import HumanSegServer
from human_segmentation.models.hrnet import HumanSegMobile
from human_segmentation.models.portraitnet import PortraitNet

MODELS: dict[str, Callable[..., nn.Layer]] = {
    "HumanSegMobile": HumanSegMobile,
    "HumanSegServer": HumanSegServer,
    "PortraitNet": PortraitNet,
}


def build_network(model: str, num_classes: int = 2, prior_channel: bool = False, width: float = 1.0) -> nn.Layer:
    """Builds a network with random weights.

    Args:
        model: A key of `MODELS`.
        num_classes: Classes of its output.
        prior_channel: Whether its input has a fourth channel, the score of the frame before.
        width: Factor of all channels.

    Raises:
        ModelError: There is no such network, or it has no prior channel or no other width than 1.
    """
    if model not in MODELS:
        raise ModelError(f"the model {model} is unknown; it must be one of {', '.join(MODELS)}")
    if model == "PortraitNet":
        return PortraitNet(num_classes, 4 if prior_channel else 3, width)
    if prior_channel:
        raise ModelError(f"{model} has no prior channel, which only PortraitNet has; leave it out")
    if width != 1.0:
        raise ModelError(f"{model} has no width factor, which only PortraitNet has; leave it out")
    return MODELS[model](num_classes)
