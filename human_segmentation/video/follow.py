"""A closer look at the people of a video, that costs no second one: the last frame tells where they are."""

import numpy as np
from numpy.typing import NDArray

from human_segmentation.video.scene import thumbnail
from human_segmentation.video.window import ASPECTS, Place, Window, around

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
SOON = 3
"""So many frames after that it may be again, where something has changed outside of the window."""
CHANGE = 12.0
"""Grey levels that are a change, and no noise, of a cell."""
CELLS = 16
"""Of a frame, along its width and its height."""


class Follower:
    """Chooses the part of a frame that the network sees.

    MediaPipe follows hands and bodies in this way (Bazarevsky et al., "BlazePose", 2020).

    Args:
        stretches: Whether frames are stretched to the network's input. Of others, parts have their aspect, so that the
            input keeps its size, for which the network is compiled.

    Attributes:
        window: The part; None for all of it.
    """

    def __init__(self, stretches: bool) -> None:
        self._stretches = stretches
        self.reset()

    def reset(self) -> None:
        """Looks at the whole next."""
        self.window: Window | None = None
        self._since = 0
        self._known = np.zeros((CELLS, CELLS, 3), np.float32)

    def glances(self, image: NDArray[np.uint8]) -> bool:
        """Whether the whole of a frame, uint8 [H, W, 3], is to be looked at too; to be asked of every frame."""
        now = thumbnail(image, CELLS)
        outside = np.zeros((CELLS, CELLS), bool) if self.window is None else _outside(self.window, image.shape)
        self._since += 1
        changed = self._since >= SOON and _differ(now[outside], self._known[outside])
        glances = self.window is not None and (changed or self._since >= GLANCE)
        if glances or self.window is None:
            self._since = 0
            outside[:] = False
        self._known = np.where(outside[..., None], self._known, now)
        return glances

    def move(self, people: Place | None, size: tuple[int, int]) -> None:
        """Takes in where people are in a frame of a width and a height; None: nobody is there."""
        if people is None:
            self.window = None
            return
        whole = Window(0, 0, *size)
        aspects = ASPECTS if self._stretches else (size[0] / size[1], size[0] / size[1])
        now, wanted = self.window or whole, around(people, size, MARGIN, aspects) or whole
        least = LARGEST if now == whole else SMALLEST
        if not _holds(now, people, size) or _area(wanted) < least * _area(now):
            self.window = None if wanted == whole else wanted


def both(one: Place | None, other: Place | None) -> Place | None:
    """A place that holds two."""
    if one is None or other is None:
        return one or other
    (left, right), (top, bottom) = ((min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(one, other, strict=True))
    return (left, right), (top, bottom)


def between(before: Window, after: Window, content: tuple[int, int, int, int]) -> NDArray[np.float64]:
    """Where a pixel of a plane that shows one window is in a plane that showed another.

    Args:
        before: The window that was shown.
        after: The one that is.
        content: Left, top, width and height, in pixels, of the part of both planes that shows the windows.

    Returns:
        float64 [2, 3], the affine map of its x and y.
    """
    left, top, width, height = content
    matrix = np.zeros((2, 3))
    axes = (
        (left, width, before.left, before.width, after.left, after.width),
        (top, height, before.top, before.height, after.top, after.height),
    )
    for axis, (first, pixels, old_start, old_side, start, side) in enumerate(axes):
        zoom = side / old_side
        matrix[axis, axis] = zoom
        # From middle to middle of pixels.
        matrix[axis, 2] = (1 - zoom) * (first - 0.5) + (start - old_start) * pixels / old_side
    return matrix


def _outside(window: Window, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which cells of a frame, [H, W, 3], have nothing of a window: bool [CELLS, CELLS]."""
    edges = np.arange(CELLS + 1) / CELLS
    rows, columns = edges * shape[0], edges * shape[1]
    beside_rows = (rows[1:] <= window.top) | (rows[:-1] >= window.top + window.height)
    beside_columns = (columns[1:] <= window.left) | (columns[:-1] >= window.left + window.width)
    return beside_rows[:, None] | beside_columns


def _differ(now: NDArray[np.float32], before: NDArray[np.float32]) -> bool:
    """Whether cells, [N, 3], have changed otherwise than most of them, as all do with the light."""
    change = now - before
    return len(change) > 0 and bool(np.abs(change - np.median(change, axis=0)).max() > CHANGE)


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
