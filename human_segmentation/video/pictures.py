"""What a frame and its alpha become: a composite, a cut-out with transparency, or the alpha itself."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.video.background import Background
from human_segmentation.video.composite import composite, estimate_foreground
from human_segmentation.video.frames import Frame

Picture = Callable[[Frame, NDArray[np.float32]], NDArray[np.uint8]]
"""Takes a frame and its alpha, float32 [H, W] in [0, 1]; gives uint8 [H, W, 3] BGR, or [H, W, 4] with an alpha that the
colours are not multiplied with."""


def on(background: Background) -> Picture:
    """The person in front of a background."""

    def picture(frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
        return composite(estimate_foreground(frame.image, alpha), background(frame, alpha), alpha)

    return picture


def cutout(frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The person alone, with transparency: uint8 [H, W, 4] BGRA."""
    return cv2.merge([*cv2.split(estimate_foreground(frame.image, alpha)), cv2.convertScaleAbs(alpha, alpha=255)])


def matte(frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The alpha as a grey picture, white where the person is: uint8 [H, W, 3] BGR."""
    return cv2.merge([cv2.convertScaleAbs(alpha, alpha=255)] * 3)
