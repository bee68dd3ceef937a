"""Scores of successive frames: all that is remembered from one frame to the next is here."""

import numpy as np
from numpy.typing import NDArray

from human_segmentation.inference.predictor import Predictor
from human_segmentation.video.look import SURE, Look
from human_segmentation.video.scene import SceneCuts
from human_segmentation.video.temporal import Tracker


class ScoreStream:
    """Predicts frame after frame; memory ends where a scene does.

    Args:
        predictor: Finds the people.
        tracker: Smooths the scores over time; None takes them as they are.

    Attributes:
        prior: float32 [height, width], the last score of the network, which one with a prior channel sees; None at the
            start of a scene.
        found: Whether there was a person in any frame.
    """

    def __init__(self, predictor: Predictor, tracker: Tracker | None) -> None:
        self.predictor = predictor
        self.tracker = tracker
        self.prior: NDArray[np.float32] | None = None
        self.found = False
        self._is_cut = SceneCuts()

    def reset(self) -> None:
        """Forgets the past."""
        self.prior = None
        if self.tracker is not None:
            self.tracker.reset()

    def __call__(self, image: NDArray[np.uint8]) -> Look:
        """Looks at the next frame, uint8 [H, W, 3] BGR."""
        resized = self.predictor.preprocess.resize(image)
        if self._is_cut(resized):
            self.reset()
        score = self.prior = self.predictor.score(resized, self.prior)
        if score.max() > SURE:
            self.found = True
        else:
            score = np.zeros_like(score)
        if self.tracker is not None:
            score = self.tracker(resized, score)
        return Look(self.predictor.preprocess.crop(score, image.shape[1::-1]))
