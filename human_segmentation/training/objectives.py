"""What a network is trained to do: from a batch to a loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import paddle

from human_segmentation.training.losses import boundary_cross_entropy, consistency_loss, contour, focal_loss, person


@dataclass(frozen=True)
class Batch:
    """A batch of samples at network size.

    Attributes:
        images: float32 [N, C, H, W], normalised photos and, as a fourth channel, priors in [0, 1] if there are any.
        plain: The same photos without changes of texture, where the objective asks for them.
        targets: float32 [N, classes, H, W] in [0, 1], the share of each class.
        valid: float32 [N, H, W], 1 where the targets count.
    """

    images: paddle.Tensor
    plain: paddle.Tensor | None
    targets: paddle.Tensor
    valid: paddle.Tensor


class Objective(Protocol):
    """A loss of the outputs that a network has in training mode."""

    @property
    def needs_plain(self) -> bool:
        """Whether batches must have plain photos."""
        ...

    def __call__(self, forward: Callable[[paddle.Tensor], paddle.Tensor], batch: Batch) -> paddle.Tensor:
        """Runs the network and computes the loss, a float32 scalar."""
        ...


@dataclass(frozen=True)
class MaskObjective:
    """Cross-entropy with more weight on the outline."""

    needs_plain: bool = False

    def __call__(self, forward: Callable[[paddle.Tensor], paddle.Tensor], batch: Batch) -> paddle.Tensor:
        """See `Objective`."""
        return boundary_cross_entropy(forward(batch.images), batch.targets, batch.valid)


@dataclass(frozen=True)
class PortraitNetObjective:
    """PortraitNet's losses: cross-entropy on the mask, and two auxiliary ones that can be switched off.

    Zhang, Dong et al., "PortraitNet: Real-time Portrait Segmentation Network for Mobile Device", CAD/Graphics 2019.

    Attributes:
        boundary: Whether the boundary head learns a contour of four pixels, with focal loss.
        consistency: Whether the output for the photo with changed texture is pulled to that for the plain photo.
    """

    boundary: bool = True
    consistency: bool = True

    BOUNDARY_WEIGHT = 0.1
    BOUNDARY_WIDTH = 5
    CONSISTENCY_WEIGHT = 2.0

    @property
    def needs_plain(self) -> bool:
        """See `Objective`."""
        return self.consistency

    def __call__(self, forward: Callable[[paddle.Tensor], paddle.Tensor], batch: Batch) -> paddle.Tensor:
        """See `Objective`. The network returns mask logits and boundary logits."""
        copies = 1 if batch.plain is None else 2
        images = batch.images if batch.plain is None else paddle.concat([batch.images, batch.plain])
        targets, valid = (paddle.concat([x] * copies) for x in (batch.targets, batch.valid))
        mask, boundary = forward(images)
        loss = boundary_cross_entropy(mask, targets, valid, boundary_weight=0.0)
        if self.boundary:
            outline = (contour(person(targets), self.BOUNDARY_WIDTH) > 0.5).astype("float32")
            loss = loss + self.BOUNDARY_WEIGHT * focal_loss(boundary, outline, valid)
        if self.consistency:
            changed, plain = paddle.split(mask, 2)
            loss = loss + self.CONSISTENCY_WEIGHT * consistency_loss(changed, plain)
        return loss
