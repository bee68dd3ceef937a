"""Alpha, colour of the person and blend, against slow implementations and pictures whose truth is known."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from human_segmentation.video.composite import composite, edge, estimate_foreground, replace_background
from human_segmentation.video.refine import FRAME_EPSILON, GUIDE_RADIUS, GUIDE_SIDE, PHOTO_EPSILON, SOLID, refine_alpha


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def scores(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).random((height, width), dtype=np.float32)


def stretched(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip((alpha - SOLID[0]) / (SOLID[1] - SOLID[0]), 0, 1)


def test_composite_is_the_weighted_sum() -> None:
    foreground, background, alpha = noise(61, 83, 1), noise(61, 83, 2), scores(61, 83)
    alpha[:20], alpha[20:40] = 0, 1
    expected = np.rint(alpha[..., None] * foreground.astype(float) + (1 - alpha[..., None]) * background)
    blend = composite(foreground, background, alpha)
    assert blend.dtype == np.uint8
    assert np.abs(blend - expected).max() <= 1
    np.testing.assert_array_equal(blend[:20], background[:20])
    np.testing.assert_array_equal(blend[20:40], foreground[20:40])


def slow_guided_filter(guide: NDArray[np.float64], score: NDArray[np.float64], epsilon: float) -> NDArray[np.float64]:
    """A function of the colour fitted by ridge regression in every window; the mean of those that cover a pixel."""
    height, width, _ = guide.shape
    half = GUIDE_RADIUS

    def windows(x: NDArray[np.float64]) -> list[list[NDArray[np.float64]]]:
        padded = np.pad(x, ((half, half), (half, half), (0, 0)), "reflect")
        side = 2 * half + 1
        return [[padded[i : i + side, j : j + side] for j in range(width)] for i in range(height)]

    functions = np.zeros((height, width, 4))
    guides, targets = windows(guide), windows(score[..., None])
    for i in range(height):
        for j in range(width):
            g, s = guides[i][j].reshape(-1, 3), targets[i][j].ravel()
            # Rows that ask for slopes of 0 are the ridge.
            ridge = np.sqrt(epsilon * len(g)) * np.eye(3)
            slope = np.linalg.lstsq(np.vstack([g - g.mean(0), ridge]), np.append(s - s.mean(), [0] * 3), rcond=None)[0]
            functions[i, j] = *slope, s.mean() - slope @ g.mean(0)
    means = np.array([[w.mean((0, 1)) for w in row] for row in windows(functions)])
    return (means[..., :3] * guide).sum(-1) + means[..., 3]


@pytest.mark.parametrize("epsilon", [FRAME_EPSILON, PHOTO_EPSILON])
@pytest.mark.parametrize("texture", ["noise", "smooth", "gray"])
def test_refine_is_a_guided_filter(texture: str, epsilon: float) -> None:
    frame = noise(40, 56)
    if texture != "noise":
        frame[:] = np.add.outer(np.arange(40), 2 * np.arange(56))[..., None]
    if texture == "smooth":
        frame[..., 1] //= 2
        frame[..., 2] = np.arange(40)[:, None]
    score = cv2.GaussianBlur(scores(40, 56), (0, 0), 3)
    alpha = refine_alpha(frame, score, epsilon)
    assert alpha.dtype == np.float32
    expected = stretched(slow_guided_filter(frame / 255, score.astype(float), epsilon))
    np.testing.assert_allclose(alpha, expected, atol=2e-3)


def test_refine_at_the_size_of_the_frame() -> None:
    """What is evaluated near the edge alone is what would be evaluated everywhere."""
    height, width = 3 * GUIDE_SIDE // 2, 2 * GUIDE_SIDE
    y, x = np.mgrid[:height, :width].astype(np.float32)
    person = 1 / (1 + np.exp(np.hypot(x - width / 2, y - height / 2) / 4 - 20))
    frame = cv2.GaussianBlur(noise(height, width), (0, 0), 2) // 2 + np.uint8(100 * person)[..., None]
    score = cv2.resize(person, (GUIDE_SIDE, 3 * GUIDE_SIDE // 4), interpolation=cv2.INTER_AREA)
    # Half as strong, nothing is certain, so that all pixels are evaluated; the functions are linear in the score.
    everywhere = refine_alpha(frame, 0.5 + (score - 0.5) * np.float32(0.5))
    undone = (everywhere * (SOLID[1] - SOLID[0]) + SOLID[0] - 0.5) / 0.5 + 0.5
    np.testing.assert_allclose(refine_alpha(frame, score), stretched(undone), atol=1e-3)


@pytest.mark.parametrize("size", [(240, 320), (720, 1280)])
def test_refine_snaps_a_coarse_score_to_the_edge_of_the_frame(size: tuple[int, int]) -> None:
    height, width = size
    y, x = np.mgrid[:height, :width]
    person = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 3) ** 2
    frame = np.where(person[..., None], np.uint8([180, 190, 200]), np.uint8([60, 50, 40])).astype(np.uint8)
    score = cv2.resize(person.astype(np.float32), (48, 48), interpolation=cv2.INTER_AREA)
    plain = cv2.resize(score, (width, height), interpolation=cv2.INTER_LINEAR)
    refined = refine_alpha(frame, score)
    rim = (plain > 0.05) & (plain < 0.95)
    assert np.abs(refined - person)[rim].mean() < 0.5 * np.abs(plain - person)[rim].mean()
    assert (np.abs(refined - person)[~rim] < 0.05).mean() > 0.98


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 2), (37, 61), (500, 700)])
def test_refine_stays_in_range_and_has_the_size_of_the_frame(size: tuple[int, int]) -> None:
    alpha = refine_alpha(noise(*size), scores(24, 24))
    assert alpha.shape == size
    assert alpha.dtype == np.float32
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    if min(size) > 30:
        assert alpha.std() > 0.02


@pytest.mark.parametrize("score", [0.0, 0.05, 0.1, 0.3, 0.5, 0.77, 0.95, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (40, 60), (500, 600)])
def test_refine_leaves_a_constant_constant(size: tuple[int, int], score: float) -> None:
    alpha = refine_alpha(noise(*size), np.full((24, 24), score, np.float32))
    np.testing.assert_allclose(alpha, stretched(np.float64(score)), atol=1e-4)
    if score in (0.0, 1.0):
        assert (alpha == score).all()


def mixed(height: int = 180, width: int = 240) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    """A frame, the true colour of its person and the true alpha: a disc with a rim of 12 pixels."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    distance = np.hypot(x - width / 2, y - height / 2) - height / 3
    alpha = np.clip(0.5 - distance / 12, 0, 1).astype(np.float32)
    texture = 12 * np.sin(x / 9)[..., None] + 12 * np.cos(y / 7)[..., None]
    person = np.float32([60, 110, 190]) + texture
    room = np.float32([90, 200, 70]) - texture
    frame = alpha[..., None] * person + (1 - alpha[..., None]) * room
    return np.rint(frame).astype(np.uint8), np.rint(person).astype(np.uint8), alpha


