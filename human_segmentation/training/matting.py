"""Errors of soft alphas. A pair is two float32 [H, W] in [0, 1], the prediction and the truth.

Grad and Conn: Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting", CVPR 2009, over the whole
picture instead of an unknown region.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Alpha = NDArray[np.float32]
GRADIENT_SIGMA = 1.4
CONNECTIVITY_STEP = 0.1
CONNECTIVITY_FREE = 0.15
"""Up to this distance below the level at which it is connected, a pixel counts as connected."""
THOUSAND = 1000.0


def mad(predicted: Alpha, truth: Alpha) -> float:
    """Mean absolute difference, in [0, 1]."""
    return float(np.abs(predicted - truth).mean())


def mse(predicted: Alpha, truth: Alpha) -> float:
    """Mean squared error, in [0, 1]."""
    return float(((predicted - truth) ** 2).mean())


def gradient_error(predicted: Alpha, truth: Alpha) -> float:
    """Sum of squared differences of the gradients' magnitudes, in thousands."""
    return float(((_gradient(predicted) - _gradient(truth)) ** 2).sum() / THOUSAND)


def _gradient(alpha: Alpha) -> Alpha:
    """Magnitude of the gradient by derivatives of a Gaussian whose two-dimensional kernels have unit length."""
    sigma = GRADIENT_SIGMA
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 0.01)))
    x = np.arange(-half, half + 1, dtype=np.float64)
    bell = np.exp(-(x**2) / (2 * sigma**2))
    slope = x * bell
    length = math.sqrt((bell**2).sum() * (slope**2).sum())
    horizontal = cv2.sepFilter2D(alpha, cv2.CV_32F, slope / length, bell, borderType=cv2.BORDER_REPLICATE)
    vertical = cv2.sepFilter2D(alpha, cv2.CV_32F, bell, slope / length, borderType=cv2.BORDER_REPLICATE)
    return cv2.magnitude(horizontal, vertical)


def connectivity_error(predicted: Alpha, truth: Alpha) -> float:
    """Sum of the differences of the pixels' degrees of connectedness to the common solid region, in thousands."""
    levels = np.ones_like(truth)
    open_ = np.ones(truth.shape, bool)  # pixels that are connected at every level so far
    for step in range(1, round(1 / CONNECTIVITY_STEP) + 1):
        level = np.float32(step * CONNECTIVITY_STEP)
        both = ((predicted >= level) & (truth >= level)).astype(np.uint8)
        lost = open_ & ~_largest_region(both)
        levels[lost] = (step - 1) * CONNECTIVITY_STEP
        open_ &= ~lost
    return float(np.abs(_connected(predicted, levels) - _connected(truth, levels)).sum() / THOUSAND)


def _largest_region(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    number, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if number == 1:
        return np.zeros(mask.shape, bool)
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))


def _connected(alpha: Alpha, levels: Alpha) -> Alpha:
    distance = alpha - levels
    return 1 - distance * (distance >= CONNECTIVITY_FREE)


def dtssd(predicted: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Flicker: how far the changes from frame to frame are from the true changes.

    Erofeev et al., "Perceptually Motivated Benchmark for Video Matting", BMVC 2015: the root of the squared differences
    of the temporal derivatives, averaged over the pixels of a frame, then over the frames. The first frame has no
    derivative and is left out.

    Args:
        predicted: float32 [T, H, W] in [0, 1], at least two frames.
        truth: The same shape.

    Returns:
        0 for a steady prediction of a steady truth.
    """
    if predicted.shape != truth.shape or len(truth) < 2:
        raise ValueError(f"two clips of the same shape with two frames or more, not {predicted.shape}, {truth.shape}")
    change = np.diff(predicted, axis=0) - np.diff(truth, axis=0)
    return float(np.sqrt((change**2).mean(axis=(1, 2))).mean())
