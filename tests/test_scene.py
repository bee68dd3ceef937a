import cv2
import numpy as np
import pytest
from conftest import ROOT

from human_segmentation.video.scene import SceneCuts
from human_segmentation.video.video_source import VideoSource


@pytest.fixture(scope="module")
def photo():
    return cv2.resize(cv2.imread(str(ROOT / "data" / "human_image.jpg")), (192, 192), interpolation=cv2.INTER_AREA)


def test_a_scene_begins_with_the_first_frame_alone(photo):
    is_cut = SceneCuts()
    assert is_cut(photo)
    assert not is_cut(photo)


def test_no_cut_in_a_clip_with_movement():
    is_cut = SceneCuts()
    with VideoSource(ROOT / "data" / "video_test.mp4") as source:
        assert [is_cut(frame.image) for frame in source] == [True] + [False] * 99


def test_exposure_and_movement_are_no_cuts(photo):
    is_cut = SceneCuts()
    is_cut(photo)
    assert not is_cut(cv2.convertScaleAbs(photo, alpha=0.6))
    assert not is_cut(np.roll(photo, 9, axis=1))


def test_another_picture_is_a_cut(photo):
    other = cv2.resize(cv2.imread(str(ROOT / "data" / "background.jpg")), (192, 192), interpolation=cv2.INTER_AREA)
    is_cut = SceneCuts()
    assert [is_cut(x) for x in (photo, other, other, photo)] == [True, True, False, True]


def test_plain_pictures():
    is_cut = SceneCuts()
    grey = np.full((192, 192, 3), 90, np.uint8)
    assert is_cut(grey)
    assert is_cut(grey)  # nothing tells two plain pictures apart; a new scene loses nothing
