"""Pictures of one size, where those of a source are not."""

import cv2
import numpy as np
from numpy.typing import NDArray


def fitted(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scales a picture until it fits into `size` (width, height), in the middle between black bars."""
    width, height = size
    zoom = min(width / image.shape[1], height / image.shape[0])
    scaled = (max(1, round(image.shape[1] * zoom)), max(1, round(image.shape[0] * zoom)))
    image = cv2.resize(image, scaled, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    x, y = width - scaled[0], height - scaled[1]
    return cv2.copyMakeBorder(image, y // 2, y - y // 2, x // 2, x - x // 2, cv2.BORDER_CONSTANT)


class FirstSize:
    """Fits all pictures into the size of the first one.

    Attributes:
        notes: Tells of the first picture that had another size.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._size: tuple[int, int] | None = None

    def __call__(self, image: NDArray[np.uint8], time: float) -> NDArray[np.uint8]:
        """The picture, uint8 [H, W, 3], of a time in seconds."""
        size = (image.shape[1], image.shape[0])
        self._size = self._size or size
        if size == self._size:
            return image
        if not self.notes:
            before, after = (f"{width}x{height}" for width, height in (self._size, size))
            self.notes = [f"the size changes to {after} at {time:.1f} seconds; such pictures were fitted into {before}"]
        return fitted(image, self._size)
