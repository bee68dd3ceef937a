"""From a score to a composite: the alpha at frame size, the colour of the person alone, the blend."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

GUIDE_SIDE = 480
"""Longest side, in pixels, at which the guided filter fits its lines."""
GUIDE_RADIUS = 5
GUIDE_EPSILON = 2e-4
SOLID = (0.2, 0.8)
"""Alphas below the first become 0 and above the second 1: what the filter leaves there is haze, no hair."""
FUSION_SIDE = 240
"""Longest side, in pixels, at which colours are averaged."""
FUSION_SIZES = (31, 7)
"""Widths, in those pixels, of the coarse and the fine average."""
STRIP = 64
"""Rows that are worked on at a time at full size."""


def refine_alpha(frame: NDArray[np.uint8], score: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brings a score to the size of the frame, with its edges where the frame has edges.

    The fast guided filter (He and Sun, "Fast Guided Filter", 2015): around every pixel the alpha is fitted as a linear
    function of the frame's grey value at a reduced size, and the lines are evaluated at full size.

    Args:
        frame: uint8 [H, W, 3] BGR.
        score: float32 [h, w] in [0, 1], covering the same picture.

    Returns:
        float32 [H, W] in [0, 1].
    """
    gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    height, width = gray.shape
    small = _limited(width, height, GUIDE_SIDE)
    guide = cv2.resize(gray, small, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    alpha = cv2.resize(score, small, interpolation=cv2.INTER_LINEAR)
    mean_guide, mean_alpha = _mean(guide), _mean(alpha)
    slope = (_mean(guide * alpha) - mean_guide * mean_alpha) / (_mean(guide * guide) - mean_guide**2 + GUIDE_EPSILON)
    offset = mean_alpha - slope * mean_guide
    slope, offset = (cv2.resize(_mean(x), (width, height), interpolation=cv2.INTER_LINEAR) for x in (slope, offset))
    alpha = slope * gray * np.float32(1 / 255) + offset
    low, high = SOLID
    return np.clip((alpha - low) * np.float32(1 / (high - low)), 0, 1)


def _mean(x: NDArray[np.float32]) -> NDArray[np.float32]:
    side = 2 * GUIDE_RADIUS + 1
    return cv2.blur(x, (side, side))


def estimate_foreground(frame: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Estimates the colour of the person without the old background in it.

    Blur fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021): the colours of person F and
    background B are averages around a pixel, weighted by alpha and by its rest; what the frame I has beyond
    alpha * F + (1 - alpha) * B is given back to F. The averages are taken at a reduced size, coarse and then fine.

    Args:
        frame: uint8 [H, W, 3] BGR.
        alpha: float32 [H, W] in [0, 1].

    Returns:
        uint8 [H, W, 3] BGR; the frame itself where alpha is 1.
    """
    height, width = alpha.shape
    small = _limited(width, height, FUSION_SIDE)
    colors = cv2.resize(frame, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    share = cv2.merge([cv2.resize(alpha, small, interpolation=cv2.INTER_AREA)] * 3)
    person, room = colors, colors
    for size in FUSION_SIZES:
        person = _weighted_mean(person, share, size)
        room = _weighted_mean(room, 1 - share, size)
        person = person + share * (colors - share * person - (1 - share) * room)
    person, room = (
        cv2.resize(x.clip(0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
        for x in (person, room)
    )

    def give_back(out: NDArray, frame: NDArray, alpha: NDArray, person: NDArray, room: NDArray) -> None:
        share = _shares(alpha).astype(np.int16)
        person, room = person.astype(np.int16), room.astype(np.int16)
        rest = frame - room - cv2.multiply(person - room, share, scale=1 / 255)
        person += cv2.multiply(rest, share, scale=1 / 255)
        out[:] = np.clip(person, 0, 255, out=person)

    return _in_strips(give_back, frame, alpha, person, room)


def _weighted_mean(colors: NDArray[np.float32], weight: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    weight = weight + np.float32(1e-4)
    return cv2.blur(colors * weight, (size, size)) / cv2.blur(weight, (size, size))


def _limited(width: int, height: int, side: int) -> tuple[int, int]:
    """A size of the same aspect whose longest side is at most `side`."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def composite(
    foreground: NDArray[np.uint8], background: NDArray[np.uint8], alpha: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Blends alpha * foreground + (1 - alpha) * background.

    Args:
        foreground: uint8 [H, W, 3] BGR.
        background: uint8 [H, W, 3] BGR.
        alpha: float32 [H, W] in [0, 1].

    Returns:
        uint8 [H, W, 3] BGR.
    """

    def blend(out: NDArray, foreground: NDArray, background: NDArray, alpha: NDArray) -> None:
        _blend(foreground, background, _shares(alpha), out)

    return _in_strips(blend, foreground, background, alpha)


def _in_strips(work: Callable[..., None], image: NDArray[np.uint8], *others: NDArray) -> NDArray[np.uint8]:
    """Calls `work(out, image, *others)` on a few rows of all arrays at a time, and returns the whole `out`.

    The memory of a strip stays in the cache, and is not asked from the system and given back for every frame, which
    takes longer than the arithmetic.
    """
    out = np.empty_like(image)
    for top in range(0, len(image), STRIP):
        rows = slice(top, top + STRIP)
        work(out[rows], image[rows], *(other[rows] for other in others))
    return out


# OpenCV is several times as fast with whole numbers of one type as with alphas in float.


def _shares(alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """An alpha as uint8 [H, W, 3] in [0, 255], the same in all channels."""
    return cv2.merge([cv2.convertScaleAbs(alpha, alpha=255)] * 3)


def _blend(a: NDArray, b: NDArray, share: NDArray[np.uint8], out: NDArray | None = None) -> NDArray[np.uint8]:
    """The sum of share * a and (1 - share) * b, all uint8 [H, W, 3]."""
    rest = cv2.bitwise_not(share)
    a, b = (cv2.multiply(x.astype(np.uint16), y.astype(np.uint16)) for x, y in ((a, share), (b, rest)))
    return cv2.convertScaleAbs(cv2.add(a, b), out, alpha=1 / 255)
