"""From a frame to a network's input and back: the only place that knows colour order, resize rule and normalisation.

The rules come from `model.yml`, see `transforms`.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

LARGEST_SIDE = 4096
"""Of a network's input, in pixels."""
INTERPOLATIONS = {
    "NEAREST": cv2.INTER_NEAREST,
    "LINEAR": cv2.INTER_LINEAR,
    "CUBIC": cv2.INTER_CUBIC,
    "AREA": cv2.INTER_AREA,
    "LANCZOS4": cv2.INTER_LANCZOS4,
}


@dataclass(frozen=True)
class Preprocess:
    """Resize rule, colour order and normalisation of one model.

    Attributes:
        width: Width of the network's input in pixels.
        height: Height of the network's input in pixels.
        color: "BGR" or "RGB", the order of the network's channels.
        mean: Subtracted after scaling to [0, 1], one value a channel in the network's order.
        std: Divided by after that; above 0.
        min_val: Pixel value that scaling maps to 0.
        max_val: Pixel value that scaling maps to 1; above `min_val`.
        interp: A key of `INTERPOLATIONS`. AREA averages all pixels when shrinking, which keeps fine texture from
            flickering; PaddleX 1.3 used LINEAR.
        padding: Value of the border that fills the input where the frame keeps its aspect, one for all channels or one
            a channel in the network's order. None stretches the frame, or leaves it without a border.
        centered: Whether the border lies on all sides; otherwise on the right and below, as PaddleX 1.x has it.
        coarsest_stride: The border ends where width and height are multiples of it, so that little is computed in vain;
            None: it fills the input.
        sides: The long and the short side to bring the frame to, whichever makes it smaller, as PaddleX 1.x does;
            infinite for no limit, and the frame keeps its size where neither limits it. The width and height are then
            the smallest input with its border, or the usual input without one. None: the frame fills the input.

    Raises:
        ValueError: A value is impossible.
    """

    width: int = 192
    height: int = 192
    color: str = "BGR"
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    min_val: tuple[float, ...] = (0.0, 0.0, 0.0)
    max_val: tuple[float, ...] = (255.0, 255.0, 255.0)
    interp: str = "AREA"
    padding: int | tuple[int, ...] | None = None
    centered: bool = True
    coarsest_stride: int | None = None
    sides: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not (1 <= self.width <= LARGEST_SIDE and 1 <= self.height <= LARGEST_SIDE):
            raise ValueError(f"the network size {self.width}x{self.height} is not from 1 to {LARGEST_SIDE}")
        if self.color not in ("BGR", "RGB"):
            raise ValueError(f"the colour order is {self.color}, not BGR or RGB")
        if self.interp not in INTERPOLATIONS:
            raise ValueError(f"the interpolation is {self.interp}, not one of {', '.join(INTERPOLATIONS)}")
        for name in ("mean", "std", "min_val", "max_val"):
            values = getattr(self, name)
            if len(values) != 3:
                raise ValueError(f"{name} has {len(values)} values, not one value a channel")
            if not np.isfinite(values).all():
                raise ValueError(f"{name} is {list(values)}, not three numbers")
        if min(self.std) <= 0:
            raise ValueError(f"std is {list(self.std)}, not above 0")
        if np.less_equal(self.max_val, self.min_val).any():
            raise ValueError(f"max_val is {list(self.max_val)}, not above min_val, {list(self.min_val)}")
        if any(not (1 <= side <= LARGEST_SIDE or side == math.inf) for side in self.sides or ()):
            raise ValueError(f"the sides {self.sides} of the frame are not from 1 to {LARGEST_SIDE}")
        if self.coarsest_stride is not None and not 1 <= self.coarsest_stride <= LARGEST_SIDE:
            raise ValueError(f"the stride {self.coarsest_stride} is not from 1 to {LARGEST_SIDE}")

    def resize(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Brings a frame to the network's size.

        Args:
            frame: uint8 [H, W, 3], BGR, any size.

        Returns:
            uint8 [height, width, 3], BGR; another size where `sides` or `coarsest_stride` says so.
        """
        left, top, width, height = self.content(frame.shape[1::-1])
        resized = cv2.resize(frame, (width, height), interpolation=INTERPOLATIONS[self.interp])
        if self.padding is None:
            return resized
        whole_width, whole_height = self._whole((width, height))
        right, bottom = max(0, whole_width - left - width), max(0, whole_height - top - height)
        return cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_CONSTANT, value=self.border.tolist())

    @property
    def border(self) -> NDArray[np.uint8]:
        """The border's colour, uint8 [3], BGR; black where there is no border."""
        color = np.broadcast_to(self.padding or 0, 3).astype(np.uint8)
        return color[::-1] if self.color == "RGB" else color

    def content(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Where a frame lies in the network's input.

        Args:
            size: Width and height of the frame in pixels.

        Returns:
            Left, top, width and height in pixels.
        """
        if self.sides is not None:
            zoom = min(self.sides[0] / max(size), self.sides[1] / min(size))
            if math.isinf(zoom):
                return 0, 0, *size
            return 0, 0, max(1, round(size[0] * zoom)), max(1, round(size[1] * zoom))
        if self.padding is None:
            return 0, 0, self.width, self.height
        zoom = min(self.width / size[0], self.height / size[1])
        width = min(self.width, max(1, round(size[0] * zoom)))
        height = min(self.height, max(1, round(size[1] * zoom)))
        if not self.centered:
            return 0, 0, width, height
        whole_width, whole_height = self._whole((width, height))
        return (whole_width - width) // 2, (whole_height - height) // 2, width, height

    def _whole(self, content: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the input around the frame's own."""
        if self.coarsest_stride is None:
            return self.width, self.height
        width, height = (math.ceil(side / self.coarsest_stride) * self.coarsest_stride for side in content)
        return width, height

    def normalize(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Normalises images that have the network's size already.

        Args:
            images: uint8 [N, H, W, 3], BGR.

        Returns:
            float32 [N, 3, H, W] in the network's colour order.
        """
        if self.color == "RGB":
            images = images[..., ::-1]
        scale, offset = self.factors
        shape = (1, -1, 1, 1)
        # In order first: arithmetic across the order of the memory takes ten times as long.
        planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2)) * scale.astype(np.float32).reshape(shape)
        planes += offset.astype(np.float32).reshape(shape)
        return planes

    @property
    def factors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scale and offset, one of each a channel, [3], in the network's order: x * scale + offset is normalised.

        They are ((x - min_val) / (max_val - min_val) - mean) / std, folded.
        """
        span = np.subtract(self.max_val, self.min_val)
        return 1.0 / (span * self.std), -(np.divide(self.min_val, span) + self.mean) / self.std

    def crop(self, score: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        """Cuts a border off a score.

        Args:
            score: float32 [height, width].
            size: Width and height of the frame in pixels.

        Returns:
            float32 [h, w], the part that shows the frame.
        """
        left, top, width, height = self.content(size)
        return score[top : top + height, left : left + width]

    def restore(self, score: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        """Brings a score back to the frame.

        Args:
            score: float32 [height, width] in [0, 1].
            size: Width and height of the frame in pixels.

        Returns:
            float32 [H, W] in [0, 1] at the size of the frame.
        """
        return cv2.resize(self.crop(score, size), size, interpolation=cv2.INTER_LINEAR)

    def resized(self, width: int, height: int) -> "Preprocess":
        """The same rules for another network size; a frame with `sides` is stretched to it."""
        if self.sides is None:
            return replace(self, width=width, height=height)
        return replace(self, width=width, height=height, sides=None, padding=None)
