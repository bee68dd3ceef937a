"""Losses on two-class logits."""

import paddle
import paddle.nn.functional as F


def boundary_cross_entropy(
    logits: paddle.Tensor, alpha: paddle.Tensor, valid: paddle.Tensor, boundary_weight: float = 3.0, width: int = 7
) -> paddle.Tensor:
    """Cross-entropy to a soft target, with more weight near the outline of the person.

    Args:
        logits: float32 [N, 2, H, W], background and person.
        alpha: float32 [N, H, W] in [0, 1], the share of the person.
        valid: float32 [N, H, W], 1 where the target counts and 0 elsewhere.
        boundary_weight: What a pixel of the outline counts more than another.
        width: Width of the outline in pixels, odd.

    Returns:
        float32 scalar, the weighted mean.
    """
    # softmax over two classes is the logistic function of their difference
    loss = F.binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], alpha, reduction="none")
    target = alpha.unsqueeze(1)
    highest = F.max_pool2d(target, width, stride=1, padding=width // 2)
    lowest = 1 - F.max_pool2d(1 - target, width, stride=1, padding=width // 2)
    weight = valid * (1 + boundary_weight * (highest - lowest).squeeze(1))
    return (loss * weight).sum() / weight.sum().clip(min=1.0)
