"""A stream of scores forgets the past when it is told to."""

import cv2
import numpy as np
import pytest
from conftest import ROOT

import human_segmentation as hs
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.video.stream import ScoreStream
from human_segmentation.video.temporal import EmaTracker, FlowTracker


@pytest.mark.parametrize("tracker", [FlowTracker, EmaTracker])
def test_after_a_reset_the_next_frame_is_the_first(tracker):
    model = hs.load_model()
    photo = cv2.imread(str(ROOT / "data/human_image.jpg"))
    frames = [np.roll(photo, 4 * shift, 1) for shift in range(3)]
    stream = ScoreStream(model, tracker())
    stream(frames[0])
    smoothed = stream(frames[1]).score
    plain = ScoreStream(model, None)(frames[1]).score
    assert np.abs(smoothed - plain).max() > 0.01
    stream.reset()
    assert stream.prior is None
    np.testing.assert_array_equal(stream(frames[1]).score, plain)


class Recorder:
    """A predictor with a prior channel, whose score of a frame is its brightness; keeps the priors that it is given."""

    prior_channel = True

    def __init__(self):
        self.preprocess = Preprocess(32, 32)
        self.priors = []

    def score(self, resized, prior):
        self.priors.append(None if prior is None else float(prior.mean()))
        return resized[..., 0].astype(np.float32) / 255


def test_each_score_is_the_prior_of_the_next_frame_up_to_a_cut():
    recorder = Recorder()
    stream = ScoreStream(recorder, None)
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8) // 4
    scenes = [np.dstack([noise] * 3) + np.uint8(10), np.dstack([255 - 2 * noise.T] * 3)]
    scenes[0][0, 0] = 250  # somebody is there
    frames = [scenes[0], scenes[0] + np.uint8(2), scenes[1], scenes[1] - np.uint8(2)]
    means = [float(stream(frame).score.mean()) for frame in frames]
    assert recorder.priors == [None, pytest.approx(means[0]), None, pytest.approx(means[2])]


class Seeing(Recorder):
    """Keeps also whether it sees the bright side of a frame on its left."""

    def __init__(self):
        super().__init__()
        self.bright_left = []

    def score(self, resized, prior):
        halves = resized[:, :16], resized[:, 16:]
        self.bright_left.append(bool(halves[0].mean() > halves[1].mean()))
        if prior is not None:
            assert (prior[:, :16].mean() > prior[:, 16:].mean()) == self.bright_left[-1]
        return super().score(resized, prior)


def test_every_second_frame_is_seen_mirrored_where_two_have_their_mean():
    frame = np.random.default_rng(0).integers(0, 50, (32, 32, 3), dtype=np.uint8)
    frame[:, :16] += 200
    for tracker, seen in ((FlowTracker(), [True, False, True]), (EmaTracker(), [True] * 3), (None, [True] * 3)):
        predictor = Seeing()
        stream = ScoreStream(predictor, tracker)
        for _ in range(2):  # a reset begins anew
            predictor.bright_left.clear()
            for _ in range(3):
                np.testing.assert_allclose(stream(frame).score, frame[..., 0] / 255, atol=0.01)
            assert predictor.bright_left == seen
            stream.reset()


def test_haze_alone_is_nobody():
    recorder = Recorder()
    stream = ScoreStream(recorder, None)
    noise = np.random.default_rng(0).integers(0, 179, (32, 32), dtype=np.uint8)
    haze = np.dstack([noise] * 3)
    assert not stream(haze).score.any()
    assert not stream.found
    somebody = haze.copy()
    somebody[3, 4] = 179
    np.testing.assert_array_equal(stream(somebody).score, somebody[..., 0].astype(np.float32) / 255)
    assert stream.found
    assert recorder.priors == [None, pytest.approx(noise.mean() / 255)]  # the network sees what it said itself
