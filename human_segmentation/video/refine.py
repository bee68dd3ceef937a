"""From a score to an alpha: at the size of the frame, with its edges where the frame has edges."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.video.pixels import Pixels, reduced

Plane = NDArray[np.float32]
GUIDE_SIDE = 192
"""Longest side, in pixels, at which the guided filter fits its planes."""
GUIDE_RADIUS = 3
FRAME_EPSILON = 2e-4
"""The alpha follows colours whose variance around a pixel, in [0, 1], is larger. What is smaller would lead it
elsewhere in each frame of a video."""
PHOTO_EPSILON = 2e-5
"""Likewise for a photo, after which no other comes."""
SOLID = (0.2, 0.8)
"""Alphas below the first become 0 and above the second 1: what the filter leaves there is haze, no hair."""
MARGIN = 1
"""So many of those pixels around the edge are computed at the size of the frame."""


def refine_alpha(
    frame: NDArray[np.uint8], score: NDArray[np.float32], epsilon: float = FRAME_EPSILON
) -> NDArray[np.float32]:
    """Brings a score to the size of the frame, with its edges where the frame has edges.

    The fast guided filter with colours (He, Sun and Tang, "Guided Image Filtering", TPAMI 2013; He and Sun, "Fast
    Guided Filter", 2015): around every pixel the alpha is fitted as a linear function of the frame's colour at a
    reduced size. At full size these functions are evaluated near the edge; elsewhere the alpha is 0 or 1.

    Args:
        frame: uint8 [H, W, 3] BGR.
        score: float32 [h, w] in [0, 1], covering the same picture.
        epsilon: The filter's weight against large slopes.

    Returns:
        float32 [H, W] in [0, 1].
    """
    height, width = frame.shape[:2]
    guide = cv2.split(reduced(frame, GUIDE_SIDE).astype(np.float32) / np.float32(255))
    alpha = cv2.resize(score, guide[0].shape[::-1], interpolation=cv2.INTER_LINEAR)
    low, high = (np.float32(bound) for bound in SOLID)
    *slopes, offset = (_mean(plane) / (high - low) for plane in _fit(guide, alpha, np.float32(epsilon)))
    offset -= low / (high - low)
    alpha = sum((slope * color for slope, color in zip(slopes, guide, strict=True)), offset).clip(0, 1)
    pixels = Pixels(cv2.resize(_unsettled(alpha), (width, height), interpolation=cv2.INTER_NEAREST))
    functions = pixels.enlarged(cv2.merge([*slopes, offset]) / np.float32(255))
    # With a fourth channel, which is 255, for the offset.
    values = (functions * pixels.of(cv2.cvtColor(frame, cv2.COLOR_BGR2BGRA))) @ np.ones(4, np.float32)
    alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR)
    return pixels.put_plane(values.clip(0, 1), alpha)


def _fit(guide: Sequence[Plane], alpha: Plane, epsilon: np.float32) -> tuple[NDArray, ...]:
    """The slopes by blue, green and red, and the offset, that give the alpha around each pixel from the guide.

    They solve the normal equations of least squares, with `epsilon` against large slopes, by elimination.
    """
    b, g, r = guide
    mean_b, mean_g, mean_r, mean_alpha = (_mean(plane) for plane in (b, g, r, alpha))
    bb, gg, rr = (_mean(x * x) - mean * mean + epsilon for x, mean in ((b, mean_b), (g, mean_g), (r, mean_r)))
    bg = _mean(b * g) - mean_b * mean_g
    br = _mean(b * r) - mean_b * mean_r
    gr = _mean(g * r) - mean_g * mean_r
    b_alpha, g_alpha, r_alpha = (
        _mean(x * alpha) - mean * mean_alpha for x, mean in ((b, mean_b), (g, mean_g), (r, mean_r))
    )
    by_g, by_r = bg / bb, br / bb
    gg -= by_g * bg
    rr -= by_r * br
    gr -= by_g * br
    g_alpha -= by_g * b_alpha
    r_alpha -= by_r * b_alpha
    by_r = gr / gg
    slope_r = (r_alpha - by_r * g_alpha) / (rr - by_r * gr)
    slope_g = (g_alpha - gr * slope_r) / gg
    slope_b = (b_alpha - bg * slope_g - br * slope_r) / bb
    return slope_b, slope_g, slope_r, mean_alpha - slope_b * mean_b - slope_g * mean_g - slope_r * mean_r


def _mean(plane: Plane) -> Plane:
    """The averages in squares around each pixel; OpenCV's general filter takes half the time of its `blur`."""
    line = np.full(2 * GUIDE_RADIUS + 1, 1 / (2 * GUIDE_RADIUS + 1), np.float32)
    return cv2.sepFilter2D(plane, -1, line, line)


def _unsettled(alpha: Plane) -> NDArray[np.uint8]:
    """Where it is not all 0 or all 1 around, uint8 [h, w], 255 there."""
    around = np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)
    some, whole = cv2.dilate(alpha, around) > 0, cv2.erode(alpha, around) == 1
    return np.where(some & ~whole, np.uint8(255), np.uint8(0))
