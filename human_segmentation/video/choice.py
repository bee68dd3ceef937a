"""Pictures that keys change while a camera runs."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from human_segmentation.video.blur import BlurBackground
from human_segmentation.video.frames import Frame
from human_segmentation.video.pictures import Picture, matte, on

KEYS = "n: next background, b: blur, m: mask, r: reset, q: quit"
BLUR = 21


class PictureChoice:
    """What frames become, as keys choose: a `Picture` that is one of several.

    Args:
        pictures: One or more; the first is shown at first, and `n` shows the next.
        reset: What `r` calls.
    """

    def __init__(self, pictures: Sequence[Picture], reset: Callable[[], None]) -> None:
        self._pictures = pictures
        self._index = 0
        self._views: dict[str, Picture] = {"b": on(BlurBackground(BLUR)), "m": matte}
        self._view: str | None = None
        self._reset = reset

    def press(self, key: str) -> None:
        """Takes a key of `KEYS`; `b` and `m`, pressed again, lead back to the picture before."""
        if key == "n":
            self._index, self._view = (self._index + 1) % len(self._pictures), None
        elif key in self._views:
            self._view = None if key == self._view else key
        elif key == "r":
            self._reset()

    def __call__(self, frame: Frame, alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
        """See `Picture`."""
        picture = self._views[self._view] if self._view else self._pictures[self._index]
        return picture(frame, alpha)
