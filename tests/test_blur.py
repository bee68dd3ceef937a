"""Blurred rooms show nothing of the person, and lights as discs."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from human_segmentation.errors import DataError
from human_segmentation.video.blur import LENS_SIDE, BlurBackground, LensBackground
from human_segmentation.video.frames import Frame

Blur = type[BlurBackground] | type[LensBackground]


def frame(image: NDArray[np.uint8]) -> Frame:
    return Frame(image, 0, 0.0)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def soft_alpha() -> NDArray[np.float32]:
    return cv2.GaussianBlur((np.random.default_rng(1).random((40, 50)) > 0.7).astype(np.float32), (0, 0), 2)


def slow_blur(image: NDArray[np.uint8], alpha: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Averages of the background alone, over a box twice, in plain loops."""

    def box(x: NDArray[np.float64]) -> NDArray[np.float64]:
        half = size // 2
        padded = np.pad(x, ((half, half), (half, half), (0, 0)), "reflect")
        rows = range(x.shape[0])
        return np.array([[padded[i : i + size, j : j + size].mean((0, 1)) for j in range(x.shape[1])] for i in rows])

    weight = np.clip(1.0 - 2 * alpha.astype(np.float64), 1e-5, 1)[..., None]
    return box(box(image * weight)) / box(box(weight))


@pytest.mark.parametrize("size", [1, 5, 21])
def test_blur_is_a_normalised_convolution(size: int) -> None:
    alpha, image = soft_alpha(), noise(40, 50)
    blurred = BlurBackground(size)(frame(image), alpha)
    assert blurred.dtype == np.uint8
    assert np.abs(blurred - slow_blur(image, alpha, size)).max() <= 0.51


def slow_lens(image: NDArray[np.uint8], alpha: NDArray[np.float32], size: int) -> NDArray[np.float64]:
    """Averages of the background's light over a disc, in plain loops."""
    linear = (image / 255) ** 2.2
    light = linear / (1.1 - linear)
    weight = np.clip(1.0 - 2 * alpha.astype(np.float64), 1e-5, 1)[..., None]
    reach = size // 2 + 1
    steps = np.arange(-reach, reach + 1)
    disc = np.clip(size / 2 + 0.5 - np.hypot(steps, steps[:, None]), 0, 1)[..., None]

    def spread(x: NDArray[np.float64]) -> NDArray[np.float64]:
        padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)), "reflect")
        side, rows = len(steps), range(x.shape[0])
        return np.array(
            [[(disc * padded[i : i + side, j : j + side]).sum((0, 1)) for j in range(x.shape[1])] for i in rows]
        )

    mean = spread(light * weight) / spread(weight)
    return 255 * (1.1 * mean / (1 + mean)) ** (1 / 2.2)


@pytest.mark.parametrize("size", [1, 4, 9, LENS_SIDE])
def test_lens_spreads_the_light_of_the_background_over_a_disc(size: int) -> None:
    alpha, image = soft_alpha(), noise(40, 50)
    seen = LensBackground(size)(frame(image), alpha)
    assert seen.dtype == np.uint8
    assert np.abs(seen - slow_lens(image, alpha, size)).max() <= 0.6


@pytest.mark.parametrize("size", [LENS_SIDE, 41, 100])
def test_lens_shows_a_light_as_a_disc(size: int) -> None:
    image = np.full((300, 400, 3), 20, np.uint8)
    cv2.circle(image, (200, 150), 4, (255, 255, 255), -1)
    nobody = np.zeros((300, 400), np.float32)
    seen = LensBackground(size)(frame(image), nobody)[..., 1].astype(float)
    rise = seen - 20
    inside = rise > rise[150, 200] / 2
    assert abs(inside.any(0).sum() - size) <= 9  # the light itself has a width
    assert abs(inside.any(1).sum() - size) <= 9
    assert inside.sum() == pytest.approx(np.pi / 4 * inside.any(0).sum() ** 2, rel=0.1)
    ring = np.hypot(*np.mgrid[-150:150, -200:200]) < 0.3 * size
    assert np.ptp(seen[ring]) < 0.25 * rise[150, 200]  # flat, where a blur has a peak
    # The light keeps its brightness: a blur of values hardly shows it.
    blurred = BlurBackground(size)(frame(image), nobody)[150, 200, 1] - 20.0
    assert rise[150, 200] > 2 * blurred


@pytest.mark.parametrize("blur", [BlurBackground, LensBackground])
@pytest.mark.parametrize("gap", [1, 3, 30])
def test_blur_has_no_color_of_the_person(blur: Blur, gap: int) -> None:
    # A room of one grey and a red person with a gap, as between arm and body.
    alpha = np.zeros((120, 160), np.float32)
    alpha[20:, 30:130] = 1
    alpha[20:, 80 : 80 + gap] = 0
    image = np.where(alpha[..., None] > 0, np.uint8([0, 0, 255]), np.uint8([200, 200, 200])).astype(np.uint8)
    assert (blur(21)(frame(image), alpha)[alpha == 0] == 200).all()


@pytest.mark.parametrize("blur", [BlurBackground, LensBackground])
def test_rim_of_a_bright_person_leaves_no_halo(blur: Blur) -> None:
    # The frame is a mix of a white person and a dark room, as a camera takes it.
    x = np.abs(np.arange(200) - 100.0)
    alpha = np.tile(np.clip((50 - x) / 8, 0, 1), (60, 1)).astype(np.float32)
    image = np.rint(255 * alpha + 30 * (1 - alpha))[..., None].repeat(3, 2).astype(np.uint8)
    seen = blur(21)(frame(image), alpha)[:, :, 0]
    naive = cv2.blur(image, (21, 21))[:, :, 0]
    assert seen[alpha < 0.5].max() <= 50
    assert naive[alpha < 0.5].max() > 120


@pytest.mark.parametrize("blur", [BlurBackground, LensBackground])
@pytest.mark.parametrize("shape", [(48, 64), (10, 12), (1, 1), (1, 30), (300, 1)])
@pytest.mark.parametrize("size", [2, 101, 10**6])
def test_blur_wider_than_the_frame(blur: Blur, shape: tuple[int, int], size: int) -> None:
    image = noise(*shape)
    blurred = blur(size)(frame(image), np.zeros(shape, np.float32))
    assert blurred.shape == image.shape
    assert np.ptp(blurred.astype(int), axis=(0, 1)).max() <= np.ptp(image.astype(int), axis=(0, 1)).max()
    if size > 100:
        assert np.ptp(blurred.astype(int), axis=(0, 1)).max() <= 60


@pytest.mark.parametrize("size", [0, -3])
def test_no_blur(size: int) -> None:
    with pytest.raises(DataError, match=f"--background_blur {size}: the blur must be at least 1 pixel wide"):
        BlurBackground(size)
    with pytest.raises(DataError, match=f"--background_lens {size}: a disc must be at least 1 pixel wide"):
        LensBackground(size)
