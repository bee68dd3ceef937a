"""The losses of `human_segmentation.training.losses` and `objectives`, in PyTorch."""

import torch
import torch.nn.functional as F
from torch import nn

from human_segmentation.training.objectives import MaskObjective, PortraitNetObjective


def boundary_cross_entropy(
    logits: torch.Tensor, alpha: torch.Tensor, valid: torch.Tensor, boundary_weight: float = 3.0, width: int = 7
) -> torch.Tensor:
    """Cross-entropy to a soft target, with more weight near the outline of the person."""
    loss = F.binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], alpha, reduction="none")
    weight = valid * (1 + boundary_weight * contour(alpha, width)) if boundary_weight else valid
    return _weighted_mean(loss, weight)


def contour(alpha: torch.Tensor, width: int) -> torch.Tensor:
    """The largest difference of two alphas in a window of `width` pixels, [N, H, W]."""
    x = alpha.unsqueeze(1)
    highest = F.max_pool2d(x, width, stride=1, padding=width // 2)
    lowest = 1 - F.max_pool2d(1 - x, width, stride=1, padding=width // 2)
    return (highest - lowest).squeeze(1)


def focal_loss(logits: torch.Tensor, target: torch.Tensor, valid: torch.Tensor, gamma: float = 2.0) -> torch.Tensor:
    """Cross-entropy in which pixels that are right already count little."""
    loss = F.binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], target, reduction="none")
    return _weighted_mean((1 - torch.exp(-loss)) ** gamma * loss, valid)


def consistency_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """KL divergence of the student's scores from the teacher's, into which no gradient flows."""
    log_student = F.log_softmax(student, dim=1)
    log_teacher = F.log_softmax(teacher.detach(), dim=1)
    return (torch.exp(log_teacher) * (log_teacher - log_student)).sum(1).mean()


def compute(
    objective: MaskObjective | PortraitNetObjective,
    network: nn.Module,
    images: torch.Tensor,
    plain: torch.Tensor | None,
    alphas: torch.Tensor,
    valid: torch.Tensor,
) -> torch.Tensor:
    """Runs the network and computes the loss of an objective, float32, as the objective itself does.

    The network runs in bfloat16 where the processor has instructions for it; without, that takes twice the time.
    """
    both = images if plain is None else torch.cat([images, plain])
    with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
        output = network(both.contiguous(memory_format=torch.channels_last))
    if isinstance(objective, MaskObjective):
        return boundary_cross_entropy(output.float(), alphas, valid)
    mask, boundary = (x.float() for x in output)
    if plain is not None:
        alphas, valid = torch.cat([alphas] * 2), torch.cat([valid] * 2)
    loss = boundary_cross_entropy(mask, alphas, valid, boundary_weight=0.0)
    if objective.boundary:
        target = (contour(alphas, objective.BOUNDARY_WIDTH) > 0.5).float()
        loss = loss + objective.BOUNDARY_WEIGHT * focal_loss(boundary, target, valid)
    if objective.consistency:
        loss = loss + objective.CONSISTENCY_WEIGHT * consistency_loss(*mask.chunk(2))
    return loss


def _weighted_mean(loss: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return (loss * weight).sum() / weight.sum().clamp(min=1.0)
