"""From a score to a composite: the alpha at frame size, the colour of the person alone, the blend."""

import cv2
import numpy as np
from numpy.typing import NDArray

GUIDE_SIDE = 320
"""Longest side, in pixels, at which the guided filter fits its lines."""
GUIDE_RADIUS = 3
GUIDE_EPSILON = 2e-4
SOLID = (0.2, 0.8)
"""Alphas below the first become 0 and above the second 1: what the filter leaves there is haze, no hair."""
FUSION_SIDE = 160
"""Longest side, in pixels, at which colours are averaged."""
FUSION_SIZES = (21, 5)
"""Widths, in those pixels, of the coarse and the fine average."""


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
    guide = _reduced(gray, GUIDE_SIDE).astype(np.float32) / np.float32(255)
    alpha = cv2.resize(score, guide.shape[::-1], interpolation=cv2.INTER_LINEAR)
    mean_guide, mean_alpha = _mean(guide), _mean(alpha)
    slope = (_mean(guide * alpha) - mean_guide * mean_alpha) / (_mean(guide * guide) - mean_guide**2 + GUIDE_EPSILON)
    offset = mean_alpha - slope * mean_guide
    # What stretches the alpha to 0 and 1 is done to the lines, of which there are fewer than pixels.
    low, high = SOLID
    lines = (slope / (255 * (high - low)), (offset - low) / (high - low))
    slope, offset = (cv2.resize(_mean(x), (width, height), interpolation=cv2.INTER_LINEAR) for x in lines)
    alpha = cv2.multiply(slope, gray, slope, dtype=cv2.CV_32F)
    alpha += offset
    return np.clip(alpha, 0, 1, out=alpha)


def _mean(x: NDArray[np.float32]) -> NDArray[np.float32]:
    side = 2 * GUIDE_RADIUS + 1
    return cv2.blur(x, (side, side))


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
    pixels = _Pixels(where)
    return pixels.put(_person(frame, alpha, pixels), frame.copy())


def _person(frame: NDArray[np.uint8], alpha: NDArray[np.float32], pixels: "_Pixels") -> NDArray[np.float32]:
    """The colour of the person at some pixels, float32 [N, 3]."""
    height, width = alpha.shape
    colors = _reduced(frame, FUSION_SIDE).astype(np.float32)
    share = cv2.merge([_reduced(alpha, FUSION_SIDE)] * 3)
    person, room = colors, colors
    for size in FUSION_SIZES:
        person = _weighted_mean(person, share, size)
        room = _weighted_mean(room, 1 - share, size)
        person = person + share * (colors - share * person - (1 - share) * room)
    person, room = (
        pixels.of(cv2.resize(x.clip(0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR))
        for x in (person, room)
    )
    share = pixels.of(alpha)
    return (person + share * (pixels.of(frame) - room - share * (person - room))).clip(0, 255)


def _weighted_mean(colors: NDArray[np.float32], weight: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    weight = weight + np.float32(1e-4)
    return cv2.blur(colors * weight, (size, size)) / cv2.blur(weight, (size, size))


def _reduced(image: NDArray, side: int) -> NDArray:
    """A picture whose longest side is at most `side`, each pixel the average of those that it stands for."""
    height, width = image.shape[:2]
    # OpenCV halves in a quarter of the time that it takes for any other size.
    while max(height, width) >= 2 * side and height % 2 == width % 2 == 0:
        height, width = height // 2, width // 2
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    scale = min(1.0, side / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


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
    pixels = _Pixels(edge(alpha))
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
    pixels = _Pixels(edge(alpha))
    return _blend(frame, background, alpha, pixels, _person(frame, alpha, pixels))


def _blend(
    foreground: NDArray[np.uint8],
    background: NDArray[np.uint8],
    alpha: NDArray[np.float32],
    pixels: "_Pixels",
    colors: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """A blend with other colours of the foreground at the pixels of its edge."""
    out = cv2.copyTo(foreground, cv2.inRange(alpha, 0.5, 1), background.copy())
    behind = pixels.of(background)
    return pixels.put(behind + pixels.of(alpha) * (colors - behind), out)


class _Pixels:
    """Some of a picture's pixels. The few of the edge, one after the other, take a fraction of the time of them all.

    Args:
        where: uint8 [H, W], not 0 at these pixels.
    """

    def __init__(self, where: NDArray[np.uint8]) -> None:
        self._places = np.flatnonzero(where != 0)

    def of(self, image: NDArray) -> NDArray[np.float32]:
        """The values of these pixels in a picture [H, W, 3], or an alpha [H, W] for all channels: float32 [N, 3]."""
        if image.ndim == 2:
            return image.ravel().take(self._places).repeat(3).reshape(-1, 3)
        return image.reshape(-1, 3).take(self._places, axis=0).astype(np.float32)

    def put(self, colors: NDArray[np.float32], image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Gives these pixels of a picture, uint8 [H, W, 3], other colours, [0, 255], and returns it."""
        colors = np.rint(colors).astype(np.uint8)
        # Three bytes at a time: NumPy takes twice as long to find the place of each byte.
        image.reshape(-1, 3).view("V3")[self._places] = colors.view("V3")
        return image
