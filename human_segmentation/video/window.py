"""The part of a picture where people are: there a network sees them as large as it can."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LIKELY = 0.5
"""A score above that is likelier to be a person than not."""
ASPECTS = (0.6, 1.4)
"""Narrowest and widest part, width by height; others would be stretched beyond what networks are trained with."""
LARGEST_PART = 0.85
"""Share of a picture's area from which on a part shows nothing that the picture itself does not."""

WIDE = 1.6
"""Width by height above which a picture is looked at part by part: as a whole, networks see few rows of it."""
PART = 4 / 3
"""Width by height of a part."""
OVERLAP = 0.25
"""Share of a part's width that it has at least in common with the next."""
GAP = 0.1
"""Share of a picture's width between people who stand apart."""

Span = tuple[float, float]
"""The first and the last place of something along an axis, in pixels."""
Place = tuple[Span, Span]
"""Of something in a picture, along its width and its height."""


@dataclass(frozen=True)
class Window:
    """A part of a picture, in its pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(self, image: NDArray) -> NDArray:
        """A view of this part of a picture, [H, W, ...]."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def people_in(score: NDArray[np.float32], window: Window) -> Place | None:
    """Where people are in a picture; None where nobody is.

    Args:
        score: float32 [h, w] in [0, 1].
        window: The part of the picture that the score covers.
    """
    there = score > LIKELY
    if not there.any():
        return None
    columns, rows = (np.flatnonzero(there.any(axis)) for axis in (0, 1))
    zooms = window.width / score.shape[1], window.height / score.shape[0]
    (left, right), (top, bottom) = (
        (start + zoom * places[0], start + zoom * (places[-1] + 1))
        for start, zoom, places in zip((window.left, window.top), zooms, (columns, rows), strict=True)
    )
    return (left, right), (top, bottom)


def parts(size: tuple[int, int]) -> list[Window]:
    """Overlapping parts, side by side, of a picture of a width and a height; none where it is not wide."""
    width, height = size
    if width <= WIDE * height:
        return []
    side = round(PART * height)
    count = math.ceil((width - OVERLAP * side) / ((1 - OVERLAP) * side))
    return [Window(round(index * (width - side) / (count - 1)), 0, side, height) for index in range(count)]


def stand_apart(score: NDArray[np.float32]) -> bool:
    """Whether there is a gap between people in a picture, by its score, float32 [h, w] in [0, 1]."""
    columns = np.flatnonzero((score > LIKELY).any(0))
    return bool(np.diff(columns).max(initial=0) > GAP * score.shape[1])


def around(people: Place, size: tuple[int, int], share: float, aspects: Span = ASPECTS) -> Window | None:
    """The part of a picture that shows people with a margin; None for nearly all of it.

    Args:
        people: Where they are.
        size: The picture's width and height.
        share: The margin, as a share of the people's width and height.
        aspects: The narrowest and the widest that it may be, width by height, where the picture is large enough.
    """
    spans = []
    for (first, behind), side in zip(people, size, strict=True):
        margin = share * (behind - first)
        spans.append((max(0.0, first - margin), min(float(side), behind + margin)))
    width, height = (behind - first for first, behind in spans)
    narrowest, widest = aspects
    sides = max(width, narrowest * height), max(height, width / widest)
    places = (_grown(span, side, whole) for span, side, whole in zip(spans, sides, size, strict=True))
    (left, right), (top, bottom) = places
    window = Window(left, top, right - left, bottom - top)
    return window if window.width * window.height <= LARGEST_PART * size[0] * size[1] else None


def _grown(span: Span, side: float, whole: int) -> tuple[int, int]:
    """Grows a span to a length, evenly, and inside of what there is."""
    length = max(1, min(whole, round(side)))
    first = round((span[0] + span[1] - length) / 2)
    first = min(max(0, first), whole - length)
    return first, first + length
