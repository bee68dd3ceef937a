"""The room itself, out of focus, without the person in it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import DataError
from human_segmentation.video.background import Background
from human_segmentation.video.frames import Frame

LENS_SIDE = 15
"""Widest disc, in pixels, that is laid around every pixel; wider ones are laid in a smaller picture."""
GLOW = 1.1
"""A highlight is at most 1 / (GLOW - 1) times as bright as it is in the frame, where cameras cut it off."""
# Light of each value in a frame, by its gamma and by a curve that cannot cut off: it is small, and steep near white.
_LINEAR = (np.arange(256) / 255) ** 2.2
_LIGHT = (_LINEAR / (GLOW - _LINEAR)).astype(np.float32)


class BlurBackground(Background):
    """The frame itself, blurred, without the person in it.

    Only pixels of the background are averaged (normalised convolution), so that the person leaves no glow.

    Args:
        size: Width of the blur in pixels of the frame.

    Raises:
        DataError: The size is no width.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise DataError(f"--background_blur {size}: the blur must be at least 1 pixel wide; 21 is usual")
        self._size = size

    def __call__(self, frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
        """See `Background`."""
        share = _share(alpha)
        colors = self._blur(frame.image * share[..., None])
        return np.rint(colors / self._blur(share)[..., None]).astype(np.uint8)

    def _blur(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        # A box of even width would shift the picture, and one wider than the frame takes minutes.
        side = min(self._size, max(image.shape[:2])) | 1
        # Two box filters in a row are close to a bell, at a cost that does not grow with the size.
        return cv2.blur(cv2.blur(image, (side, side)), (side, side))


class LensBackground(Background):
    """The frame itself as a wide lens shows it that is focused on the person: every light becomes a disc.

    Light is averaged, not its values in the frame, and highlights count for as much as they had before the camera cut
    them off. Only pixels of the background are averaged, as in `BlurBackground`.

    Args:
        size: Width of the discs in pixels of the frame.

    Raises:
        DataError: The size is no width.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise DataError(f"--background_lens {size}: a disc must be at least 1 pixel wide; 41 is usual")
        self._size = size

    def __call__(self, frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
        """See `Background`."""
        height, width = alpha.shape
        size = min(self._size, max(height, width))
        zoom = min(1.0, LENS_SIDE / size)
        small = (max(1, round(width * zoom)), max(1, round(height * zoom)))
        share = _share(alpha)
        light = cv2.LUT(frame.image, _LIGHT) * share[..., None]
        light, share = (cv2.resize(x, small, interpolation=cv2.INTER_AREA) for x in (light, share))
        disc = _disc(size * zoom)
        light = cv2.filter2D(light, -1, disc) / cv2.filter2D(share, -1, disc)[..., None]
        light = np.maximum(light, 0)  # the filter errs by a millionth, which is much inside the person
        linear = np.minimum(GLOW * light / (1 + light), 1)
        image = np.rint(255 * linear ** (1 / 2.2)).astype(np.uint8)
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def _disc(width: float) -> NDArray[np.float32]:
    """A disc with a soft rim, whose sum is 1: float32 [n, n]."""
    reach = int(np.ceil(width / 2))
    steps = np.arange(-reach, reach + 1)
    disc = np.clip(width / 2 + 0.5 - np.hypot(steps, steps[:, None]), 0, 1)
    return (disc / disc.sum()).astype(np.float32)


def _share(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each pixel counts.

    At the rim, only pixels that are mostly background do, since what they have of the person would glow. All others
    count so little that a gap of one pixel between arm and body has its own colour.
    """
    return np.clip(1 - 2 * alpha, 1e-5, 1)
