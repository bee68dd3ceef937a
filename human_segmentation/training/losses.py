"""Losses on logits."""

import paddle
import paddle.nn.functional as F


def boundary_cross_entropy(
    logits: paddle.Tensor, targets: paddle.Tensor, valid: paddle.Tensor, boundary_weight: float = 3.0, width: int = 7
) -> paddle.Tensor:
    """Cross-entropy to soft targets, with more weight near the outline of the person.

    Args:
        logits: float32 [N, C, H, W], the background first, then the classes of the person.
        targets: float32 [N, C, H, W] in [0, 1], the share of each class.
        valid: float32 [N, H, W], 1 where the target counts and 0 elsewhere.
        boundary_weight: What a pixel of the outline counts more than another.
        width: Width of the outline in pixels, odd.

    Returns:
        float32 scalar, the weighted mean.
    """
    if logits.shape[1] == 2:  # rounds otherwise than the line for more, and runs are to be repeated bit for bit
        loss = _binary_cross_entropy(logits, targets[:, 1])
    else:
        loss = F.cross_entropy(logits, targets, soft_label=True, axis=1, reduction="none").squeeze(1)
    return _weighted_mean(loss, valid * (1 + boundary_weight * contour(person(targets), width)))


def person(targets: paddle.Tensor) -> paddle.Tensor:
    """The alpha of the person, float32 [N, H, W]: all classes but the background, of targets, float32 [N, C, H, W]."""
    return targets[:, 1:].sum(axis=1)


def contour(alpha: paddle.Tensor, width: int) -> paddle.Tensor:
    """The outline of the person.

    Args:
        alpha: float32 [N, H, W] in [0, 1].
        width: Side of the window in which the alpha must change, odd; a hard edge gives a line of `width` - 1 pixels.

    Returns:
        float32 [N, H, W], the largest difference of two alphas in the window.
    """
    x = alpha.unsqueeze(1)
    highest = F.max_pool2d(x, width, stride=1, padding=width // 2)
    lowest = 1 - F.max_pool2d(1 - x, width, stride=1, padding=width // 2)
    return (highest - lowest).squeeze(1)


def focal_loss(logits: paddle.Tensor, target: paddle.Tensor, valid: paddle.Tensor, gamma: float = 2.0) -> paddle.Tensor:
    """Cross-entropy in which pixels that are right already count little.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.

    Args:
        logits: float32 [N, 2, H, W].
        target: float32 [N, H, W] of 0 and 1.
        valid: float32 [N, H, W], 1 where the target counts.
        gamma: How little they count.

    Returns:
        float32 scalar, the mean over valid pixels.
    """
    loss = _binary_cross_entropy(logits, target)
    return _weighted_mean((1 - paddle.exp(-loss)) ** gamma * loss, valid)


def consistency_loss(student: paddle.Tensor, teacher: paddle.Tensor, temperature: float = 1.0) -> paddle.Tensor:
    """KL divergence of softened scores, which pulls one output to another.

    PortraitNet's consistency constraint, after Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.

    Args:
        student: float32 [N, C, H, W], logits that are pulled.
        teacher: float32 [N, C, H, W], logits that they are pulled to; no gradient flows into them.
        temperature: What logits are divided by.

    Returns:
        float32 scalar, the mean over pixels, times the temperature squared so that gradients keep their size.
    """
    log_student = F.log_softmax(student / temperature, axis=1)
    log_teacher = F.log_softmax(teacher.detach() / temperature, axis=1)
    divergence = (paddle.exp(log_teacher) * (log_teacher - log_student)).sum(axis=1)
    return divergence.mean() * temperature**2


def _binary_cross_entropy(logits: paddle.Tensor, target: paddle.Tensor) -> paddle.Tensor:
    """Cross-entropy of each pixel, from logits [N, 2, H, W] and the second class's share [N, H, W]."""
    # softmax over two classes is the logistic function of their difference
    return F.binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0], target, reduction="none")


def _weighted_mean(loss: paddle.Tensor, weight: paddle.Tensor) -> paddle.Tensor:
    return (loss * weight).sum() / weight.sum().clip(min=1.0)
