"""Steadier scores: the score of the frame before, moved along with the picture, supports the present one."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

MEMORY = 0.8
"""Most of the previous score that a pixel can keep."""
FLOW_ERROR = 1.0
"""Pixels that forward and backward flow may disagree by."""
FLOW_SIDE = 32
"""OpenCV refuses to find flow in pictures with a much shorter side, or crashes."""
CUT_SHARE = 0.35
"""A picture of which less than this is found in the one before is a new scene."""


@dataclass(frozen=True)
class FlowState:
    """What the tracker remembers of a frame.

    Attributes:
        gray: uint8 [h, w], the frame at network size.
        score: float32 [h, w] in [0, 1], the smoothed score.
    """

    gray: NDArray[np.uint8]
    score: NDArray[np.float32]


class FlowTracker:
    """Smooths scores along DIS optical flow.

    Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016, as PaddleX 1.3's HumanSeg used it. Other
    than there, a pixel keeps no fixed share of the past: the share falls with the certainty of the present score, with
    the disagreement of the two scores and with that of forward and backward flow, so that nothing trails behind.

    Attributes:
        state: What the last frame left; None at the start of a scene.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self.state: FlowState | None = None

    def reset(self) -> None:
        """Forgets the past."""
        self.state = None

    def __call__(self, image: NDArray[np.uint8], score: NDArray[np.float32]) -> NDArray[np.float32]:
        """Smooths one score.

        Args:
            image: uint8 [h, w, 3] BGR, the frame at network size.
            score: float32 [h, w] in [0, 1], the network's score of it.

        Returns:
            float32 [h, w] in [0, 1]. The score itself at the start of a scene.
        """
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        if self.state is not None and self.state.gray.shape == gray.shape and min(gray.shape) >= FLOW_SIDE:
            score = self._fuse(self.state, gray, score)
        self.state = FlowState(gray, score)
        return score

    def _fuse(self, before: FlowState, gray: NDArray[np.uint8], score: NDArray[np.float32]) -> NDArray[np.float32]:
        backward = self._flow.calc(gray, before.gray, None)
        forward = self._flow.calc(before.gray, gray, None)
        height, width = gray.shape
        rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
        flow_x, flow_y = cv2.split(backward)
        x, y = columns + flow_x, rows + flow_y
        back_x, back_y = cv2.split(cv2.remap(forward, x, y, cv2.INTER_LINEAR))
        error = (flow_x + back_x) ** 2 + (flow_y + back_y) ** 2
        moved = cv2.remap(before.gray, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        found = inside & (error < FLOW_ERROR**2) & (cv2.absdiff(moved, gray) < 30)
        if found.mean() < CUT_SHARE:
            return score
        past = cv2.remap(before.score, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        doubt = 1 - np.abs(2 * score - 1)
        agreement = (1 - np.abs(past - score)) ** 2
        share = MEMORY * found * agreement * (0.5 + 0.5 * doubt)
        return score + share.astype(np.float32) * (past - score)
