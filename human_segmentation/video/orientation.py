"""Pictures turned and mirrored as their files say."""

import math
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray


def upright(image: NDArray[np.uint8], frame: VideoFrame) -> NDArray[np.uint8]:
    """Shows a picture as players do.

    Args:
        image: uint8 [H, W, 3], the picture as it is stored.
        frame: The frame that it is from.

    Returns:
        uint8 [H, W, 3] or [W, H, 3]: turned by quarters and mirrored.
    """
    across, down, aside, below = _matrix(frame)
    if abs(down) > abs(across):  # a row becomes a column
        image = image.transpose(1, 0, 2)
        across, below = aside, down
    return np.ascontiguousarray(image[:: -1 if below < 0 else 1, :: -1 if across < 0 else 1])


def _matrix(frame: VideoFrame) -> tuple[float, float, float, float]:
    """Where a step to the right leads, how far right and down, and then where a step down does."""
    try:
        extra: Any = frame.side_data
    except ValueError:  # PyAV gives nothing where it does not know one kind of it, but it always gives the angle
        angle = math.radians(frame.rotation)
        return math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)
    if "DISPLAYMATRIX" not in extra:
        return 1, 0, 0, 1
    a, b, _, c, d, *_ = np.frombuffer(extra["DISPLAYMATRIX"], np.int32).tolist()
    return a, b, c, d
