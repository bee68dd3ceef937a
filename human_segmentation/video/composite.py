"""From an alpha to a composite: the colour of the person alone, the blend."""

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.video.pixels import Pixels, reduced

FUSION_SIDE = 160
"""Longest side, in pixels, at which colours are averaged."""
FUSION_SIZES = (21, 5)
"""Widths, in those pixels, of the coarse and the fine average."""


def edge(alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Where person and background are both seen.

    Args:
        alpha: float32 [H, W] in [0, 1].

    Returns:
        uint8 [H, W], 255 there and 0 elsewhere.
    """
    return cv2.inRange(cv2.convertScaleAbs(alpha, alpha=255), 1, 254)


def estimate_foreground(
    frame: NDArray[np.uint8], alpha: NDArray[np.float32], where: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Estimates the colour of the person without the old background in it.

    Blur fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021): the colours of person F and
    background B are averages around a pixel, weighted by alpha and by its rest; what the frame I has beyond
    alpha * F + (1 - alpha) * B is given back to F. The averages are taken at a reduced size, coarse and then fine.

    Args:
        frame: uint8 [H, W, 3] BGR.
        alpha: float32 [H, W] in [0, 1].
        where: uint8 [H, W], the pixels to do this for: those that are not 0.

    Returns:
        uint8 [H, W, 3] BGR; the frame itself at the other pixels, and where alpha is 1.
    """
    pixels = Pixels(where)
    return pixels.put(_person(frame, alpha, pixels), frame.copy())


def _person(frame: NDArray[np.uint8], alpha: NDArray[np.float32], pixels: Pixels) -> NDArray[np.float32]:
    """The colour of the person at some pixels, float32 [N, 3]."""
    colors = reduced(frame, FUSION_SIDE).astype(np.float32)
    share = cv2.merge([reduced(alpha, FUSION_SIDE)] * 3)
    person, room = colors, colors
    for size in FUSION_SIZES:
        person = _weighted_mean(person, share, size)
        room = _weighted_mean(room, 1 - share, size)
        person = person + share * (colors - share * person - (1 - share) * room)
    person, room = (pixels.enlarged(x.clip(0, 255)) for x in (person, room))
    share = pixels.of(alpha)
    return (person + share * (pixels.of(frame) - room - share * (person - room))).clip(0, 255)


def _weighted_mean(colors: NDArray[np.float32], weight: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    weight = weight + np.float32(1e-4)
    return cv2.blur(colors * weight, (size, size)) / cv2.blur(weight, (size, size))


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
    pixels = Pixels(edge(alpha))
    return _blend(foreground, background, alpha, pixels, pixels.of(foreground))


def replace_background(
    frame: NDArray[np.uint8], background: NDArray[np.uint8], alpha: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Puts the person of a frame, in the colours that `estimate_foreground` finds, in front of another background.

    Args:
        frame: uint8 [H, W, 3] BGR.
        background: uint8 [H, W, 3] BGR.
        alpha: float32 [H, W] in [0, 1], the person's.

    Returns:
        uint8 [H, W, 3] BGR.
    """
    pixels = Pixels(edge(alpha))
    return _blend(frame, background, alpha, pixels, _person(frame, alpha, pixels))


def _blend(
    foreground: NDArray[np.uint8],
    background: NDArray[np.uint8],
    alpha: NDArray[np.float32],
    pixels: Pixels,
    colors: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """A blend with other colours of the foreground at the pixels of its edge."""
    out = cv2.copyTo(foreground, cv2.inRange(alpha, 0.5, 1), background.copy())
    behind = pixels.of(background)
    return pixels.put(behind + pixels.of(alpha) * (colors - behind), out)
