"""Steadier scores: the score of the frame before supports the present one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

EMA_MEMORY = 0.5
"""Share of the past in the plain average."""
FLOW_MEMORY = 0.9
"""Share of the past where the picture is found again exactly and the present score is in doubt or the same."""
LIKENESS = 20.0
"""Grey levels by which a point may differ from the frame before and still count 1/e."""
SAME = 0.2
"""Difference from which on two scores are not the same at all. With a larger one, edges lag behind slow movement."""
FLOW_SIDE = 32
"""OpenCV refuses to find flow in pictures with a much shorter side, or crashes."""
CUT_SHARE = 0.5
"""A picture of which less than this is found in the one before is a new scene. Of 119 pairs of unlike photos at most
0.46 is found, of successive frames of made clips 0.84 and more."""


class Tracker(Protocol):
    """Smooths the scores of successive frames.

    Attributes:
        pairs: Whether it takes the mean of two successive scores, so that the network can see every second frame
            mirrored and err otherwise there.
    """

    pairs: bool

    def reset(self) -> None:
        """Forgets the past."""
        ...

    def move(self, matrix: NDArray[np.float64]) -> None:
        """Makes the past that of another window of the frame.

        Args:
            matrix: float64 [2, 3], see `follow.between`.
        """
        ...

    def __call__(self, image: NDArray[np.uint8], score: NDArray[np.float32]) -> NDArray[np.float32]:
        """Smooths one score.

        Args:
            image: uint8 [h, w, 3] BGR, the frame at network size.
            score: float32 [h, w] in [0, 1], the network's score of it.

        Returns:
            float32 [h, w] in [0, 1]. The score itself at the start of a scene.
        """
        ...


class EmaTracker:
    """The exponential moving average of the scores, as simple tools have it: steady, and late behind movement."""

    pairs = False

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None

    def reset(self) -> None:
        """See `Tracker`."""
        self._before = None

    def move(self, matrix: NDArray[np.float64]) -> None:
        """See `Tracker`."""
        if self._before is not None:
            self._before = _moved(self._before, matrix)

    def __call__(self, image: NDArray[np.uint8], score: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Tracker`."""
        if self._before is not None and self._before.shape == score.shape:
            score = score + np.float32(EMA_MEMORY) * (self._before - score)
        self._before = score
        return score


@dataclass(frozen=True)
class FlowState:
    """What the tracker remembers of a frame.

    Attributes:
        gray: uint8 [h, w], the frame at network size.
        score: float32 [h, w] in [0, 1], the smoothed score.
        raw: float32 [h, w] in [0, 1], the network's score.
        raw_before: float32 [h, w] in [0, 1], the network's score of the frame before, carried here.
    """

    gray: NDArray[np.uint8]
    score: NDArray[np.float32]
    raw: NDArray[np.float32]
    raw_before: NDArray[np.float32]


class FlowTracker:
    """Smooths scores along DIS optical flow.

    Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, as PaddleX 1.3's HumanSeg used it. Other
    than there, a pixel keeps no fixed share of the past. The share falls with the difference between the picture and
    where it came from, and where a certain score contradicts the past, so that nothing trails behind what moves faster
    than the flow can follow, or was hidden before. That flow forwards and backwards agree, which was asked there, then
    adds nothing: without it, masks are as accurate and as steady.

    The network sees every second frame mirrored, and first the mean of the two scores is taken. It errs otherwise
    there, so that for the price of one look a frame has what two would give.

    Attributes:
        state: What the last frame left; None at the start of a scene.
    """

    pairs = True

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self.state: FlowState | None = None

    def reset(self) -> None:
        """See `Tracker`."""
        self.state = None

    def move(self, matrix: NDArray[np.float64]) -> None:
        """See `Tracker`."""
        if self.state is not None:
            gray = _moved(self.state.gray, matrix, cv2.BORDER_REPLICATE)
            scores = (_moved(plane, matrix) for plane in (self.state.score, self.state.raw, self.state.raw_before))
            self.state = FlowState(gray, *scores)

    def __call__(self, image: NDArray[np.uint8], score: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Tracker`."""
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        smooth = last = score
        if self.state is not None and self.state.gray.shape == gray.shape and min(gray.shape) >= FLOW_SIDE:
            smooth, last = self._fuse(self.state, gray, score)
        self.state = FlowState(gray, smooth, score, last)
        return smooth

    def _fuse(
        self, before: FlowState, gray: NDArray[np.uint8], score: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The smoothed score, and the network's own of the frame before, carried here."""
        height, width = gray.shape
        flow_x, flow_y = cv2.split(self._flow.calc(gray, before.gray, None))
        x = flow_x + np.arange(width, dtype=np.float32)
        y = flow_y + np.arange(height, dtype=np.float32)[:, None]
        moved, past, last, last_but_one = (
            cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for plane in (before.gray, before.score, before.raw, before.raw_before)
        )
        difference = cv2.absdiff(moved, gray).astype(np.float32) / np.float32(LIKENESS)
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        found = inside * np.exp(-np.square(difference))
        if found.mean() < CUT_SHARE:
            return score, score
        # The last but one was seen as this frame is. Where its score is the same, the last one's is another because of
        # the mirror, and counts as much; elsewhere because somebody moved.
        same = np.maximum(0, 1 - np.abs(score - last_but_one) / np.float32(SAME))
        score = score + found * same * (last - score) / 2
        # The root makes a certain score win soon; with the change itself, edges lag a pixel behind slow movement.
        change = past - score
        contradiction = np.abs(2 * score - 1) * np.sqrt(np.sqrt(np.abs(change)))
        return score + np.float32(FLOW_MEMORY) * found * (1 - contradiction) * change, last


def _moved(plane: NDArray, matrix: NDArray[np.float64], border: int = cv2.BORDER_CONSTANT) -> NDArray:
    """A plane of scores, or of grey values, as another window shows it; outside of the window before, nobody was."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(plane, matrix, plane.shape[::-1], flags=flags, borderMode=border)


TRACKERS: dict[str, Callable[[], Tracker | None]] = {"none": lambda: None, "flow": FlowTracker, "ema": EmaTracker}
