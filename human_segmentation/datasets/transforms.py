"""Joint transforms of a photo and its alpha, each drawn from a seeded generator.

A photo is uint8 [H, W, 3] BGR, an alpha uint8 [H, W] with 255 = person.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.photos import read_photo

Image = NDArray[np.uint8]
OUTSIDE = (128, 128, 128)
MAX_CHANNELS = 4
"""What OpenCV resizes at once."""


def each_plane(function: Callable[[Image], Image], planes: Image) -> Image:
    """Applies a function of OpenCV to planes, uint8 [H, W, C], of which it takes no more than four at once."""
    groups = range(0, planes.shape[2], MAX_CHANNELS)
    return np.dstack([function(planes[..., first : first + MAX_CHANNELS]) for first in groups])


@dataclass(frozen=True)
class Geometry:
    """Flip, rotation, scale, aspect, shift and crop as one affine warp, so that pixels are resampled once.

    The ranges are PortraitNet's (Zhang et al., 2019) with the angle drawn from a triangular distribution, so that
    upright people stay the rule. A `portrait` crop takes the upper part of a standing person and so makes a full-body
    photo into a portrait.

    Attributes:
        angle: Largest rotation in degrees, either way.
        scale: Smallest and largest magnification of the whole photo.
        aspect: Largest change of the aspect ratio, as a factor either way.
        shift: Largest shift as a share of the window.
        portrait: Probability of a portrait crop for a tall person.
        stretch: Probability that otherwise the whole photo is stretched to the output; if not, its aspect is true.
    """

    angle: float = 45.0
    scale: tuple[float, float] = (0.5, 1.5)
    aspect: float = 1.3
    shift: float = 0.25
    portrait: float = 0.4
    stretch: float = 0.5

    def __call__(
        self, image: Image, planes: Image, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Image, Image]:
        """Warps a photo and its planes to `size` (width, height).

        Args:
            image: uint8 [H, W, 3]; what lies outside becomes grey.
            planes: uint8 [H, W, C], the alpha first; what lies outside becomes 0.
            size: Width and height of the result.
            rng: Where the warp is drawn from.
        """
        (cx, cy), (ww, wh) = self._window(planes[..., 0], size, rng)
        # Averaging down first leaves the warp near one to one, so that it does not alias.
        shrink = min(1.0, size[0] / ww, size[1] / wh)
        if shrink < 1.0:
            small = (max(1, round(image.shape[1] * shrink)), max(1, round(image.shape[0] * shrink)))
            factors = (small[0] / image.shape[1], small[1] / image.shape[0])
            image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
            planes = each_plane(lambda group: cv2.resize(group, small, interpolation=cv2.INTER_AREA), planes)
            cx, cy, ww, wh = cx * factors[0], cy * factors[1], ww * factors[0], wh * factors[1]
        angle = np.deg2rad(self.angle * rng.triangular(-1, 0, 1)) if rng.random() < 0.5 else 0.0
        flip = -1.0 if rng.random() < 0.5 else 1.0
        zoom = np.diag([flip * size[0] / ww, size[1] / wh])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = zoom @ turn
        offset = np.divide(size, 2) - linear @ (cx, cy)
        matrix = np.column_stack([linear, offset])
        image = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=OUTSIDE)
        return image, each_plane(
            lambda group: cv2.warpAffine(group, matrix, size, flags=cv2.INTER_LINEAR, borderValue=0), planes
        )

    def _window(
        self, alpha: Image, size: tuple[int, int], rng: np.random.Generator
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Centre and size of the part of the photo that fills the output, in pixels of the photo."""
        height, width = alpha.shape
        x, y, w, h = cv2.boundingRect(cv2.inRange(alpha, 128, 255))
        stretch = np.exp(rng.uniform(-1, 1) * np.log(self.aspect))
        if h > 1.5 * w > 0 and rng.random() < self.portrait:
            side = h * rng.uniform(0.3, 0.7)
            center = (x + w / 2 + rng.uniform(-0.25, 0.25) * side, y + side * rng.uniform(0.25, 0.55))
            wh = side
            ww = side * size[0] / size[1]
        else:
            zoom = rng.uniform(*self.scale)
            shift = rng.uniform(-self.shift, self.shift, 2) * (1 if rng.random() < 0.5 else 0)
            center = (width * (0.5 + shift[0]), height * (0.5 + shift[1]))
            if rng.random() < self.stretch:
                ww, wh = width / zoom, height / zoom
            else:  # a window of the same area
                side = np.sqrt(width * height / (size[0] * size[1])) / zoom
                ww, wh = size[0] * side, size[1] * side
        return center, (ww * np.sqrt(stretch), wh / np.sqrt(stretch))


