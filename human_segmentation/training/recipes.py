"""How each network is trained when nothing else is said."""

from dataclasses import dataclass

from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.training.objectives import MaskObjective, Objective, PortraitNetObjective


@dataclass(frozen=True)
class Recipe:
    """Defaults of one network.

    Attributes:
        preprocess: Its input.
        objective: Its loss.
        schedule: A name of `SCHEDULES`.
    """

    preprocess: Preprocess
    objective: Objective
    schedule: str = "cosine"


# PortraitNet subtracts a mean in pixel values and multiplies by 0.017.
_PORTRAITNET_INPUT = Preprocess(
    224,
    224,
    mean=(103.94 / 255, 116.78 / 255, 123.68 / 255),
    std=(1 / (0.017 * 255),) * 3,
    padding=128,
    coarsest_stride=32,
)

RECIPES = {
    "HumanSegMobile": Recipe(Preprocess(192, 192), MaskObjective()),
    "HumanSegServer": Recipe(Preprocess(512, 512), MaskObjective()),
    "PortraitNet": Recipe(_PORTRAITNET_INPUT, PortraitNetObjective(), "step"),
}