def test_foreground_in_the_rim_is_that_of_the_person() -> None:
    frame, person, alpha = mixed()
    estimate = estimate_foreground(frame, alpha, edge(alpha))
    assert estimate.dtype == np.uint8
    np.testing.assert_array_equal(estimate[edge(alpha) == 0], frame[edge(alpha) == 0])
    rim = (alpha > 0.05) & (alpha < 0.95)
    errors = [np.abs(image.astype(float) - person)[rim].mean() for image in (estimate, frame)]
    assert errors[0] < 0.33 * errors[1]
    # On a new background the old one does not shine through.
    white = np.full_like(frame, 255)
    truth = composite(person, white, alpha).astype(float)
    halo = [np.abs(composite(image, white, alpha) - truth)[rim].mean() for image in (estimate, frame)]
    assert halo[0] < 0.33 * halo[1]


def slow_mean(colors: NDArray[np.float64], weight: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Weighted averages in squares, mirrored at the border, pixel by pixel."""
    half = size // 2
    border = ((half, half), (half, half), (0, 0))
    products, weights = (np.pad(x, border, "reflect") for x in (colors * weight, weight))
    result = np.empty_like(colors)
    for y, x in np.ndindex(colors.shape[:2]):
        result[y, x] = products[y : y + size, x : x + size].sum((0, 1)) / weights[y : y + size, x : x + size].sum(
            (0, 1)
        )
    return result


def test_foreground_is_blur_fusion() -> None:
    """Against the equations of Forte, ICIP 2021, with an average of 21 pixels and then one of 5."""
    alpha = np.zeros((45, 60), np.float32)
    alpha[10:, 20:40] = 1
    alpha = cv2.GaussianBlur(alpha, (0, 0), 3)
    frame = (cv2.GaussianBlur(noise(45, 60), (0, 0), 2) // 3 + 150 * alpha[..., None]).astype(np.uint8)
    image, share = frame.astype(float), alpha[..., None].astype(float)
    person = room = image
    for size in (21, 5):
        person, room = slow_mean(person, share + 1e-4, size), slow_mean(room, 1 - share + 1e-4, size)
        person = person + share * (image - share * person - (1 - share) * room)
    person = person.clip(0, 255) + share * (image - share * person.clip(0, 255) - (1 - share) * room)
    found = estimate_foreground(frame, alpha, np.ones(alpha.shape, np.uint8))
    assert np.abs(person - frame).max() > 20
    assert np.abs(found - person.clip(0, 255)).max() < 3  # averages are rounded
    assert np.abs(found - person.clip(0, 255)).mean() < 0.6


def test_replaced_is_the_composite_of_the_estimate() -> None:
    frame, _, alpha = mixed()
    background = noise(*alpha.shape)
    expected = composite(estimate_foreground(frame, alpha, edge(alpha)), background, alpha)
    found = replace_background(frame, background, alpha)
    assert np.abs(found.astype(int) - expected).max() <= 1  # the estimate is rounded
    np.testing.assert_array_equal(found[edge(alpha) == 0], expected[edge(alpha) == 0])


@pytest.mark.parametrize("size", [(180, 240), (500, 700), (33, 1)])
def test_foreground_is_the_frame_where_alpha_is_1(size: tuple[int, int]) -> None:
    frame, alpha = noise(*size), cv2.GaussianBlur(scores(*size), (0, 0), 4)
    alpha[: size[0] // 2] = 1
    estimate = estimate_foreground(frame, alpha, edge(alpha))
    np.testing.assert_array_equal(estimate[: size[0] // 2], frame[: size[0] // 2])


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 2), (301, 299)])
@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_flat_frame_keeps_its_color(size: tuple[int, int], alpha: float) -> None:
    frame = np.full((*size, 3), (10, 128, 250), np.uint8)
    estimate = estimate_foreground(frame, np.full(size, alpha, np.float32), np.ones(size, np.uint8))
    assert estimate.shape == frame.shape
    assert np.abs(estimate.astype(int) - frame).max() <= 1
