"""A HumanSegMobile learns from a trained PortraitNet.

There are no ImageNet weights for HRNet_w18_small_v1 here. PortraitNet's encoder started from some, so that its
features carry what the photographs alone do not teach (Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015).
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from hrnet import BRANCH_CHANNELS, HumanSegMobile
from numpy.typing import NDArray
from params import build_twin, from_paddle
from portraitnet import STAGES, PortraitNet
from torch import nn

from human_segmentation.errors import ModelError
from human_segmentation.training.checkpoint import load_network

LEVELS = 3
"""Resolutions whose features are learnt, the coarsest: 1/8, 1/16 and 1/32."""


class Teacher(nn.Module):
    """The teacher, and layers of 1×1 that map the student's features to its own; these are trained with the student.

    Args:
        folder: A trained PortraitNet.
        student: Its last stage is watched: `feature_loss` is of its latest forward pass.

    Raises:
        ModelError: The folder has no PortraitNet of width 1 and two classes without a prior channel, or the student is
            another network than HumanSegMobile.
    """

    def __init__(self, folder: Path, student: nn.Module) -> None:
        super().__init__()
        network, config = load_network(folder)
        usual = (config.num_classes, config.prior_channel, config.width) == (2, False, 1.0)
        if config.model != "PortraitNet" or not usual or not isinstance(student, HumanSegMobile):
            raise ModelError(
                f"{folder}: a teacher is a PortraitNet of two classes, width 1 and no prior channel, its student a "
                "HumanSegMobile"
            )
        teacher = build_twin("PortraitNet")
        from_paddle(teacher, {name: value.numpy() for name, value in network.state_dict().items()})
        # In a list, so that it belongs to no checkpoint.
        self._network: list[PortraitNet] = [teacher.eval().requires_grad_(False)]
        self._preprocess = config.preprocess
        channels = [blocks[-1][1] for blocks in STAGES]
        self.adapters = nn.ModuleList(
            nn.Conv2d(ours, theirs, 1)
            for ours, theirs in zip(BRANCH_CHANNELS[-LEVELS:], channels[-LEVELS:], strict=True)
        )
        self._seen: dict[str, list[torch.Tensor]] = {}
        student.st4_1.register_forward_hook(lambda _, __, features: self._seen.update(student=features))
        teacher.encoder.register_forward_hook(lambda _, __, features: self._seen.update(teacher=features))

    @torch.no_grad()
    def score(self, photos: NDArray[np.uint8]) -> torch.Tensor:
        """The teacher's score, [N, H, W] in [0, 1], of photos uint8 [N, H, W, 3] BGR at the student's size."""
        images = torch.from_numpy(self._preprocess.normalize(photos))
        return self._network[0](images.contiguous(memory_format=torch.channels_last)).softmax(1)[:, 1]

    def feature_loss(self) -> torch.Tensor:
        """How far the student's features are from the teacher's, each channel of which has mean 0 and variance 1."""
        pairs = zip(self.adapters, self._seen["student"][-LEVELS:], self._seen["teacher"][-LEVELS:], strict=True)
        errors = [
            F.mse_loss(adapter(ours.float()), F.batch_norm(theirs, None, None, training=True))
            for adapter, ours, theirs in pairs
        ]
        return torch.stack(errors).mean()
