"""What a frame and its alpha become: a composite, a cut-out with transparency, or the alpha itself."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.video.background import Background, ImageBackground
from human_segmentation.video.composite import composite, estimate_foreground, replace_background
from human_segmentation.video.frames import Frame

Picture = Callable[[Frame, NDArray[np.float32]], NDArray[np.uint8]]
"""Takes a frame and its alpha, float32 [H, W] in [0, 1]; gives uint8 [H, W, 3] BGR, or [H, W, 4] with an alpha that the
colours are not multiplied with."""
GREEN = (0x40, 0xB1, 0x00)
"""The BGR colour of a green screen, #00b140."""

HEM = 8
"""Pixels."""


def on(background: Background) -> Picture:
    """The person in front of a background."""

    def picture(frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
        return replace_background(frame.image, background(frame, alpha), alpha)

    return picture


def cutout(frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The person alone, with transparency: uint8 [H, W, 4] BGRA.

    The colours go on for a hem behind the edge, for whatever scales or compresses them later; further away they are
    black, as nobody who publishes a cut-out means to show the room.
    """
    share = cv2.convertScaleAbs(alpha, alpha=255)
    near = cv2.dilate(share, np.ones((2 * HEM + 1, 2 * HEM + 1), np.uint8))
    colors = cv2.copyTo(estimate_foreground(frame.image, alpha, near), near)
    return cv2.merge([*cv2.split(colors), share])


def matte(frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The alpha as a grey picture, white where the person is: uint8 [H, W, 3] BGR."""
    return cv2.merge([cv2.convertScaleAbs(alpha, alpha=255)] * 3)


def opaque(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture for what has no transparency, with green in its place: uint8 [H, W, 3] BGR."""
    if image.shape[2] == 3:
        return image
    colors = np.ascontiguousarray(image[..., :3])
    return composite(colors, np.full_like(colors, GREEN), image[..., 3] * np.float32(1 / 255))


green_screen = on(ImageBackground(np.full((1, 1, 3), GREEN, np.uint8)))
"""The person on the green that programs for cutting take for transparent: uint8 [H, W, 3] BGR."""
