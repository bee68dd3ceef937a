"""What the network says of a frame, or from closer by of the part of a photo where somebody is."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.inference.predictor import Predictor
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.inference.shrinking import averaged
from human_segmentation.video.refine import FRAME_EPSILON, PHOTO_EPSILON, refine_alpha
from human_segmentation.video.window import LIKELY, Window, around, parts, people_in, stand_apart

SURE = 0.7
"""Where no score is above that, nobody is there, and what is left is haze. By PortraitNet in INT8, each of 105 photos
of people has a score of 0.97 and more; of 250 pictures in most of which is nobody, 14 % have one above 0.7, 23 % one
above 0.5."""
MARGINS = (0.15, 0.5)
"""Shares of the people's width and height that are seen around them: the second where the first look missed an arm."""


@dataclass(frozen=True)
class Look:
    """A score.

    Attributes:
        score: float32 [h, w] in [0, 1].
        window: The part of the frame that the score covers, outside which nobody is; None: the whole frame.
        epsilon: See `refine_alpha`.
    """

    score: NDArray[np.float32]
    window: Window | None = None
    epsilon: float = FRAME_EPSILON

    def alpha(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The alpha of the frame, uint8 [H, W, 3] BGR, that was looked at: float32 [H, W] in [0, 1]."""
        if self.window is None:
            return refine_alpha(image, self.score, self.epsilon)
        alpha = np.zeros(image.shape[:2], np.float32)
        part = np.ascontiguousarray(self.window.of(image))
        self.window.of(alpha)[:] = refine_alpha(part, self.score, self.epsilon)
        return alpha


class CloserLook:
    """Looks at photos twice: first at the whole, then from closer by at the part where people are.

    Networks see few pixels, and of a photo in which people are small, few of the people. The second look has them as
    large as they can be. What is wide and shows people who stand apart, which that cannot help, is looked at part by
    part. Each time they see it as it is and mirrored, and the mean counts (Krizhevsky et al., "ImageNet Classification
    with Deep Convolutional Neural Networks", NeurIPS 2012): they do not err alike in both.

    Args:
        predictor: Finds the people.

    Attributes:
        found: Whether there was a person in any photo.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.found = False
        # One input for photos of every aspect: compiling the network for another one takes longer than many photos.
        rules, stride = predictor.preprocess, predictor.preprocess.coarsest_stride or 1
        width, height = (-(-side // stride) * stride for side in (rules.width, rules.height))
        self._rules = replace(rules, coarsest_stride=None, width=width, height=height)

    def reset(self) -> None:
        """Nothing is remembered from one photo to the next."""

    def __call__(self, image: NDArray[np.uint8]) -> Look:
        """Looks at one photo, uint8 [H, W, 3] BGR."""
        look = self._look(image)
        if look.score.max() > SURE:
            self.found = True
            return look
        return Look(np.zeros_like(look.score))

    def _look(self, image: NDArray[np.uint8]) -> Look:
        score = self._score(image)
        size = image.shape[1], image.shape[0]
        people = people_in(score, Window(0, 0, *size))
        for margin in MARGINS:
            window = None if people is None else around(people, size, margin)
            if window is None:
                break
            closer = self._score(np.ascontiguousarray(window.of(image)))
            if not _cuts(window, size, closer):
                return Look(closer, window, PHOTO_EPSILON)
        return Look(score, epsilon=PHOTO_EPSILON)

    def _score(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The score of a photo or a part of it, in as many rows as the network sees of what it looks at last."""
        whole = self._glance(image)
        windows = parts((image.shape[1], image.shape[0]))
        if not windows or whole.max() <= LIKELY:
            return whole
        # That of the whole has haze beside people who are small in it.
        scores = [self._glance(np.ascontiguousarray(window.of(image))) for window in windows]
        rows = scores[0].shape[0]
        zoom = rows / image.shape[0]
        score = np.zeros((rows, round(zoom * image.shape[1])), np.float32)
        for window, part in zip(windows, scores, strict=True):
            left = round(zoom * window.left)
            place = score[:, left : left + round(zoom * window.width)]
            np.maximum(place, cv2.resize(part, place.shape[::-1], interpolation=cv2.INTER_LINEAR), out=place)
        return score if stand_apart(score) else whole

    def _glance(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        resized = seen(self._rules, image)
        mirrored = cv2.flip(self.predictor.score(cv2.flip(resized, 1)), 1)
        score = (self.predictor.score(resized) + mirrored) * np.float32(0.5)
        return self._rules.crop(score, image.shape[1::-1])


def seen(rules: Preprocess, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture, uint8 [H, W, 3] BGR, at the network's size: what `rules.resize` gives, but for `averaged`."""
    if rules.interp != "AREA" or rules.sides is not None:
        return rules.resize(picture)
    return rules.resize(averaged(picture, rules.content(picture.shape[1::-1])[2:]))


def _cuts(window: Window, size: tuple[int, int], score: NDArray[np.float32]) -> bool:
    """Whether somebody goes on behind a side of a window in a photo of a size, by the window's score."""
    there = score > LIKELY
    beyond = window.left, window.top, size[0] - window.left - window.width, size[1] - window.top - window.height
    sides = there[:, 0], there[0], there[:, -1], there[-1]
    return any(pixels > 0 and bool(side.any()) for pixels, side in zip(beyond, sides, strict=True))
