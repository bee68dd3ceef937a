"""The networks by name."""

from human_segmentation.models.hrnet import HumanSegMobile

MODELS = {"HumanSegMobile": HumanSegMobile}
