"""Smoothed scores are steadier and leave no trace of the past where it is over."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from human_segmentation.video.temporal import EMA_MEMORY, EmaTracker, FlowTracker

SIDE = 192


def texture(seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (SIDE // 8, SIDE // 8, 3)).astype(np.float32)
    fine = rng.integers(0, 256, (SIDE // 2, SIDE // 2, 3)).astype(np.float32)
    both = [cv2.resize(x, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for x in (coarse, fine)]
    return np.clip(0.7 * both[0] + 0.3 * both[1], 0, 255).astype(np.uint8)


def disc(x: float, radius: float = 40) -> NDArray[np.float32]:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    distance = np.hypot(columns - x, rows - SIDE / 2) - radius
    return (1 / (1 + np.exp(np.clip(distance, -50, 50)))).astype(np.float32)


def noisy(score: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    return np.clip(score + 0.1 * rng.standard_normal(score.shape), 0, 1).astype(np.float32)


def test_first_frame_is_the_score_itself() -> None:
    score = disc(90)
    np.testing.assert_array_equal(FlowTracker()(texture(0), score), score)


def test_noise_on_a_still_picture_falls() -> None:
    rng, tracker, image = np.random.default_rng(0), FlowTracker(), texture(0)
    # Uncertain everywhere, where a network flickers.
    raw = [noisy(np.full((SIDE, SIDE), 0.5, np.float32), rng) for _ in range(30)]
    smooth = [tracker(image, score) for score in raw]
    assert np.var(smooth[10:], axis=0).mean() < 0.4 * np.var(raw[10:], axis=0).mean()
    assert abs(np.mean(smooth[10:]) - 0.5) < 0.01
    for score in smooth:
        assert score.dtype == np.float32
        assert score.shape == (SIDE, SIDE)
        assert 0 <= score.min() <= score.max() <= 1


def test_flickering_rim_calms() -> None:
    tracker, image = FlowTracker(), texture(0)
    raw = [disc(90, 40 + i % 2) for i in range(30)]
    smooth = [tracker(image, score) for score in raw]
    assert np.abs(np.diff(smooth[10:], axis=0)).mean() < 0.7 * np.abs(np.diff(raw[10:], axis=0)).mean()


def test_two_ways_of_seeing_have_their_mean() -> None:
    tracker, image = FlowTracker(), texture(0)
    raw = [np.full((SIDE, SIDE), 0.9 if i % 2 else 0.3, np.float32) for i in range(30)]
    smooth = [tracker(image, score) for score in raw]
    assert np.abs(np.array(smooth[20:]) - 0.6).max() < 0.01


def test_somebody_new_is_no_mean_of_now_and_before() -> None:
    tracker, image = FlowTracker(), texture(0)
    nobody, somebody = (np.full((SIDE, SIDE), value, np.float32) for value in (0.02, 0.98))
    for _ in range(4):
        tracker(image, nobody)
    assert tracker(image, somebody).min() > 0.9


@pytest.mark.parametrize("speed", [2, 4, 8, 16])
def test_motion_has_no_lag_and_no_ghost(speed: int) -> None:
    room, clothes, tracker = texture(1), texture(2), FlowTracker()
    truths, smooth = [], []
    for x in range(50, 140, speed):
        truth = disc(x)
        moved = np.roll(clothes, x, 1)
        image = np.where(truth[..., None] > 0.5, moved, room).astype(np.uint8)
        truths.append(truth)
        smooth.append(tracker(image, truth))
    for index in range(1, len(truths)):
        errors = [np.abs(smooth[index] - truth).mean() for truth in truths]
        assert int(np.argmin(errors)) == index
        assert errors[index] < 0.5 * np.abs(truths[index - 1] - truths[index]).mean()
        ghost = (truths[index] < 0.02) & (truths[index - 1] > 0.5)
        assert smooth[index][ghost].max(initial=0) < 0.12


@pytest.mark.parametrize("turns", range(4))
def test_what_comes_into_the_picture_has_no_past(turns: int) -> None:
    tracker, wide, speed = FlowTracker(), texture(1), 8
    before, after = (np.rot90(wide[:, x : x + SIDE - speed], turns).copy() for x in (0, speed))
    everybody, doubt = (np.full(before.shape[:2], value, np.float32) for value in (1, 0.5))
    tracker(before, everybody)
    smooth = np.rot90(tracker(after, doubt), -turns)
    # The flow is right to a pixel or two.
    assert (smooth[:, 2 - speed :] == 0.5).all()
    assert smooth[:, :-speed].mean() > 0.85


def test_score_follows_the_moving_person() -> None:
    # The network loses half of its certainty for a frame; what it knew before comes along with the motion.
    room, clothes, tracker = texture(1), texture(2), FlowTracker()
    for x in range(60, 80, 2):
        truth = disc(x)
        image = np.where(truth[..., None] > 0.5, np.roll(clothes, x, 1), room).astype(np.uint8)
        weak = x == 78
        smooth = tracker(image, 0.5 + 0.6 * (truth - 0.5) if weak else truth)
    inside = disc(78, 30) > 0.9
    assert smooth[inside].mean() > 0.85


def test_ema_is_the_recursive_average() -> None:
    rng, tracker = np.random.default_rng(0), EmaTracker()
    raw = [rng.random((5, 7), dtype=np.float32) for _ in range(6)]
    smooth = [tracker(texture(0)[:5, :7], score) for score in raw]
    weights = [(1 - EMA_MEMORY) * EMA_MEMORY**age for age in range(5)] + [EMA_MEMORY**5]
    np.testing.assert_allclose(smooth[5], sum(w * x for w, x in zip(weights, raw[::-1], strict=True)), rtol=1e-5)
    tracker.reset()
    np.testing.assert_array_equal(tracker(texture(0)[:5, :7], raw[0]), raw[0])


def test_after_a_cut_the_score_is_the_raw_one() -> None:
    tracker = FlowTracker()
    for _ in range(3):
        tracker(texture(1), disc(60))
    raw = disc(130)
    np.testing.assert_array_equal(tracker(texture(3), raw), raw)
    assert not np.array_equal(tracker(texture(3), disc(132)), disc(132))


def test_cut_to_another_plain_color() -> None:
    tracker = FlowTracker()
    tracker(np.full((SIDE, SIDE, 3), 200, np.uint8), disc(60))
    raw = disc(130)
    np.testing.assert_array_equal(tracker(np.full((SIDE, SIDE, 3), 40, np.uint8), raw), raw)


def test_reset_forgets() -> None:
    tracker = FlowTracker()
    tracker(texture(1), disc(60))
    assert not np.array_equal(tracker(texture(1), disc(62)), disc(62))
    tracker.reset()
    np.testing.assert_array_equal(tracker(texture(1), disc(64)), disc(64))


def test_another_size_begins_anew() -> None:
    tracker = FlowTracker()
    tracker(texture(1), disc(60))
    small = disc(60)[:96, :128]
    np.testing.assert_array_equal(tracker(texture(1)[:96, :128], small), small)


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (12, 64), (31, 40), (32, 32), (192, 40)])
def test_small_and_oblong_networks(shape: tuple[int, int]) -> None:
    rng, tracker = np.random.default_rng(0), FlowTracker()
    for _ in range(3):
        raw = rng.random(shape, dtype=np.float32)
        score = tracker(texture(1)[: shape[0], : shape[1]], raw)
        assert score.dtype == np.float32
        assert score.shape == shape
        assert 0 <= score.min() <= score.max() <= 1
    if min(shape) < 32:  # OpenCV has no flow for these
        np.testing.assert_array_equal(score, raw)
