"""Some of a picture's pixels, beside the whole picture."""

import cv2
import numpy as np
import pytest

from human_segmentation.video.pixels import Pixels, reduced


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("size", [(300, 400), (37, 61), (1, 50), (50, 1)])
def test_enlarged_alone_as_in_the_whole_picture(size: tuple[int, int], share: float) -> None:
    rng = np.random.default_rng(0)
    where = (rng.random(size) < share).astype(np.uint8)
    small = rng.random((23, 31, 4), np.float32)
    whole = cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)
    # OpenCV knows 32 places between two pixels.
    np.testing.assert_allclose(Pixels(where).enlarged(small), whole[where > 0], atol=1 / 32)
    assert np.abs(Pixels(where).enlarged(small) - whole[where > 0]).sum() <= where.sum() * 4 / 128


def test_more_pixels_than_opencv_takes_rows() -> None:
    where = np.ones((1024, 41), np.uint8)
    small = np.float32([[[0], [1]]])
    expected = cv2.resize(small, where.shape[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(Pixels(where).enlarged(small)[:, 0], expected.ravel(), atol=1 / 32)


def test_values_are_taken_and_put() -> None:
    rng = np.random.default_rng(0)
    where = (rng.random((20, 30)) < 0.3).astype(np.uint8)
    image, plane = rng.integers(0, 256, (20, 30, 3), np.uint8), rng.random((20, 30), np.float32)
    pixels = Pixels(where)
    np.testing.assert_array_equal(pixels.of(image), image[where > 0])
    np.testing.assert_array_equal(pixels.of(plane), np.dstack([plane] * 3)[where > 0])
    changed = pixels.put(255.4 - pixels.of(image), image.copy())
    np.testing.assert_array_equal(changed, np.where(where[..., None] > 0, 255 - image, image))
    negative = pixels.put_plane(-pixels.of(plane)[:, 0], plane.copy())
    np.testing.assert_array_equal(negative, np.where(where > 0, -plane, plane))


@pytest.mark.parametrize(("size", "few"), [((64, 96), (32, 48)), ((60, 100), (29, 48)), ((30, 40), (30, 40))])
def test_a_reduced_picture_has_the_mean_of_the_large_one(size: tuple[int, int], few: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random(size, np.float32)
    small = reduced(image, 48)
    assert small.shape == few
    assert small.mean() == pytest.approx(image.mean(), abs=2e-3)


def test_a_ramp_stays_a_ramp() -> None:
    """By less than two it is interpolated, which gives a ramp the means of areas but for the rim."""
    rows, columns = np.indices((66, 90), np.float32)
    image = np.dstack([rows, columns])
    expected = cv2.resize(image, (48, 35), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(reduced(image, 48)[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1 / 32)
