"""Scores of successive frames: all that is remembered from one frame to the next is here."""

import cv2
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
        self._mirrored = False

    def reset(self) -> None:
        """Forgets the past."""
        self.prior = None
        self._mirrored = False
        if self.tracker is not None:
            self.tracker.reset()

    def __call__(self, image: NDArray[np.uint8]) -> Look:
        """Looks at the next frame, uint8 [H, W, 3] BGR."""
        resized = self.predictor.preprocess.resize(image)
        if self._is_cut(resized):
            self.reset()
        score = self.prior = self._score(resized)
        if score.max() > SURE:
            self.found = True
        else:
            score = np.zeros_like(score)
        if self.tracker is not None:
            score = self.tracker(resized, score)
        return Look(self.predictor.preprocess.crop(score, image.shape[1::-1]))

    def _score(self, resized: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not self._mirrored:
            score = self.predictor.score(resized, self.prior)
        else:
            prior = None if self.prior is None else cv2.flip(self.prior, 1)
            score = cv2.flip(self.predictor.score(cv2.flip(resized, 1), prior), 1)
        self._mirrored = self.tracker is not None and self.tracker.pairs and not self._mirrored
        return score
