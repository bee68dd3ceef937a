"""COCO's run-length encoding: how many pixels are outside, inside, outside and so on, column by column."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def decode_counts(text: str) -> list[int]:
    """The run lengths of a compressed encoding.

    A number is written five bits a character, the lowest first, each offset by 48; the sixth bit says that the number
    goes on, and the highest bit of its last character is the sign. From the fourth on, a number is the difference to
    the last but one.

    Raises:
        ValueError: The text is no such encoding.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"{character!r} is not in the alphabet of the run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("the run lengths end in the middle of a number")
    return counts


def decode_mask(counts: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of run lengths.

    Args:
        counts: Numbers of pixels, those outside first.
        size: Height and width of the mask.

    Returns:
        bool [H, W].

    Raises:
        ValueError: The runs are negative or do not fill the mask.
    """
    height, width = size
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError(f"the run lengths add up to {sum(counts)} pixels in place of {width}x{height}")
    runs = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return runs.reshape(width, height).T
