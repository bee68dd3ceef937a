"""In a video, networks that stretch what they see look at the part of a frame where people are."""

import cv2
import numpy as np
import pytest

from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.video.follow import GLANCE, MARGIN, SMALLEST, SOON, Follower, between, both
from human_segmentation.video.stream import ScoreStream
from human_segmentation.video.temporal import EmaTracker, FlowTracker
from human_segmentation.video.window import Window

SIZE = (400, 200)


STRETCHED = Preprocess(64, 64)


class Bright:
    """A predictor that takes what is bright for people, and counts its looks."""

    def __init__(self, preprocess=STRETCHED, prior_channel=False):
        self.preprocess = preprocess
        self.prior_channel = prior_channel
        self.looks = 0
        self.shapes = set()

    def score(self, resized, prior=None):
        self.looks += 1
        self.shapes.add(resized.shape)
        return (resized.max(2) > 150).astype(np.float32)


def frame(*places, dark=60):
    """A dim room with bright people of 40x80 pixels, at these places."""
    image = np.full((SIZE[1], SIZE[0], 3), dark, np.uint8)
    image[:, ::2] += np.uint8(20)
    image[: SIZE[1] // 2] += np.uint8(dark // 3)
    for left, top in places:
        image[top : top + 80, left : left + 40] = 230
    return image


def overlap(look, image):
    """The IoU of what was found and the people."""
    found, there = look.alpha(image) > 0.5, image[..., 0] == 230
    return (found & there).sum() / (found | there).sum()


KEPT = Preprocess(64, 64, padding=128, coarsest_stride=8)
"""As PortraitNet's."""


@pytest.mark.parametrize("rules", [STRETCHED, KEPT])
def test_the_window_follows_a_person(rules):
    predictor = Bright(rules)
    stream = ScoreStream(predictor, FlowTracker())
    frames = [frame((30 + 6 * i, 60)) for i in range(50)]
    looks = [stream(image) for image in frames]
    assert looks[0].window is None
    windows = {look.window for look in looks[1:]}
    assert None not in windows
    assert 1 < len(windows) < 20
    assert all(window.width * window.height < 0.7 * SIZE[0] * SIZE[1] for window in windows)
    assert len(predictor.shapes) == 1
    if rules is KEPT:
        assert {round(window.width / window.height, 1) for window in windows} == {2.0}
    assert min(overlap(look, image) for look, image in zip(looks, frames, strict=True)) > 0.9
    closer = np.mean([overlap(look, image) for look, image in zip(looks, frames, strict=True)][1:])
    still = ScoreStream(Bright(rules), None)
    assert closer > np.mean([overlap(still(image), image) for image in frames][1:])
    assert predictor.looks == 50 + 50 // GLANCE


def test_who_comes_in_is_found_at_once():
    stream = ScoreStream(Bright(), FlowTracker())
    before, after = frame((50, 60)), frame((50, 60), (320, 40))
    for _ in range(SOON + 1):
        stream(before)
    assert stream(before).window is not None
    look = stream(after)
    assert overlap(look, after) > 0.9
    assert look.window is None  # they fill the frame


def test_who_comes_in_while_the_camera_moves_is_found_soon():
    predictor = Bright()
    stream = ScoreStream(predictor, FlowTracker())
    wall = np.random.default_rng(0).integers(0, 130, (1, 12, 3), np.uint8).repeat(40, axis=1)

    def moving(shift, *places):
        image = np.broadcast_to(np.roll(wall, shift, axis=1)[:, : SIZE[0]], (SIZE[1], SIZE[0], 3)).copy()
        for left, top in places:
            image[top : top + 80, left : left + 40] = 230
        return image

    for shift in range(30):
        assert overlap(stream(moving(shift, (50, 60))), moving(shift, (50, 60))) > 0.9
    assert 30 + 30 // GLANCE < predictor.looks <= 30 + 30 // SOON
    frames = [moving(shift, (50, 60), (320, 40)) for shift in range(30, 30 + SOON)]
    assert overlap([stream(image) for image in frames][-1], frames[-1]) > 0.9


def test_light_that_changes_is_nobody():
    predictor = Bright()
    stream = ScoreStream(predictor, FlowTracker())
    for index in range(33):
        stream(frame((50, 60), dark=60 + 20 * (index // 4 % 2)))
    assert predictor.looks == 33 + 32 // GLANCE


def test_after_a_cut_the_whole_is_seen():
    stream = ScoreStream(Bright(), FlowTracker())
    for _ in range(5):
        assert overlap(stream(frame((50, 60))), frame((50, 60))) > 0.9
    other = frame((320, 40), dark=20)
    other[:, 200:300] = 140
    look = stream(other)
    assert look.window is None
    assert overlap(look, other) > 0.9


def test_nobody_and_somebody_again():
    stream = ScoreStream(Bright(), FlowTracker())
    for image in (frame((50, 60)), frame((50, 60))):
        look = stream(image)
    assert look.window is not None
    assert not stream(frame()).alpha(frame()).any()
    look = stream(frame((300, 100)))
    assert look.window is None
    assert overlap(look, frame((300, 100))) > 0.9


@pytest.mark.parametrize(
    ("predictor", "tracker"),
    [
        (Bright(Preprocess(64, 64, padding=None, sides=(64, float("inf")))), FlowTracker()),
        (Bright(prior_channel=True), FlowTracker()),
        (Bright(), None),
    ],
)
def test_others_see_whole_frames(predictor, tracker):
    stream = ScoreStream(predictor, tracker)
    for _ in range(2 * GLANCE):
        look = stream(frame((50, 60)))
        assert look.window is None
        assert look.score.shape[1] == 64
    assert predictor.looks == 2 * GLANCE


def test_the_window_stays_until_people_have_no_room_in_it_or_are_small():
    follower = Follower(stretches=True)
    size = (1000, 500)
    follower.move(((200, 400), (150, 350)), size)
    first = follower.window
    assert first == Window(120, 70, 360, 360)
    follower.move(((129, 329), (150, 350)), size)  # 9 pixels of room, of 8 that must be left
    assert follower.window == first
    follower.move(((127, 327), (150, 350)), size)
    assert follower.window == Window(47, 70, 360, 360)
    moved = follower.window
    small = 0.9 * (SMALLEST * moved.width * moved.height) ** 0.5 / (1 + 2 * MARGIN)
    follower.move(((220, 220 + small), (300, 300 + small)), size)
    assert follower.window.width < moved.width
    follower.move(None, size)
    assert follower.window is None


def test_both_places():
    one, other = ((3.0, 5.0), (2.0, 9.0)), ((4.0, 8.0), (1.0, 3.0))
    assert both(one, other) == ((3.0, 8.0), (1.0, 9.0))
    assert both(None, one) == both(one, None) == one
    assert both(None, None) is None


WINDOWS = Window(100, 40, 160, 120), Window(130, 30, 240, 150)


CONTENT = (5, 3, 96, 64)


def views(picture):
    """What windows of a picture show, in a network's input with a border."""
    left, top, width, height = CONTENT
    parts = [cv2.resize(np.ascontiguousarray(window.of(picture)), (width, height)) for window in WINDOWS]
    return [cv2.copyMakeBorder(part, top, 1, left, 2, cv2.BORDER_REPLICATE) for part in parts]


def seen_before():
    """Where the second window shows what the first one did, with a pixel to spare."""
    shown = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    WINDOWS[0].of(shown)[:] = 255
    left, top, width, height = CONTENT
    seen = np.zeros_like(views(shown)[1], bool)
    part = slice(top, top + height), slice(left, left + width)
    seen[part] = cv2.erode(views(shown)[1][part], np.ones((5, 5))) == 255
    return seen


def smooth_picture(channels):
    noise = np.random.default_rng(0).random((SIZE[1], SIZE[0], channels), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 9)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


@pytest.mark.parametrize("make", [FlowTracker, EmaTracker])
def test_the_past_moves_with_the_window(make):
    """What was remembered in one window is what would have been in the other, had it been seen there."""
    image = np.uint8(255 * smooth_picture(3))
    scores = [smooth_picture(2)[..., channel] for channel in (0, 1)]
    moved, expected = make(), make()
    for tracker, shown in ((moved, 0), (expected, 1)):
        for score in scores:
            tracker(views(image)[shown], views(score)[shown])
    moved.move(between(*WINDOWS, CONTENT))
    now = views(scores[0])[1]
    results = [tracker(views(image)[1], now) for tracker in (moved, expected)]
    difference = np.abs(results[0] - results[1])[seen_before()]
    assert difference.max() < 0.05
    assert np.abs(results[1] - now)[seen_before()].max() > 0.1
    make().move(between(*WINDOWS, CONTENT))  # nothing is remembered yet
