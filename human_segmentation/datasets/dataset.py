"""Data sets of photos with labels, for training and for evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from human_segmentation.datasets.list_file import Sample
from human_segmentation.datasets.prior import draw_prior
from human_segmentation.datasets.transforms import BackgroundSwap, Distractors, Geometry, Texture
from human_segmentation.errors import DataError
from human_segmentation.photos import read_photo

IGNORED = 255
GREY_PNG, PALETTE_PNG = b"\x00", b"\x03"
"""The colour type, in byte 25."""
COLORED = 16
"""Colours of a grey label that went through a JPEG differ by less."""
FEW_SHADES, FAINT = 16, 64
"""A label with fewer shades than that, all of them fainter than that, holds classes."""


@dataclass(frozen=True)
class WeightedSamples:
    """Samples of one list and how often an epoch shows each of them (0.5: every second one, 2: twice)."""

    samples: Sequence[Sample]
    weight: float = 1.0


def read_sample(sample: Sample, num_classes: int = 2) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Reads a photo and its label.

    Of two classes, a label whose values are 0 and 1 (and 255 for pixels to ignore) holds classes. One with other values
    between 1 and 254, but fewer than 16 of them and all below 64, holds classes that are not known here and is refused:
    an alpha has many shades or strong ones. Any other label is an alpha. Of more than two classes, every label holds
    classes.

    Each label is judged by itself: one of 0 and 255 alone is an alpha, in which 255 is the person, even where the other
    labels of its data set hold 0, 1 and 255 for pixels to ignore. A label of 16 bits whose values are all below 256 is
    read as one of 8 bits.

    Args:
        sample: Where photo and label are.
        num_classes: Classes of the label: 0 is the background, every other one a part of the person.

    Returns:
        The photo, uint8 [H, W, 3] BGR; levels, uint8 [H, W, num_classes - 1], of which the k-th is 255 where the class
        is k or higher, so that the first is the alpha of the person; where the label counts, uint8 [H, W] with
        255 = counts and 0 = ignored.

    Raises:
        DataError: A file cannot be decoded, photo and label differ in size, or the label has unknown classes.
    """
    image = read_photo(sample.image)
    if sample.label is None:
        nobody = np.zeros((*image.shape[:2], num_classes - 1), np.uint8)
        return image, nobody, np.full(image.shape[:2], 255, np.uint8)
    label = _read_label(sample.label, num_classes)
    if label.shape != image.shape[:2]:
        raise DataError(
            f"{sample.label}: the label has {label.shape[1]}x{label.shape[0]} pixels and its photo "
            f"{image.shape[1]}x{image.shape[0]}; make them the same size"
        )
    shades = np.flatnonzero(cv2.calcHist([label], [0], None, [256], [0, 256])[1:IGNORED]) + 1
    if num_classes == 2 and shades.tolist() != [1]:
        if 0 < len(shades) < FEW_SHADES and shades[-1] < FAINT:
            raise DataError(
                f"{sample.label}: the label is out of range, it has the class {shades[-1]}; write 0 for background, "
                "1 for person and 255 for what is to be ignored, or an alpha from 0 to 255"
            )
        return image, label[..., None], np.full_like(label, 255)
    if len(shades) and shades[-1] >= num_classes:
        raise DataError(
            f"{sample.label}: the label has the value {shades[-1]}, and {num_classes} classes are 0 to "
            f"{num_classes - 1}; write 0 for background, 1 to {num_classes - 1} for the person's classes and 255 for "
            "what is to be ignored"
        )
    counts = label != IGNORED
    levels = label[..., None] >= np.arange(1, num_classes, dtype=np.uint8)
    return image, _plane(levels & counts[..., None]), _plane(counts)


def _read_label(path: Path, num_classes: int) -> NDArray[np.uint8]:
    """A label, uint8 [H, W]; of a PNG with a palette, as PaddleSeg writes them, the numbers and not the colours.

    Of two classes, where all colours are grey, they count: some tool has made a mask or an alpha smaller, and its
    palette may have any order.

    Raises:
        DataError: The label cannot be read, or is no grey one.
    """
    label = read_photo(path, cv2.IMREAD_GRAYSCALE)
    if not label.any():  # OpenCV keeps the upper 8 of 16 bits, and the numbers of classes are in the lower ones
        label = read_photo(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH).astype(np.uint8)
    with path.open("rb") as file:
        kind = file.read(26)[25:] if path.suffix.lower() == ".png" else b""
        if kind == PALETTE_PNG:
            with Image.open(file) as image:
                colors = np.array(image.convert("RGBA"))[..., :3]
                if num_classes > 2 or np.ptp(colors, axis=2).any():
                    return np.array(image)
        elif kind != GREY_PNG:
            _check_grey(path)
    return label


def _check_grey(path: Path) -> None:
    """Of colours, grey values would be made that nobody meant, and what is transparent would count."""
    image = read_photo(path, cv2.IMREAD_UNCHANGED)
    if image.ndim == 2:
        return
    colored = np.ptp(image[..., :3].astype(int), axis=2).max(initial=0) > COLORED
    if colored or (image.shape[2] == 4 and image[..., 3].min() < np.iinfo(image.dtype).max):
        what = "colours" if colored else "transparency"
        raise DataError(
            f"{path}: the label has {what}; write 0 for background, 1 for person and 255 for what is to be ignored, or "
            "an alpha from 0 to 255, in grey"
        )


def _plane(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """uint8 with 255 = true."""
    return np.where(mask, np.uint8(255), np.uint8(0))


def _shares(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What each class has of a pixel, uint8 [C, H, W] that adds up to 255, from levels, uint8 [H, W, C - 1]."""
    # OpenCV rounds four planes otherwise than two, so that levels may cross by a few of 255.
    nested = np.minimum.accumulate(np.moveaxis(levels, -1, 0))
    whole, nothing = (np.full_like(nested[:1], value) for value in (255, 0))
    return np.concatenate([whole, nested]) - np.concatenate([nested, nothing])


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
        num_classes: Classes of the labels, see `read_sample`.
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
        num_classes: int = 2,
    ) -> None:
        self.parts = parts
        self.size = size
        self.seed = seed
        self.swap = swap
        self.geometry = Geometry(stretch=stretch)
        self.plain = plain
        self.prior = prior
        self.num_classes = num_classes
        self.distractors = Distractors()
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
            uint8: what each class has of a pixel [num_classes, H, W], 255 in all; where that counts [H, W]; photo
            [H, W, 3]; where asked for, plain photo [H, W, 3] and prior [H, W] behind them.
        """
        rng = np.random.default_rng([self.seed, self.epoch, index])
        image, levels, valid = read_sample(self.order[index], self.num_classes)
        if self.swap is not None:
            image = self.swap(image, levels[..., 0], rng)
        image, planes = self.geometry(image, np.dstack([levels, 255 - valid]), self.size, rng)
        image = self.distractors(image, planes[..., 0], rng)
        priors: tuple[NDArray[np.uint8], ...] = ()
        if self.prior:
            image, planes, prior = draw_prior(image, planes, rng)
            priors = (prior,)
        photos = (self.texture(image, rng), image) if self.plain else (self.texture(image, rng),)
        return _shares(planes[..., :-1]), _plane(planes[..., -1] == 0), *photos, *priors
