"""Interpolation as matrix products, beside OpenVINO's own."""

import numpy as np
import openvino
import pytest
from openvino import opset13

from human_segmentation.inference.upsampling import FEW_CHANNELS, PLACES, as_products, interpolation


def enlarging(rule, shape, size, mode="linear_onnx"):
    image = opset13.parameter(shape, np.float32)
    sizes, axes = np.array(size, np.int64), np.array([2, 3], np.int64)
    options = {"coordinate_transformation_mode": rule, "nearest_mode": "round_prefer_floor"}
    return openvino.Model([opset13.interpolate(image, sizes, mode, "sizes", axes=axes, **options)], [image])


def run(model, tensor):
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.compile_model(model, "CPU", options)([tensor])[0]


def operations(model):
    return [node.get_type_name() for node in model.get_ops()]


@pytest.mark.parametrize("rule", PLACES)
@pytest.mark.parametrize(
    ("before", "after"), [((5, 7), (20, 28)), ((5, 7), (13, 7)), ((1, 6), (8, 6)), ((4, 4), (9, 31))]
)
def test_gives_what_the_interpolation_gives(rule, before, after):
    tensor = np.random.default_rng(0).standard_normal((2, FEW_CHANNELS, *before), np.float32)
    model = enlarging(rule, tensor.shape, after)
    expected = run(model, tensor)
    as_products(model)
    assert "Interpolate" not in operations(model)
    np.testing.assert_allclose(run(model, tensor), expected, atol=1e-5)


@pytest.mark.parametrize("rule", PLACES)
def test_each_pixel_is_a_mean_of_pixels(rule):
    np.testing.assert_allclose(interpolation(6, 19, rule).sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "size", "rule", "mode"),
    [
        ((1, FEW_CHANNELS + 1, 5, 7), (10, 14), "align_corners", "linear_onnx"),
        ((1, 2, 5, 7), (3, 14), "align_corners", "linear_onnx"),  # makes it smaller, where engines may average
        ((1, 2, 5, 7), (10, 14), "tf_half_pixel_for_nn", "linear_onnx"),
        ((1, 2, 5, 7), (10, 14), "asymmetric", "nearest"),
    ],
)
def test_leaves_others_alone(shape, size, rule, mode):
    model = enlarging(rule, shape, size, mode)
    as_products(model)
    assert operations(model).count("Interpolate") == 1
