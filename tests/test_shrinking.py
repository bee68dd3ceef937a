"""Averages of many pixels, beside OpenCV's of any size."""

import cv2
import numpy as np
import pytest
from conftest import ROOT

import human_segmentation as hs
from human_segmentation.inference.shrinking import averaged, halved
from human_segmentation.video.look import CloserLook


def photo(size: tuple[int, int]) -> np.ndarray:
    """The sample, which has 512x512 pixels, so large that it covers a size."""
    zoom = max(size) / 512
    image = cv2.resize(cv2.imread(str(ROOT / "data" / "human_image.jpg")), None, fx=zoom, fy=zoom)
    return image[: size[1], : size[0]]


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_blocks_of_one_colour_become_pixels(factor: int) -> None:
    small = np.random.default_rng(0).integers(0, 256, (18, 32, 3), np.uint8)
    np.testing.assert_array_equal(averaged(small.repeat(factor, 0).repeat(factor, 1), (32, 18)), small)


@pytest.mark.parametrize("size", [(192, 192), (320, 180)])
@pytest.mark.parametrize("frame", [(640, 360), (960, 540), (1280, 720), (1921, 1081), (2560, 1440)])
def test_a_photo_is_as_by_areas(frame: tuple[int, int], size: tuple[int, int]) -> None:
    image = photo(frame)
    expected = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(int)
    difference = np.abs(averaged(image, size) - expected)
    assert difference.mean() < 0.6
    assert difference.max() <= 16


@pytest.mark.parametrize("frame", [(192, 192), (220, 1000), (3001, 401)])
def test_what_hardly_shrinks_or_is_odd_and_large_is_by_areas(frame: tuple[int, int]) -> None:
    image = photo(frame)
    np.testing.assert_array_equal(
        averaged(image, (192, 192)), cv2.resize(image, (192, 192), interpolation=cv2.INTER_AREA)
    )


@pytest.mark.parametrize("frame", [(100, 80), (640, 100), (150, 600)])
def test_a_picture_grows_linearly(frame: tuple[int, int]) -> None:
    image = photo(frame)
    shrunk = cv2.resize(image, tuple(np.minimum(frame, 192).tolist()), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(shrunk, (192, 192), interpolation=cv2.INTER_LINEAR)
    assert np.abs(averaged(image, (192, 192)) - expected.astype(int)).max() <= 16
    if max(frame) < 192:
        np.testing.assert_array_equal(averaged(image, (192, 192)), expected)


def test_people_are_found_in_a_small_picture() -> None:
    """The sample photo with 64x64 pixels."""
    look_at, large = CloserLook(hs.load_model()), photo((512, 512))
    image = cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA)
    found, expected = cv2.resize(look_at(image).alpha(image), (512, 512)) > 0.5, look_at(large).alpha(large) > 0.5
    assert (found & expected).sum() > 0.8 * (found | expected).sum()


@pytest.mark.parametrize(
    ("before", "after"),
    [((96, 160), (24, 40)), ((92, 160), (23, 40)), ((90, 160), (45, 80)), ((36, 60), (36, 60)), ((97, 160), (97, 160))],
)
def test_halved_while_it_is_even_and_large_enough(before: tuple[int, int], after: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((*before, 3)).astype(np.float32)
    small = halved(image, (40, 23))
    assert small.shape == (*after, 3)
    factor = before[0] // after[0]
    means = image.reshape(after[0], factor, after[1], factor, 3).mean((1, 3))
    np.testing.assert_allclose(small, means, atol=1e-6)
