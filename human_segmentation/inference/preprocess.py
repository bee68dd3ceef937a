"""From a frame to a network's input and back: the only place that knows colour order, resize rule and normalisation.

The rules are read from `model.yml` in PaddleX 1.3's own schema, so that a model exported years ago needs no conversion:

    TransformsMode: BGR
    Transforms:
    - Resize: {target_size: [192, 192], interp: AREA}
    - Normalize: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], min_val: [0, 0, 0], max_val: [255, 255, 255]}
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

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
        std: Divided by after that.
        min_val: Pixel value that scaling maps to 0.
        max_val: Pixel value that scaling maps to 1.
        interp: A key of `INTERPOLATIONS`. AREA averages all pixels when shrinking, which keeps fine texture from
            flickering; PaddleX 1.3 used LINEAR.
    """

    width: int = 192
    height: int = 192
    color: str = "BGR"
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    min_val: tuple[float, ...] = (0.0, 0.0, 0.0)
    max_val: tuple[float, ...] = (255.0, 255.0, 255.0)
    interp: str = "AREA"

    def resize(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Brings a frame to the network's size.

        Args:
            frame: uint8 [H, W, 3], BGR, any size.

        Returns:
            uint8 [height, width, 3], BGR.
        """
        return cv2.resize(frame, (self.width, self.height), interpolation=INTERPOLATIONS[self.interp])

    def normalize(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Normalises images that have the network's size already.

        Args:
            images: uint8 [N, H, W, 3], BGR.

        Returns:
            float32 [N, 3, H, W] in the network's colour order.
        """
        if self.color == "RGB":
            images = images[..., ::-1]
        # ((x - min) / (max - min) - mean) / std, folded into one multiplication and one addition.
        span = np.subtract(self.max_val, self.min_val)
        scale = 1.0 / (span * self.std)
        offset = -(np.divide(self.min_val, span) + self.mean) / self.std
        shape = (1, -1, 1, 1)
        planes = images.transpose(0, 3, 1, 2)
        return planes * scale.astype(np.float32).reshape(shape) + offset.astype(np.float32).reshape(shape)

    def restore(self, score: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        """Brings a score back to the frame.

        Args:
            score: float32 [height, width] in [0, 1].
            size: Width and height of the frame in pixels.

        Returns:
            float32 [H, W] in [0, 1] at the size of the frame.
        """
        return cv2.resize(score, size, interpolation=cv2.INTER_LINEAR)

    def resized(self, width: int, height: int) -> "Preprocess":
        """The same rules for another network size."""
        return replace(self, width=width, height=height)

    def to_yaml(self) -> dict[str, object]:
        """The entries of `model.yml` that `from_yaml` reads."""
        normalize = {name: list(getattr(self, name)) for name in ("mean", "std", "min_val", "max_val")}
        resize = {"target_size": [self.width, self.height], "interp": self.interp}
        return {"TransformsMode": self.color, "Transforms": [{"Resize": resize}, {"Normalize": normalize}]}

    @classmethod
    def from_yaml(cls, config: dict) -> "Preprocess":
        """Reads the rules from the content of a `model.yml`.

        Args:
            config: The parsed file.

        Raises:
            ValueError: A transform, a colour order or an interpolation that does not exist here.
            KeyError, TypeError: An entry is missing or has another form.
        """
        values: dict = {"color": str(config.get("TransformsMode", "RGB")).upper()}
        if values["color"] not in ("BGR", "RGB"):
            raise ValueError(f"TransformsMode is {values['color']}, not BGR or RGB")
        for step in config["Transforms"]:
            ((name, options),) = step.items()
            if name == "Resize":
                size = options["target_size"]
                width, height = (size, size) if isinstance(size, int) else size
                values.update(width=int(width), height=int(height), interp=str(options.get("interp", "LINEAR")).upper())
                if values["interp"] not in INTERPOLATIONS:
                    raise ValueError(f"Resize has interp {values['interp']}, not one of {', '.join(INTERPOLATIONS)}")
            elif name == "Normalize":
                for key in ("mean", "std", "min_val", "max_val"):
                    if key in options:
                        values[key] = tuple(float(v) for v in options[key])
            else:
                raise ValueError(f"the transform {name} is unknown")
        return cls(**values)
