"""Priors for a network that also sees the score of the frame before.

PortraitNet's recipe: half of the samples have no prior; for the rest it is the mask itself while the photo moves on, or
a distorted mask.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.datasets.transforms import each_plane

Image = NDArray[np.uint8]
EMPTY = 0.5
"""Share of the samples without a prior."""
ANGLE, SCALE, SHIFT = 5.0, 0.05, 0.05
"""Largest rotation in degrees, change of scale and shift, as a share of the side, between two frames."""
PERSPECTIVE = 0.03
"""Largest shift of a corner, as a share of the side."""
CONTROL_POINTS = 4
"""Control points of a thin-plate warp, along each side."""
THIN_PLATE = 0.04
"""Largest shift of a control point, as a share of the side."""
BLUR = (3, 15)
"""Shortest and longest motion blur in pixels."""


def draw_prior(image: Image, planes: Image, rng: np.random.Generator) -> tuple[Image, Image, Image]:
    """Draws the prior of a sample.

    Args:
        image: uint8 [H, W, 3], the photo.
        planes: uint8 [H, W, C], the alpha first.
        rng: Where it is drawn from.

    Returns:
        The photo and its planes, moved where the prior is the mask before the movement, and the prior, uint8 [H, W].
    """
    alpha = np.ascontiguousarray(planes[..., 0])
    if rng.random() < EMPTY:
        return image, planes, np.zeros_like(alpha)
    grid = _distortion(alpha.shape, rng)

    def moved(x: Image) -> Image:
        return cv2.remap(x, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    if rng.random() < 0.5:
        return moved(image), each_plane(moved, planes), alpha
    prior = moved(alpha)
    return image, planes, motion_blur(prior, rng) if rng.random() < 0.5 else prior


def motion_blur(alpha: Image, rng: np.random.Generator) -> Image:
    """Averages an alpha, uint8 [H, W], along a line of random direction and length."""
    length = int(rng.integers(BLUR[0], BLUR[1] + 1))
    angle = rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    ends = [(round(middle + s * middle * np.cos(angle)), round(middle + s * middle * np.sin(angle))) for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    return cv2.filter2D(alpha, -1, kernel / kernel.sum())


def _distortion(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Where each pixel comes from, float32 [H, W, 2]: a small affine, perspective or thin-plate warp."""
    height, width = shape
    size = np.array([width, height], np.float32)
    grid = np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
    kind = rng.integers(3)
    if kind == 0:
        center = (width / 2, height / 2)
        matrix = cv2.getRotationMatrix2D(center, rng.uniform(-ANGLE, ANGLE), rng.uniform(1 - SCALE, 1 + SCALE))
        matrix[:, 2] += rng.uniform(-SHIFT, SHIFT, 2) * size
        return cv2.transform(grid, matrix)
    if kind == 1:
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * size
        moved = corners + (rng.uniform(-PERSPECTIVE, PERSPECTIVE, (4, 2)) * size).astype(np.float32)
        return cv2.perspectiveTransform(grid, cv2.getPerspectiveTransform(corners, moved))
    line = np.linspace(0, 1, CONTROL_POINTS)
    points = np.dstack(np.meshgrid(line, line)).reshape(-1, 2)
    shifts = rng.uniform(-THIN_PLATE, THIN_PLATE, points.shape)
    # The warp is smooth: a quarter of the pixels is enough to compute it at.
    small = (max(1, height // 2), max(1, width // 2))
    coarse = np.dstack(np.meshgrid(np.linspace(0, 1, small[1]), np.linspace(0, 1, small[0]))).reshape(-1, 2)
    field = thin_plate(points, shifts, coarse).reshape(*small, 2).astype(np.float32)
    return grid + cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR) * size


def thin_plate(points: NDArray, values: NDArray, where: NDArray) -> NDArray:
    """Interpolates values by thin-plate splines (Bookstein, 1989).

    Args:
        points: float [P, 2], where the values are known.
        values: float [P, D].
        where: float [N, 2].

    Returns:
        float [N, D], the smoothest function through the known values.
    """
    count = len(points)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _radial(points, points)
    system[:count, count] = system[count, :count] = 1
    system[:count, count + 1 :] = points
    system[count + 1 :, :count] = points.T
    weights = np.linalg.solve(system, np.vstack([values, np.zeros((3, values.shape[1]))]))
    return _radial(where, points) @ weights[:count] + weights[count] + where @ weights[count + 1 :]


def _radial(a: NDArray, b: NDArray) -> NDArray:
    squared = ((a[:, None] - b[None]) ** 2).sum(-1)
    return squared * np.log(np.maximum(squared, 1e-12)) / 2