@dataclass(frozen=True)
class Texture:
    """Changes of colour and quality that leave the alpha alone, each applied with `probability`.

    The ranges are PortraitNet's; brightness, noise and JPEG also stand for dim rooms and webcams.
    """

    probability: float = 0.3
    color: tuple[float, float] = (0.4, 1.7)
    brightness: tuple[float, float] = (0.4, 1.7)
    contrast: tuple[float, float] = (0.6, 1.5)
    tint: tuple[float, float] = (0.85, 1.15)
    sharpness: tuple[float, float] = (0.8, 1.3)
    noise: float = 10.0
    jpeg: tuple[int, int] = (30, 95)

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        """Returns a changed copy of a photo."""
        x = image.astype(np.float32)
        if self._drawn(rng):
            x = _mix(x, cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), rng.uniform(*self.color))
        if self._drawn(rng):
            x = x * rng.uniform(*self.brightness)
        if self._drawn(rng):
            x = _mix(x, np.full_like(x, x.mean()), rng.uniform(*self.contrast))
        if self._drawn(rng):  # lamps and white balances differ
            x = x * rng.uniform(*self.tint, 3).astype(np.float32)
        if self._drawn(rng):
            x = _mix(x, cv2.GaussianBlur(x, (3, 3), 0), rng.uniform(*self.sharpness))
        if rng.random() < self.probability / 2:
            x = cv2.blur(x, (3, 3)) if rng.random() < 0.7 else cv2.blur(x, (5, 5))
        if self._drawn(rng):
            x = x + rng.normal(0, rng.uniform(0, self.noise), x.shape).astype(np.float32)
        image = np.clip(x, 0, 255).astype(np.uint8)
        if self._drawn(rng):
            quality = int(rng.integers(*self.jpeg))
            _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
            image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
        return image

    def _drawn(self, rng: np.random.Generator) -> bool:
        return rng.random() < self.probability


@dataclass(frozen=True)
class BackgroundSwap:
    """Puts the person in front of another photo without people.

    Attributes:
        backgrounds: Paths of photos without people.
        probability: How often.
    """

    backgrounds: Sequence[Path]
    probability: float = 0.25

    def __call__(self, image: Image, alpha: Image, rng: np.random.Generator) -> Image:
        """Composites in front of a random crop of a random background; the alpha stays."""
        if rng.random() >= self.probability or not alpha.any():
            return image
        background = read_photo(self.backgrounds[int(rng.integers(len(self.backgrounds)))])
        height, width = alpha.shape
        zoom = max(width / background.shape[1], height / background.shape[0]) * rng.uniform(1.0, 1.5)
        background = cv2.resize(background, None, fx=zoom + 1e-3, fy=zoom + 1e-3, interpolation=cv2.INTER_AREA)
        top = rng.integers(background.shape[0] - height + 1)
        left = rng.integers(background.shape[1] - width + 1)
        background = background[top : top + height, left : left + width]
        # A slightly eroded alpha keeps the rim of the old background out, which would give the cut away.
        share = cv2.erode(alpha, np.ones((3, 3), np.uint8)).astype(np.float32) / 255
        share = cv2.GaussianBlur(share, (3, 3), 0)
        return cv2.blendLinear(image, background, share, 1 - share)


@dataclass(frozen=True)
class Distractors:
    """Plain shapes behind the person: balls, lamps and signs are no people, however round and bright they are.

    Attributes:
        probability: How often there are any.
        most: The largest number of them.
        sides: Their smallest and largest width and height, as a share of the shorter side of the photo.
    """

    probability: float = 0.3
    most: int = 3
    sides: tuple[float, float] = (0.05, 0.4)

    def __call__(self, image: Image, alpha: Image, rng: np.random.Generator) -> Image:
        """Returns a photo with them; the alpha stays."""
        if rng.random() >= self.probability:
            return image
        behind = image.copy()
        for _ in range(rng.integers(1, self.most + 1)):
            center = rng.uniform((0, 0), alpha.shape[::-1])
            width, height = min(alpha.shape) * rng.uniform(*self.sides, 2)
            shape = cv2.RotatedRect(center, (width, width if rng.random() < 0.5 else height), rng.uniform(0, 180))
            color = rng.integers(0, 256, 3).tolist()
            if rng.random() < 0.5:
                cv2.ellipse(behind, shape, color, cv2.FILLED, cv2.LINE_AA)
            else:
                cv2.fillConvexPoly(behind, np.rint(shape.points()).astype(np.int32), color, cv2.LINE_AA)
        share = alpha.astype(np.float32) / 255
        return cv2.blendLinear(image, behind, share, 1 - share)


def _mix(x: NDArray[np.float32], base: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
    """`base` at 0, `x` at 1, beyond `x` above 1."""
    return base + (x - base) * np.float32(amount)
