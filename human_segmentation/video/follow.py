"""A closer look at the people of a video, that costs no second one: the last frame tells where they are."""

import numpy as np
from numpy.typing import NDArray

from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.video.window import Place, Window, around

MARGIN = 0.4
"""Share of the people's width and height that is seen around them. More leaves them smaller; with less, the window must
move oftener, at which scores change a little."""
ROOM = 0.04
"""Share of them that must be left around them, so that the next frame does not cut an arm off."""
LARGEST = 0.7
"""Share of the frame's area below which a window is worth while."""
SMALLEST = 0.3
"""Share of the window's area that a new one must have; where people have gone farther away, it moves."""
GLANCE = 8
"""Every so many frames the whole is looked at too, for who has come in."""


def can_follow(rules: Preprocess) -> bool:
    """Whether a part of a frame is as cheap as all of it, and larger: where the frame is stretched to the input.

    Where the frame keeps its aspect, each window would need a network of its own size; PortraitNet's masks of the clips
    of `benchmarks/made_clips.py` were no better for it.
    """
    return rules.padding is None and rules.sides is None


class Follower:
    """Chooses the part of the next frame that the network sees.

    MediaPipe follows hands and bodies in this way (Bazarevsky et al., "BlazePose", 2020).

    Attributes:
        window: The part; None for all of it.
    """

    def __init__(self) -> None:
        self.window: Window | None = None
        self._frames = 0

    def reset(self) -> None:
        """Looks at the whole next."""
        self.window = None
        self._frames = 0

    def glances(self) -> bool:
        """Whether the whole of the present frame is to be looked at too; to be asked once a frame."""
        self._frames += 1
        return self.window is not None and self._frames % GLANCE == 0

    def move(self, people: Place | None, size: tuple[int, int]) -> None:
        """Takes in where people are in the present frame, of a width and a height; None: nobody is there."""
        if people is None:
            self.window = None
            return
        whole = Window(0, 0, *size)
        now, wanted = self.window or whole, around(people, size, MARGIN) or whole
        least = LARGEST if now == whole else SMALLEST
        if not _holds(now, people, size) or _area(wanted) < least * _area(now):
            self.window = None if wanted == whole else wanted


def both(one: Place | None, other: Place | None) -> Place | None:
    """A place that holds two."""
    if one is None or other is None:
        return one or other
    (left, right), (top, bottom) = ((min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(one, other, strict=True))
    return (left, right), (top, bottom)


def between(before: Window, after: Window, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Where a pixel of a plane, [h, w], that shows one window is in a plane of that shape that showed another.

    Returns:
        float64 [2, 3], the affine map of its x and y.
    """
    height, width = shape
    matrix = np.zeros((2, 3))
    axes = (
        (width, before.left, before.width, after.left, after.width),
        (height, before.top, before.height, after.top, after.height),
    )
    for axis, (pixels, old_start, old_side, start, side) in enumerate(axes):
        zoom = side / old_side
        matrix[axis, axis] = zoom
        matrix[axis, 2] = 0.5 * (zoom - 1) + (start - old_start) * pixels / old_side  # from middle to middle
    return matrix


def _area(window: Window) -> int:
    return window.width * window.height


def _holds(window: Window, people: Place, size: tuple[int, int]) -> bool:
    """Whether people have room in a window, or go on behind the frame itself."""
    spans = (window.left, window.left + window.width), (window.top, window.top + window.height)
    for (first, behind), (start, end), side in zip(people, spans, size, strict=True):
        room = ROOM * (behind - first)
        if (start > 0 and first - room < start) or (end < side and behind + room > end):
            return False
    return True
