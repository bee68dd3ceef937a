"""A HumanSegMobile learns from a trained PortraitNet.

There are no ImageNet weights for HRNet_w18_small_v1 here. PortraitNet's encoder started from some, so that its
features carry what the photographs alone do not teach (Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015).
"""

from pathlib import Path

import numpy as np
import openvino as ov
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


class Watched(nn.Module):
    """A trained PortraitNet that gives its features beside its score."""

    def __init__(self, network: PortraitNet) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self._features: list[torch.Tensor] = []
        network.encoder.register_forward_hook(lambda _, __, features: self._features.extend(features))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Maps normalised photos [N, 3, H, W] to the score [N, 1, H, W] and the features of the coarsest levels."""
        self._features.clear()
        score = self.network(images).softmax(1)[:, 1:]
        return score, *self._features[-LEVELS:]


class Teacher(nn.Module):
    """The teacher, and layers of 1×1 that map the student's features to its own; these are trained with the student.

    It sees photos enlarged to its own size: 192×192 pixels hold more than it finds in so few.

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
        self._preprocess = config.preprocess
        self._size = (config.preprocess.height, config.preprocess.width)
        # OpenVINO takes a third of PyTorch's time for a network that is not trained; in bfloat16, which newer
        # CPUs would take, scores move by several hundredths.
        example = torch.zeros(1, 3, *self._size)
        model = ov.convert_model(Watched(teacher), example_input=example, input=[-1, *example.shape[1:]])
        options = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
        self._run = ov.compile_model(model, "CPU", options)
        channels = [blocks[-1][1] for blocks in STAGES]
        self.adapters = nn.ModuleList(
            nn.Conv2d(ours, theirs, 1)
            for ours, theirs in zip(BRANCH_CHANNELS[-LEVELS:], channels[-LEVELS:], strict=True)
        )
        self._theirs: list[torch.Tensor] = []
        self._ours: list[torch.Tensor] = []
        student.st4_1.register_forward_hook(lambda _, __, features: setattr(self, "_ours", features[-LEVELS:]))

    @torch.no_grad()
    def score(self, photos: NDArray[np.uint8]) -> torch.Tensor:
        """The teacher's score, [N, H, W] in [0, 1], of photos uint8 [N, H, W, 3] BGR at the student's size."""
        images = torch.from_numpy(self._preprocess.normalize(photos))
        outputs = self._run(F.interpolate(images, self._size, mode="bilinear").numpy())
        score, *self._theirs = (torch.from_numpy(output.copy()) for output in outputs.to_tuple())
        return F.adaptive_avg_pool2d(score, images.shape[-2:])[:, 0]

    def feature_loss(self) -> torch.Tensor:
        """How far the student's features are from the teacher's, each channel of which has mean 0 and variance 1."""
        errors = []
        for adapter, ours, theirs in zip(self.adapters, self._ours, self._theirs, strict=True):
            target = F.batch_norm(F.adaptive_avg_pool2d(theirs, ours.shape[-2:]), None, None, training=True)
            errors.append(F.mse_loss(adapter(ours.float()), target))
        return torch.stack(errors).mean()
