"""Fewer pixels, each an average of those that it stands for, in a fraction of OpenCV's time for any size."""

import cv2
import numpy as np
from numpy.typing import NDArray

FACTORS = (1.5, 8)
"""Least and largest factor for which a linear interpolation, to twice a size, leaves next to no pixel out."""


def halved(image: NDArray, size: tuple[int, int]) -> NDArray:
    """Halves a picture for as long as it has an even width and height and twice a size, (width, height), or more.

    OpenCV does that in a quarter of the time that it takes for any other size.
    """
    height, width = image.shape[:2]
    while width >= 2 * size[0] and height >= 2 * size[1] and height % 2 == width % 2 == 0:
        height, width = height // 2, width // 2
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return image


def averaged(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture, uint8 [H, W, C], at a size, (width, height): much like OpenCV's INTER_AREA, several times as fast.

    It is halved, brought to twice the size linearly, and halved again. Of photographs, a value differs by 1 of 255 on
    the mean. Where it hardly shrinks, it is INTER_AREA. It grows linearly, as photos do in training; INTER_AREA would
    repeat pixels, in which networks find nobody.
    """
    height, width = image.shape[:2]
    smaller = min(width, size[0]), min(height, size[1])
    twice = 2 * smaller[0], 2 * smaller[1]
    image = halved(image, twice)
    factors = [before / after for before, after in zip(image.shape[1::-1], smaller, strict=True)]
    if FACTORS[0] <= min(factors) and max(factors) <= FACTORS[1]:
        image = cv2.resize(image, twice, interpolation=cv2.INTER_LINEAR)
    image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
