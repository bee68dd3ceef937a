"""How far an engine is from the network that it was made of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Parity:
    """How far an engine is from the trained network, over all photos.

    Attributes:
        largest: Largest difference of two scores.
        mean: Mean difference.
        iou: IoU of the two masks, of all classes but the background; 1 where both are empty.
    """

    largest: float
    mean: float
    iou: float


def compare(scores: Sequence[NDArray[np.float32]], outputs: Sequence[NDArray]) -> Parity:
    """Compares scores [N, classes, H, W] with an engine's, or with the classes [N, H, W] that it found."""
    differences, masks = [], []
    for expected, found in zip(scores, outputs, strict=True):
        classes = found if found.ndim == 3 else found.argmax(1)
        # A class is as wrong as its score is below the best one.
        best = np.take_along_axis(expected, classes[:, None].astype(np.int64), 1)
        difference = expected.max(1, keepdims=True) - best if found.ndim == 3 else np.abs(found - expected)
        differences.append(difference)
        masks.append((expected.argmax(1) > 0, classes > 0))
    union = sum(int((a | b).sum()) for a, b in masks)
    return Parity(
        float(np.max([x.max() for x in differences])),  # what is no number is the largest difference
        float(np.mean([x.mean() for x in differences])),
        sum(int((a & b).sum()) for a, b in masks) / union if union else 1.0,
    )
