"""Pictures with fewer pixels, and some of a picture's pixels: most of it does not need what its edges do."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.inference.shrinking import halved


def reduced(image: NDArray, side: int) -> NDArray:
    """A picture whose longest side is at most `side`, each pixel an average of those that it stands for."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = halved(image, size)
    # Of a factor below two, linear interpolation leaves no pixel out, and takes a fraction of the time.
    near = image.shape[1] < 2 * size[0]
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR if near else cv2.INTER_AREA)


class Pixels:
    """Some of a picture's pixels. The few of the edge, one after the other, take a fraction of the time of them all.

    Args:
        where: uint8 [H, W], not 0 at these pixels.
    """

    def __init__(self, where: NDArray[np.uint8]) -> None:
        self._size = where.shape
        self._places = np.flatnonzero(where != 0)

    def of(self, image: NDArray) -> NDArray[np.float32]:
        """The values of these pixels in a picture [H, W, C]: float32 [N, C]; those of a plane [H, W], three times."""
        if image.ndim == 2:
            return image.reshape(-1).take(self._places).repeat(3).reshape(-1, 3).astype(np.float32)
        return image.reshape(-1, image.shape[2]).take(self._places, axis=0).astype(np.float32)

    def enlarged(self, small: NDArray[np.float32]) -> NDArray[np.float32]:
        """The values of these pixels in a smaller picture, [h, w, C], that is enlarged linearly: float32 [N, C]."""
        count = len(self._places)
        if not count:
            return np.empty((0, small.shape[2]), np.float32)
        # OpenCV takes places as a picture, with less than 32768 rows and columns; the last row is filled up.
        columns = math.isqrt(count - 1) + 1
        shape = -(-count // columns), columns
        rows_and_columns = np.divmod(self._places.astype(np.int32), np.int32(self._size[1]))
        y, x = (
            np.resize((place.astype(np.float32) + np.float32(0.5)) * np.float32(few / many) - np.float32(0.5), shape)
            for place, few, many in zip(rows_and_columns, small.shape, self._size, strict=False)
        )
        values = cv2.remap(small, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return values.reshape(-1, small.shape[2])[:count]

    def put(self, colors: NDArray[np.float32], image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Gives these pixels of a picture, uint8 [H, W, 3], other colours, [0, 255], and returns it."""
        colors = np.rint(colors).astype(np.uint8)
        # Three bytes at a time: NumPy takes twice as long to find the place of each byte.
        image.reshape(-1, 3).view("V3")[self._places] = colors.view("V3")
        return image

    def put_plane(self, values: NDArray[np.float32], plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """Gives these pixels of a plane, float32 [H, W], other values, [N], and returns it."""
        plane.reshape(-1)[self._places] = values
        return plane
