"""Metrics of segmentation, accumulated over photos of any size."""

import re
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8] | NDArray[np.bool_]
BOUNDARY_SHARE = 0.02


def class_names(num_classes: int) -> list[str]:
    """What classes are called: "background" and "person", or "background", "class_1", "class_2" and so on."""
    if num_classes == 2:
        return ["background", "person"]
    return ["background", *(f"class_{number}" for number in range(1, num_classes))]


def part_ious(metrics: Mapping[str, float]) -> dict[str, float]:
    """Of the metrics of more than two classes, the IoU of each part of the person; of two classes nothing."""
    return {name: value for name, value in metrics.items() if re.fullmatch(r"class_\d+_iou", name)}


class SegmentationMetrics:
    """Pooled mIoU, accuracies, kappa and F1, as PaddleX printed them, and two metrics averaged per photo.

    These are the person's IoU, which PortraitNet's paper calls mean IoU, and Boundary IoU. The person is every class
    but the background, 0.

    Boundary IoU: Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021, with
    a band of 2 % of the diagonal.

    Args:
        num_classes: Classes of the masks.
    """

    def __init__(self, num_classes: int = 2) -> None:
        self.confusion = np.zeros((num_classes, num_classes), np.int64)
        self.foreground: list[float] = []
        self.boundary: list[float] = []

    def update(self, predicted: Mask, truth: Mask, valid: NDArray[np.bool_]) -> None:
        """Adds one photo.

        Args:
            predicted: uint8 [H, W], the class that was found; of two classes also bool, where the person was found.
            truth: The same, the class that is there.
            valid: bool [H, W], where the truth is known.
        """
        if not predicted.shape == truth.shape == valid.shape:
            raise ValueError(f"shapes differ: {predicted.shape}, {truth.shape}, {valid.shape}")
        pairs = len(self.confusion) * truth[valid].astype(np.int64) + predicted[valid]
        self.confusion += np.bincount(pairs, minlength=self.confusion.size).reshape(self.confusion.shape)
        predicted, truth = (predicted > 0) & valid, (truth > 0) & valid
        self.foreground.append(_iou(predicted, truth))
        self.boundary.append(_iou(_band(predicted), _band(truth)))

    def merge(self, other: "SegmentationMetrics") -> None:
        """Adds the photos of another."""
        self.confusion += other.confusion
        self.foreground += other.foreground
        self.boundary += other.boundary

    def compute(self) -> dict[str, float]:
        """All metrics of the photos so far: shares in [0, 1], and kappa in [-1, 1].

        IoU, accuracy and F1 of each class go by its name, see `class_names`. As in PaddleX, they are 0 for a class that
        is neither there nor found, and its accuracy is the share of what was found as this class that is so.

        Raises:
            ValueError: No photo was added.
        """
        if not self.foreground:
            raise ValueError("no photo was added")
        hits = np.diag(self.confusion)
        true, found = self.confusion.sum(1), self.confusion.sum(0)
        iou, f1 = _ratio(hits, true + found - hits), _ratio(2 * hits, true + found)
        total = self.confusion.sum()
        person = _ratio(self.confusion[1:, 1:].sum(), total - self.confusion[0, 0])
        names = class_names(len(self.confusion))
        accuracy = float(_ratio(hits.sum(), total))
        chance = float((_ratio(true, total) * _ratio(found, total)).sum())
        return {
            "miou": float(iou.mean()),
            **{f"{name}_iou": float(value) for name, value in zip(names, iou, strict=True)},
            "person_iou": float(person),  # of two classes, the second's
            "accuracy": accuracy,
            **{f"{name}_accuracy": float(value) for name, value in zip(names, _ratio(hits, found), strict=True)},
            "kappa": float((accuracy - chance) / (1 - chance)) if chance < 1 else 1.0,
            **{f"{name}_f1": float(value) for name, value in zip(names, f1, strict=True)},
            "foreground_iou_per_photo": float(np.mean(self.foreground)),
            "boundary_iou": float(np.mean(self.boundary)),
        }


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Part of whole; 0 where there is nothing."""
    return part / np.maximum(whole, 1)


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def _band(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask within 2 % of the diagonal of its outline; the frame of the photo counts as outline."""
    distance = max(1, round(BOUNDARY_SHARE * float(np.hypot(*mask.shape))))
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1]
    return mask & (inner == 0)
