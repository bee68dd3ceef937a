"""What sources of frames have in common: each is a context manager and an iterable of `Frame`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from human_segmentation.video.track import Sound

MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Frame:
    """One picture and its time.

    Attributes:
        image: uint8 [H, W, 3], BGR.
        pts: Its time in units of the source's `time_base`.
        time: Its time in seconds.
    """

    image: NDArray[np.uint8]
    pts: int
    time: float


class Source:
    """What the loop reads from: a context manager and an iterable of frames.

    Attributes:
        time_base: Unit of the frames' `pts`, in seconds.
        rate: Frames a second, where known.
        length: Number of frames, where known or nearly known.
        end: When the last frame that came ends, in seconds, where known.
        audio: Its sound tracks.
        live: Whether frames come in their own time and are lost where nobody takes them.
    """

    time_base: Fraction = MILLISECOND
    rate: Fraction | None = None
    length: int | None = None
    end: float | None = None
    audio: Sequence[Sound] = ()
    live: bool = False

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        raise NotImplementedError

    def cancel(self) -> None:
        """Ends the iteration soon, from another thread or a signal handler, where frames may be long in coming."""

    def notes(self) -> list[str]:
        """What was wrong with the frames up to here, each in one sentence, such as those that were damaged."""
        return []
