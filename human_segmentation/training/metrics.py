"""Metrics of segmentation, accumulated over photos of any size."""

import cv2
import numpy as np
from numpy.typing import NDArray

BOUNDARY_SHARE = 0.02


class SegmentationMetrics:
    """Pooled mIoU, accuracy, kappa and F1, as PaddleX printed them, and two metrics averaged per photo.

    These are the person's IoU, which PortraitNet's paper calls mean IoU, and Boundary IoU.

    Boundary IoU: Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021, with
    a band of 2 % of the diagonal.
    """

    def __init__(self) -> None:
        self.confusion = np.zeros((2, 2), np.int64)
        self.foreground: list[float] = []
        self.boundary: list[float] = []

    def update(self, predicted: NDArray[np.bool_], truth: NDArray[np.bool_], valid: NDArray[np.bool_]) -> None:
        """Adds one photo.

        Args:
            predicted: bool [H, W], where the person was found.
            truth: bool [H, W], where the person is.
            valid: bool [H, W], where the truth is known.
        """
        if not predicted.shape == truth.shape == valid.shape:
            raise ValueError(f"shapes differ: {predicted.shape}, {truth.shape}, {valid.shape}")
        pairs = 2 * truth[valid].astype(np.int64) + predicted[valid]
        self.confusion += np.bincount(pairs, minlength=4).reshape(2, 2)
        predicted, truth = predicted & valid, truth & valid
        self.foreground.append(_iou(predicted, truth))
        self.boundary.append(_iou(_band(predicted), _band(truth)))

    def merge(self, other: "SegmentationMetrics") -> None:
        """Adds the photos of another."""
        self.confusion += other.confusion
        self.foreground += other.foreground
        self.boundary += other.boundary

    def compute(self) -> dict[str, float]:
        """All metrics of the photos so far, in [0, 1].

        Raises:
            ValueError: No photo was added.
        """
        if not self.foreground:
            raise ValueError("no photo was added")
        hits = np.diag(self.confusion)
        true, found = self.confusion.sum(1), self.confusion.sum(0)
        iou, f1 = _ratio(hits, true + found - hits), _ratio(2 * hits, true + found)
        total = self.confusion.sum()
        accuracy = hits.sum() / total
        chance = float((true / total * (found / total)).sum())
        return {
            "miou": float(iou.mean()),
            "background_iou": float(iou[0]),
            "person_iou": float(iou[1]),
            "accuracy": float(accuracy),
            "kappa": float((accuracy - chance) / (1 - chance)) if chance < 1 else 1.0,
            "background_f1": float(f1[0]),
            "person_f1": float(f1[1]),
            "foreground_iou_per_photo": float(np.mean(self.foreground)),
            "boundary_iou": float(np.mean(self.boundary)),
        }


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Part of whole; 1 where there is nothing to find and nothing was found."""
    return np.where(whole > 0, part / np.maximum(whole, 1), 1.0)


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def _band(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask within 2 % of the diagonal of its outline; the frame of the photo counts as outline."""
    distance = max(1, round(BOUNDARY_SHARE * float(np.hypot(*mask.shape))))
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=distance)[1:-1, 1:-1]
    return mask & (inner == 0)
