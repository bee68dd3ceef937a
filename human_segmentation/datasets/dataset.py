"""Data sets of photos with labels, for training and for evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.datasets.list_file import Sample
from human_segmentation.datasets.prior import draw_prior
from human_segmentation.datasets.transforms import BackgroundSwap, Geometry, Texture
from human_segmentation.errors import DataError
from human_segmentation.photos import read_photo

IGNORED = 255


@dataclass(frozen=True)
class WeightedSamples:
    """Samples of one list and how often an epoch shows each of them (0.5: every second one, 2: twice)."""

    samples: Sequence[Sample]
    weight: float = 1.0


def read_sample(sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Reads a photo and its label.

    A label whose values are 0 and 1 (and 255 for pixels to ignore) holds classes; any other is an alpha.

    Returns:
        The photo, uint8 [H, W, 3] BGR; the alpha, uint8 [H, W] with 255 = person; where the label counts, uint8 [H, W]
        with 255 = counts and 0 = ignored.

    Raises:
        DataError: A file cannot be decoded, or photo and label differ in size.
    """
    image = read_photo(sample.image)
    if sample.label is None:
        return image, np.zeros(image.shape[:2], np.uint8), np.full(image.shape[:2], 255, np.uint8)
    label = read_photo(sample.label, cv2.IMREAD_GRAYSCALE)
    if label.shape != image.shape[:2]:
        raise DataError(
            f"{sample.label}: the label has {label.shape[1]}x{label.shape[0]} pixels and its photo "
            f"{image.shape[1]}x{image.shape[0]}; make them the same size"
        )
    valid = np.full(label.shape, 255, np.uint8)
    values = np.flatnonzero(cv2.calcHist([label], [0], None, [256], [0, 256]))
    if set(values) <= {0, 1, IGNORED} and 1 in values:
        valid[label == IGNORED] = 0
        label = np.where(label == 1, np.uint8(255), np.uint8(0))
    return image, label, valid


class TrainingSet:
    """The samples of an epoch, augmented, at network size.

    Every sample is drawn from a generator seeded by (seed, epoch, position): an epoch is the same whatever the number
    of worker processes, and can be resumed anywhere.

    Args:
        parts: Lists of samples with their weights.
        size: Width and height of the network's input.
        seed: Seed of everything random.
        swap: Replaces backgrounds where given.
        stretch: How often a whole photo is stretched to the size, as a model does that stretches its input.
        plain: Whether samples also have the photo without changes of texture.
        prior: Whether samples also have a prior, see `datasets.prior`.
    """

    def __init__(
        self,
        parts: Sequence[WeightedSamples],
        size: tuple[int, int],
        seed: int = 0,
        swap: BackgroundSwap | None = None,
        stretch: float = 0.5,
        plain: bool = False,
        prior: bool = False,
    ) -> None:
        self.parts = parts
        self.size = size
        self.seed = seed
        self.swap = swap
        self.geometry = Geometry(stretch=stretch)
        self.plain = plain
        self.prior = prior
        self.texture = Texture()
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Draws and shuffles the samples of an epoch."""
        self.epoch = epoch
        rng = np.random.default_rng([self.seed, epoch])
        order: list[Sample] = []
        for part in self.parts:
            whole, rest = divmod(round(part.weight * len(part.samples)), len(part.samples))
            order += list(part.samples) * whole
            order += [part.samples[i] for i in rng.permutation(len(part.samples))[:rest]]
        self.order = [order[i] for i in rng.permutation(len(order))]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], ...]:
        """One augmented sample.

        Returns:
            uint8: alpha [H, W], where it counts [H, W], photo [H, W, 3]; where asked for, plain photo [H, W, 3] and
            prior [H, W] behind them.
        """
        rng = np.random.default_rng([self.seed, self.epoch, index])
        image, alpha, valid = read_sample(self.order[index])
        if self.swap is not None:
            image = self.swap(image, alpha, rng)
        image, planes = self.geometry(image, np.dstack([alpha, 255 - valid]), self.size, rng)
        priors: tuple[NDArray[np.uint8], ...] = ()
        if self.prior:
            image, planes, prior = draw_prior(image, planes, rng)
            priors = (prior,)
        ignored = planes[..., 1] > 0
        photos = (self.texture(image, rng), image) if self.plain else (self.texture(image, rng),)
        return planes[..., 0], np.where(ignored, np.uint8(0), np.uint8(255)), *photos, *priors
