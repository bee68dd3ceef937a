"""Bilinear interpolation as matrix products, for OpenVINO, which computes them several times as fast."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW_CHANNELS = 4
"""Of more, as they are inside of a network, OpenVINO would have to change the order in memory first."""
LINEAR = ("linear", "linear_onnx")
# Name of the rule in ONNX -> the place in the input, in pixels, of a pixel of the output.
PLACES = {
    "align_corners": lambda x, before, after: x * (before - 1) / max(1, after - 1),
    "asymmetric": lambda x, before, after: x * before / after,
    "half_pixel": lambda x, before, after: (x + 0.5) * before / after - 0.5,
}


def interpolation(before: int, after: int, rule: str) -> NDArray[np.float32]:
    """The matrix that enlarges a line of pixels linearly.

    Args:
        before: Pixels of the line.
        after: Pixels of the enlarged line; not fewer.
        rule: A key of `PLACES`.

    Returns:
        float32 [after, before], whose rows add up to 1.
    """
    places = np.clip(PLACES[rule](np.arange(after), before, after), 0, before - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(before))).astype(np.float32)


def as_products(model: Any) -> None:
    """Replaces the interpolations of few channels, as that of the scores is, in an `openvino.Model` of one shape."""
    from openvino import opset13

    for node in model.get_ops():
        if node.get_type_name() != "Interpolate":
            continue
        attributes = node.get_attributes()
        rule = attributes["coordinate_transformation_mode"]
        (_, channels, *before), (*_, height, width) = node.input(0).get_shape(), node.output(0).get_shape()
        enlarges = len(before) == 2 and before[0] <= height and before[1] <= width
        if channels > FEW_CHANNELS or not enlarges or attributes["mode"] not in LINEAR or rule not in PLACES:
            continue
        rows = opset13.constant(interpolation(before[0], height, rule))
        columns = opset13.constant(interpolation(before[1], width, rule))
        product = opset13.matmul(opset13.matmul(rows, node.input_value(0), False, False), columns, False, True)
        node.output(0).replace(product.output(0))
