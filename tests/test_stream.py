"""A stream of scores forgets the past when it is told to."""

import cv2
import numpy as np
import pytest
from conftest import ROOT

import human_segmentation as hs
from human_segmentation.video.stream import ScoreStream
from human_segmentation.video.temporal import EmaTracker, FlowTracker


@pytest.mark.parametrize("tracker", [FlowTracker, EmaTracker])
def test_after_a_reset_the_next_frame_is_the_first(tracker):
    model = hs.load_model()
    photo = cv2.imread(str(ROOT / "data/human_image.jpg"))
    frames = [np.roll(photo, 4 * shift, 1) for shift in range(3)]
    stream = ScoreStream(model, tracker())
    stream(frames[0])
    smoothed = stream(frames[1])
    plain = ScoreStream(model, None)(frames[1])
    assert np.abs(smoothed - plain).max() > 0.01
    stream.reset()
    assert stream.prior is None
    np.testing.assert_array_equal(stream(frames[1]), plain)
