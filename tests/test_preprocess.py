import math

import cv2
import numpy as np
import pytest

from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.inference.transforms import from_yaml, to_yaml


def test_normalize_is_the_formula():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    rules = Preprocess(
        mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), min_val=(1, 2, 3), max_val=(200, 210, 220), color="RGB"
    )
    expected = np.empty((2, 3, 5, 7))
    for channel in range(3):
        plane = images[..., 2 - channel].astype(np.float64)
        low, high = rules.min_val[channel], rules.max_val[channel]
        expected[:, channel] = ((plane - low) / (high - low) - rules.mean[channel]) / rules.std[channel]
    tensor = rules.normalize(images)
    assert tensor.dtype == np.float32
    assert np.allclose(tensor, expected, atol=1e-5)


def test_default_maps_bytes_to_minus_one_and_one():
    image = np.array([[[0, 127, 255]]], np.uint8)
    assert np.allclose(Preprocess().normalize(image[None]).ravel(), [-1, 127 / 127.5 - 1, 1], atol=1e-6)


def test_resize_obeys_its_interpolation():
    frame = np.zeros((4, 4, 3), np.uint8)
    frame[::2, ::2] = 200  # one pixel of every block of four
    assert np.all(Preprocess(2, 2, interp="AREA").resize(frame) == 50)
    assert np.all(Preprocess(2, 2, interp="NEAREST").resize(frame) == 200)
    # PaddleX gave the interpolation as the third argument, where OpenCV takes it for the target and ignores it.
    assert np.array_equal(
        Preprocess(3, 2, interp="CUBIC").resize(frame), cv2.resize(frame, (3, 2), interpolation=cv2.INTER_CUBIC)
    )


def test_restore_has_the_frame_size():
    score = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    restored = Preprocess(4, 3).restore(score, (40, 21))
    assert restored.shape == (21, 40)
    assert restored.dtype == np.float32
    assert restored[0, 0] == 0
    assert restored[-1, -1] == 1


@pytest.mark.parametrize(("centered", "top"), [(True, 2), (False, 0)])
def test_padding_keeps_the_aspect_and_is_cut_off_again(centered, top):
    frame = np.full((6, 12, 3), 200, np.uint8)
    rules = Preprocess(8, 8, padding=128, centered=centered)
    resized = rules.resize(frame)
    assert resized.shape == (8, 8, 3)
    expected = np.full((8, 8), 128)
    expected[top : top + 4] = 200
    assert np.array_equal(resized[..., 0], expected)
    score = (resized[..., 0] == 200).astype(np.float32)
    assert rules.crop(score, (12, 6)).shape == (4, 8)
    assert (rules.restore(score, (12, 6)) == 1).all()
    assert rules.resize(frame.transpose(1, 0, 2)).shape == (8, 8, 3)


@pytest.mark.parametrize(("color", "border"), [("BGR", [0, 128, 255]), ("RGB", [255, 128, 0])])
def test_a_border_has_its_colour_in_the_order_of_the_network(color, border):
    rules = Preprocess(8, 8, color=color, padding=(0, 128, 255))
    assert rules.resize(np.zeros((4, 8, 3), np.uint8))[0, 0].tolist() == rules.border.tolist() == border
    assert np.allclose(rules.normalize(rules.border.reshape(1, 1, 1, 3)).ravel(), [-1, 128 / 127.5 - 1, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("size", "shape", "place"),
    [
        ((1920, 1080), (192, 320), (0, 6, 320, 180)),
        ((1080, 1920), (320, 192), (6, 0, 180, 320)),
        ((50, 50), (320, 320), (0, 0, 320, 320)),
        ((3200, 10), (32, 320), (0, 15, 320, 1)),
    ],
)
def test_the_border_ends_at_the_next_multiple_of_the_stride(size, shape, place):
    rules = Preprocess(320, 320, padding=7, coarsest_stride=32)
    resized = rules.resize(np.full((*size[::-1], 3), 200, np.uint8))
    assert resized.shape == (*shape, 3)
    assert rules.content(size) == place
    left, top, width, height = place
    expected = np.full(shape, 7)
    expected[top : top + height, left : left + width] = 200
    assert np.array_equal(resized[..., 0], expected)
    assert (rules.restore((resized[..., 0] == 200).astype(np.float32), size) == 1).all()


@pytest.mark.parametrize("border", [{}, {"padding": 128}, {"padding": 128, "coarsest_stride": 32}])
def test_yaml_round_trip(border):
    rules = Preprocess(256, 144, "RGB", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), interp="LINEAR", **border)
    assert from_yaml(to_yaml(rules)) == rules


def test_reads_paddlex_schema():
    config = {
        "TransformsMode": "BGR",
        "Transforms": [{"Resize": {"target_size": 192, "interp": "LINEAR"}}, {"Normalize": {"mean": [1, 2, 3]}}],
    }
    rules = from_yaml(config)
    assert (rules.width, rules.height, rules.interp, rules.color) == (192, 192, "LINEAR", "BGR")
    assert rules.mean == (1.0, 2.0, 3.0)


@pytest.mark.parametrize("size", [[192], [0, 192], ["a", 3], 1_000_000, [192, 4097]])
def test_impossible_size(size):
    with pytest.raises(ValueError):
        from_yaml({"Transforms": [{"Resize": {"target_size": size}}]})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"std": (0.5, 0.5, 0)}, "std is .*, not above 0"),
        ({"std": (0.5, math.inf, 0.5)}, "std is .*, not three numbers"),
        ({"mean": (math.nan, 0.5, 0.5)}, "mean is .*, not three numbers"),
        ({"min_val": (0, 255, 0)}, "max_val is .*, not above min_val"),
        ({"max_val": (255, 255)}, "max_val has 2 values"),
    ],
)
def test_impossible_normalisation(values, words):
    with pytest.raises(ValueError, match=words):
        Preprocess(**values)


@pytest.mark.parametrize(
    ("long_size", "border", "words"),
    [
        (32, {"coarsest_stride": 0}, "the stride 0 is not from 1 to 4096"),
        (32, {"coarsest_stride": 5000}, "the stride 5000 is not from 1 to 4096"),
        (32, {"position": "left"}, "the position of the padding is left, not center or corner"),
        (10**7, {}, "the network size 10000000x10000000 is not from 1 to 4096"),
        (0, {}, "the network size 0x0 is not from 1 to 4096"),
    ],
)
def test_impossible_border(long_size, border, words):
    padding = {"target_size": [32, 32], "position": "center", **border}
    with pytest.raises(ValueError, match=words):
        from_yaml({"Transforms": [{"ResizeByLong": {"long_size": long_size}}, {"Padding": padding}]})


@pytest.mark.parametrize("sides", [(5000, 32), (32, 0), (math.nan, 32)])
def test_impossible_sides(sides):
    with pytest.raises(ValueError, match=r"the sides \(.*\) of the frame are not from 1 to 4096"):
        Preprocess(sides=sides)
