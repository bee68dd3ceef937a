"""Filling a polygon whose corners lie anywhere between pixels."""

import numpy as np
from numpy.typing import NDArray


def fill_polygon(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels whose centres lie inside a polygon, by the even-odd rule.

    OpenCV's `fillPoly` also takes every pixel that the outline touches, which makes people half a pixel larger.

    Args:
        points: float64 [N, 2] corners as (x, y); the first pixel's centre is (0.5, 0.5).
        size: Height and width of the mask.

    Returns:
        bool [H, W].
    """
    height, width = size
    crossed = np.zeros((height, width + 1), bool)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        # The rows whose centres lie between the edge's ends, the lower end excluded: edges that meet count once.
        first, last = np.clip(np.ceil(np.sort([y0, y1]) - 0.5), 0, height).astype(int)
        if first < last:
            rows = np.arange(first, last)
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            crossed[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(int)] ^= True
    return np.logical_xor.accumulate(crossed, axis=1)[:, :width]
