"""Cut-out people in front of other backgrounds: photos whose alpha is known exactly."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from human_segmentation.datasets.converters.overlap import overlap
from human_segmentation.datasets.converters.sample_folder import Written, sample_folder
from human_segmentation.errors import DataError
from human_segmentation.photos import SUFFIXES, read_photo, write_photo

SECOND_PERSON = 0.3  # probability
LARGEST_SIDE = 16000
"""Of a photo, in pixels."""


def convert_composite(
    cutouts: Path, backgrounds: Path, target: Path, count: int, size: tuple[int, int], seed: int = 0
) -> list[Written]:
    """Writes composed photos as JPEG, their alphas as PNG, and list.txt.

    Every photo is drawn from a generator seeded by (seed, position): a longer run begins as a shorter one does.

    Args:
        cutouts: Folder of photos with an alpha channel.
        backgrounds: Folder of photos without people.
        target: The folder to write.
        count: How many photos.
        size: Their width and height.
        seed: Seed of everything random.

    Raises:
        DataError: A folder has no photos, a photo cannot be read, a cut-out has no alpha, or a number is out of range.
        OutputError: The folder cannot be written.
    """
    if min(count, *size) < 1 or max(size) > LARGEST_SIDE or seed < 0:
        raise DataError(
            f"--count and --size take numbers from 1 on, --size up to {LARGEST_SIDE}, and --seed one from 0 on"
        )
    people, scenes = _photos(cutouts), _photos(backgrounds)
    with sample_folder(target) as folder:
        for index in tqdm(range(count), desc="composite", disable=None):
            rng = np.random.default_rng([seed, index])
            number = 2 if rng.random() < SECOND_PERSON else 1
            chosen = [read_cutout(people[i]) for i in rng.integers(len(people), size=number)]
            scene = read_photo(scenes[int(rng.integers(len(scenes)))])
            photo, alpha = compose(chosen, scene, size, rng)
            image = folder.path / "photos" / f"{index:06d}.jpg"
            write_photo(image, photo)
            folder.add(image, alpha)
    return [Written(target / "list.txt", count)]


def read_cutout(path: Path) -> NDArray[np.uint8]:
    """Reads a photo with an alpha channel.

    Returns:
        uint8 [H, W, 4], BGR and alpha.

    Raises:
        DataError: The file cannot be read, has no 8-bit alpha channel, or shows nothing.
    """
    image = read_photo(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        raise DataError(f"{path}: has no alpha channel of 8 bits; give cut-outs as RGBA PNG")
    if not image[..., 3].any():
        raise DataError(f"{path}: is transparent everywhere; give a cut-out that shows someone")
    return image


def compose(
    cutouts: Sequence[NDArray[np.uint8]], background: NDArray[np.uint8], size: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Puts people in front of a background, at random sizes and places.

    Args:
        cutouts: uint8 [H, W, 4] BGR and alpha each, the farthest first.
        background: uint8 [H, W, 3] BGR; it covers the frame.
        size: Width and height of the result.
        rng: Where everything random is drawn from.

    Returns:
        The photo, uint8 [H, W, 3] BGR, and its alpha, uint8 [H, W] with 255 = person.
    """
    photo = _cover(background, size, rng).astype(np.float32)
    rest = np.ones(photo.shape[:2], np.float32)  # the share of the background
    for cutout in cutouts:
        person = _person(cutout, size, rng)
        height, width = person.shape[:2]
        # Cut-outs mostly end at the waist, so the lower edge is never above the frame's.
        top = size[1] - round(height * rng.uniform(0.7, 1.0))
        left = round(size[0] * rng.uniform(0.15, 0.85) - width / 2)
        there, here = overlap(rest.shape, person.shape, left, top)
        through = 1 - person[here][..., 3]
        photo[there] = photo[there] * through[..., None] + person[here][..., :3]
        rest[there] *= through
    alpha = np.rint(255 * (1 - rest)).astype(np.uint8)
    alpha[alpha == 1] = 0  # a label of 0, 1 and 255 alone would read as classes
    return np.clip(np.rint(photo), 0, 255).astype(np.uint8), alpha


def _photos(folder: Path) -> list[Path]:
    photos = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not photos:
        raise DataError(f"{folder}: holds no photos; give a folder of photos")
    return photos


def _cover(background: NDArray[np.uint8], size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random part of a background, in the frame's aspect and of its size."""
    height, width = background.shape[:2]
    zoom = max(size[0] / width, size[1] / height) * rng.uniform(1.0, 1.5)
    w, h = (min(most, max(1, round(side / zoom))) for most, side in ((width, size[0]), (height, size[1])))
    left, top = rng.integers(width - w + 1), rng.integers(height - h + 1)
    return _resize(_flip(background[top : top + h, left : left + w], rng), size)


def _person(cutout: NDArray[np.uint8], size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """A person at a random size, float32 [H, W, 4]: BGR in [0, 255] times alpha, alpha in [0, 1]."""
    x, y, w, h = cv2.boundingRect(cv2.inRange(cutout[..., 3], 1, 255))
    person = _flip(cutout[y : y + h, x : x + w], rng).astype(np.float32)
    person[..., 3] /= 255
    person[..., :3] *= person[..., 3:]  # transparent pixels may have any colour, which must not bleed in
    zoom = min(size[0] / w, size[1] / h) * rng.uniform(0.4, 1.3)
    return _resize(person, (max(1, round(w * zoom)), max(1, round(h * zoom))))


def _flip(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return image[:, ::-1] if rng.random() < 0.5 else image


def _resize(image: NDArray, size: tuple[int, int]) -> NDArray:
    """Averages where the picture gets smaller, interpolates where it gets larger."""
    smaller = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
