"""The entries of `model.yml` that describe preprocessing, in every version of PaddleX's schema.

    TransformsMode: BGR
    Transforms:
    - Resize: {target_size: [192, 192], interp: AREA}
    - Normalize: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], min_val: [0, 0, 0], max_val: [255, 255, 255]}

or, in place of Resize, for a frame that keeps its aspect inside a grey border,

    - ResizeByLong: {long_size: 224}
    - Padding: {target_size: [224, 224], im_padding_value: [128, 128, 128], position: center}

where `position` is an addition to PaddleX's, as is `coarsest_stride: 32`, which its detectors have. A file of PaddleX
0.x has `BatchTransforms` besides, and pairs of a name and its options.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from human_segmentation.inference.preprocess import Preprocess

BORDER = (127.5, 127.5, 127.5)
# What PaddleX 0.x lists besides, and what has no effect on bytes.
_WITHOUT_EFFECT = ("DecodeImage", "Permute", "ArrangeSegmenter")


def to_yaml(rules: Preprocess) -> dict[str, object]:
    """The entries that `from_yaml` reads."""
    normalize = {name: list(getattr(rules, name)) for name in ("mean", "std", "min_val", "max_val")}
    return {"TransformsMode": rules.color, "Transforms": [*_geometry(rules), {"Normalize": normalize}]}


def _geometry(rules: Preprocess) -> list[dict[str, object]]:
    size = [rules.width, rules.height]
    if rules.sides is None and rules.padding is None:
        return [{"Resize": {"target_size": size, "interp": rules.interp}}]
    long, short = rules.sides or (max(size), math.inf)
    steps: list[dict[str, object]] = []
    if not math.isinf(short):
        limit = -1 if math.isinf(long) else int(long)
        steps = [{"ResizeByShort": {"short_size": int(short), "max_size": limit, "interp": rules.interp}}]
    elif not math.isinf(long):
        steps = [{"ResizeByLong": {"long_size": int(long), "interp": rules.interp}}]
    if rules.padding is not None:
        border = {"target_size": size, "im_padding_value": np.broadcast_to(rules.padding, 3).tolist()}
        if rules.sides is None:
            border["position"] = "center" if rules.centered else "corner"
        if rules.coarsest_stride is not None:
            border["coarsest_stride"] = rules.coarsest_stride
        steps.append({"Padding": border})
    return steps


def from_yaml(config: dict) -> Preprocess:
    """Reads the rules from the content of a `model.yml`.

    Args:
        config: The parsed file.

    Raises:
        ValueError: A transform that does not exist here, or an impossible value.
        KeyError, TypeError: An entry is missing or has another form.
    """
    steps = [_name_and_options(entry) for entry in config["Transforms"]]
    # PaddleX feeds the pixels of the frame as they are where no step changes them.
    rules = Preprocess(
        color=_color(config, dict(steps)),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        max_val=(1.0, 1.0, 1.0),
        interp="LINEAR",
        sides=(math.inf, math.inf),
    )
    for name, options in steps:
        if name in _READERS:
            rules = _READERS[name](rules, options)
        elif name not in _WITHOUT_EFFECT:
            raise ValueError(f"the transform {name} is unknown")
    return rules


def _name_and_options(entry: dict | list) -> tuple[str, dict]:
    ((name, options),) = entry.items() if isinstance(entry, dict) else [entry]
    return name, options or {}


def _color(config: dict, steps: dict[str, dict]) -> str:
    if "TransformsMode" in config:
        return str(config["TransformsMode"]).upper()
    if "BatchTransforms" in config:  # PaddleX 1.x reads photos for such a model as BGR
        return "RGB" if steps.get("DecodeImage", {}).get("to_rgb") else "BGR"
    return "RGB"


def _size(target_size: int | list[int]) -> tuple[int, int]:
    width, height = (target_size, target_size) if isinstance(target_size, int) else target_size
    return int(width), int(height)


def _interp(options: dict, default: str) -> str:
    return str(options.get("interp", default)).upper()


def _resize(rules: Preprocess, options: dict) -> Preprocess:
    width, height = _size(options["target_size"])
    return replace(rules, width=width, height=height, interp=_interp(options, "LINEAR"), sides=None, padding=None)


def _resize_by_long(rules: Preprocess, options: dict) -> Preprocess:
    return _resize_by(rules, (float(options["long_size"]), math.inf), _interp(options, "LINEAR"))


def _resize_by_short(rules: Preprocess, options: dict) -> Preprocess:
    limit = float(options.get("max_size", -1))
    short = float(options["short_size"] if "short_size" in options else options["target_size"])
    return _resize_by(rules, (limit if limit > 0 else math.inf, short), _interp(options, "NEAREST"))


def _resize_by(rules: Preprocess, sides: tuple[float, float], interp: str) -> Preprocess:
    if rules.sides is None:  # another step gave a size already
        _, _, width, height = replace(rules, sides=sides).content((rules.width, rules.height))
        return replace(rules, width=width, height=height)
    usual = int(min(sides))
    return replace(rules, width=usual, height=usual, sides=sides, interp=interp)


def _pad(rules: Preprocess, options: dict) -> Preprocess:
    width, height = _size(options["target_size"])
    if rules.sides is None:
        if width > rules.width or height > rules.height:
            raise ValueError(f"a Padding to {width}x{height} after a Resize to {rules.width}x{rules.height} is unknown")
        return rules
    value = np.broadcast_to(options.get("im_padding_value", BORDER), 3)
    # The border is added before normalisation here; in PaddleX it is where the step stands.
    low, high = np.array(rules.min_val), np.array(rules.max_val)
    pixels = ((value * rules.std + rules.mean) * (high - low) + low).round(3)
    if pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(f"the padding {value.tolist()} is no pixel value where it stands")
    position = options.get("position", "corner")
    if position not in ("center", "corner"):
        raise ValueError(f"the position of the padding is {position}, not center or corner")
    border = tuple(int(pixel + 0.5) for pixel in pixels)
    padding = border[0] if len(set(border)) == 1 else border
    rules = replace(
        rules,
        width=width,
        height=height,
        padding=padding,
        centered=position == "center",
        coarsest_stride=options.get("coarsest_stride"),
    )
    fills = "position" in options or rules.sides == (width, math.inf) == (height, math.inf)
    return replace(rules, sides=None) if fills else rules


def _normalize(rules: Preprocess, options: dict) -> Preprocess:
    default = Preprocess()
    values: dict[str, Any] = {
        name: tuple(float(value) for value in options.get(name, getattr(default, name)))
        for name in ("mean", "std", "min_val", "max_val")
    }
    return replace(rules, **values)


_READERS: dict[str, Callable[[Preprocess, dict], Preprocess]] = {
    "Resize": _resize,
    "ResizeByLong": _resize_by_long,
    "ResizeByShort": _resize_by_short,
    "Padding": _pad,
    "Normalize": _normalize,
}
