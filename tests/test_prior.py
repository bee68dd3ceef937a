import numpy as np
import pytest

from human_segmentation.datasets.prior import draw_prior, motion_blur, thin_plate


def disc(size=64):
    y, x = np.mgrid[:size, :size]
    return np.where(np.hypot(y - size / 2, x - size / 2) < size / 4, 255, 0).astype(np.uint8)


def iou(a, b):
    return np.sum((a > 127) & (b > 127)) / np.sum((a > 127) | (b > 127))


def test_half_of_the_priors_are_empty_and_the_rest_are_near_the_mask():
    alpha = disc()
    image = np.dstack([alpha] * 3)
    rng = np.random.default_rng(0)
    empty, moved = 0, 0
    for _ in range(200):
        photo, planes, prior = draw_prior(image, np.dstack([alpha, alpha * 0]), rng)
        assert prior.dtype == np.uint8
        assert np.abs(photo[..., 0].astype(int) - planes[..., 0]).max() <= 8  # photo and alpha move together
        assert iou(planes[..., 0], alpha) > 0.7
        if not prior.any():
            empty += 1
            continue
        assert iou(prior, planes[..., 0]) > 0.6
        if not np.array_equal(photo, image):
            moved += 1
            assert np.array_equal(prior, alpha)
    assert 75 < empty < 125
    assert 25 < moved < 75


def test_the_same_generator_gives_the_same_prior():
    alpha = disc()
    first, second = (draw_prior(np.dstack([alpha] * 3), alpha[..., None], np.random.default_rng(7)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_motion_blur_keeps_the_mass_and_softens():
    alpha = disc()
    blurred = motion_blur(alpha, np.random.default_rng(1))
    assert blurred.sum() == pytest.approx(alpha.sum(), rel=0.02)
    assert len(np.unique(blurred)) > 2


def test_thin_plate_passes_through_its_points_and_keeps_straight_lines():
    rng = np.random.default_rng(0)
    points = rng.random((9, 2))
    values = rng.random((9, 2))
    assert thin_plate(points, values, points) == pytest.approx(values, abs=1e-6)
    where = rng.random((20, 2))
    linear = lambda p: p @ np.array([[2.0, 1.0], [0.5, -1.0]]) + 3  # noqa: E731
    assert thin_plate(points, linear(points), where) == pytest.approx(linear(where), abs=1e-6)
