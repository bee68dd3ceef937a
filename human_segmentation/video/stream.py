"""Scores of successive frames: what is remembered from one frame to the next ends here where a scene does."""

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.inference.predictor import Predictor
from human_segmentation.video.follow import Follower, between, both
from human_segmentation.video.look import SURE, Look, seen
from human_segmentation.video.scene import SceneCuts
from human_segmentation.video.temporal import Tracker
from human_segmentation.video.window import Place, Window, people_in


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
        self.found = False
        self._is_cut = SceneCuts()
        rules = predictor.preprocess
        self._follower = Follower(rules.padding is None)
        self._follows = tracker is not None and rules.sides is None and not predictor.prior_channel
        self.reset()

    def reset(self) -> None:
        """Forgets the past."""
        self.prior: NDArray[np.float32] | None = None
        self._people: Place | None = None
        self._mirrored = False
        self._follower.reset()
        if self.tracker is not None:
            self.tracker.reset()

    def __call__(self, image: NDArray[np.uint8]) -> Look:
        """Looks at the next frame, uint8 [H, W, 3] BGR."""
        if self._is_cut(image):
            self.reset()
        whole = Window(0, 0, image.shape[1], image.shape[0])
        if self._follows and self._follower.glances(image):
            score = self.predictor.score(seen(self.predictor.preprocess, image))
            self._follow(both(self._people, people_in(self._crop(score, whole), whole)), whole)
        window = self._follower.window or whole
        resized = seen(self.predictor.preprocess, np.ascontiguousarray(window.of(image)))
        score = self.prior = self._score(resized)
        if score.max() > SURE:
            self.found = True
        else:
            score = np.zeros_like(score)
        smooth = score if self.tracker is None else self.tracker(resized, score)
        if self._follows:
            self._follow(people_in(self._crop(score, window), window), whole)
        return Look(self._crop(smooth, window), None if window == whole else window)

    def _follow(self, people: Place | None, whole: Window) -> None:
        """Moves the window, and what is remembered with it, to where people are."""
        self._people = people
        before = self._follower.window or whole
        self._follower.move(people, (whole.width, whole.height))
        after = self._follower.window or whole
        if after != before and self.tracker is not None:
            content = self.predictor.preprocess.content((before.width, before.height))
            self.tracker.move(between(before, after, content))

    def _crop(self, score: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
        return self.predictor.preprocess.crop(score, (window.width, window.height))

    def _score(self, resized: NDArray[np.uint8]) -> NDArray[np.float32]:
        if not self._mirrored:
            score = self.predictor.score(resized, self.prior)
        else:
            prior = None if self.prior is None else cv2.flip(self.prior, 1)
            score = cv2.flip(self.predictor.score(cv2.flip(resized, 1), prior), 1)
        self._mirrored = self.tracker is not None and self.tracker.pairs and not self._mirrored
        return score
