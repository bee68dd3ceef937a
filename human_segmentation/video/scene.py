"""Where one scene ends and another begins."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 8
"""Pictures are compared at this size, where movement hardly shows."""
SAMPLES = 64
"""So many rows and columns are looked at; the average of all pixels takes milliseconds."""
CORRELATION = 0.6
"""Pictures that correlate less belong to different scenes. Of 104 pairs of unlike photographs all but one do; of 105
pairs of a photograph and itself, moved by a twentieth of its width, none does."""


class SceneCuts:
    """Compares each frame with the one before, whatever the exposure."""

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None

    def __call__(self, image: NDArray[np.uint8]) -> bool:
        """Whether a scene begins with this frame, uint8 [H, W, 3]; it does with the first."""
        rows, columns = (max(1, side // SAMPLES) for side in image.shape[:2])
        samples = np.ascontiguousarray(image[::rows, ::columns])
        small = cv2.resize(samples, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        small = (small - small.mean()) / max(1.0, float(small.std()))
        before, self._before = self._before, small
        return before is None or bool((before * small).mean() < CORRELATION)
