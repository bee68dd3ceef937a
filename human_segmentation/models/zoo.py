"""The networks by name."""

from collections.abc import Callable

from paddle import nn

from human_segmentation.models.deeplabv3p import HumanSegServer
from human_segmentation.models.hrnet import HumanSegMobile
from human_segmentation.models.portraitnet import PortraitNet

MODELS: dict[str, Callable[..., nn.Layer]] = {
    "HumanSegMobile": HumanSegMobile,
    "HumanSegServer": HumanSegServer,
    "PortraitNet": PortraitNet,
}
