"""Photos are looked at twice, as a whole and the people in them from closer by, each time also mirrored."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from conftest import ROOT

import human_segmentation as hs
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.video.look import CloserLook, seen
from human_segmentation.video.refine import PHOTO_EPSILON, refine_alpha
from human_segmentation.video.stream import ScoreStream
from human_segmentation.video.window import Window, around, parts, people_in


class Bright:
    """A predictor that sees 32x32 pixels and takes what is bright for people; keeps what it was shown."""

    def __init__(self):
        self.preprocess = Preprocess(32, 32)
        self.seen = []

    def score(self, resized):
        self.seen.append(resized)
        return resized[..., 0].astype(np.float32) / 255


@pytest.mark.parametrize(
    ("there", "window"),
    [
        # rows and columns of a score of 20x40 that are people, and the part of a photo of 400x200 that shows them
        ((slice(5, 15), slice(10, 20)), Window(85, 35, 130, 130)),
        ((slice(5, 20), slice(10, 20)), Window(85, 28, 130, 172)),  # nothing is below the photo
        ((slice(0, 20), slice(20, 22)), Window(150, 0, 120, 200)),  # not narrower than 0.6 of its height
        ((slice(0, 20), slice(38, 40)), Window(280, 0, 120, 200)),
        ((slice(9, 11), slice(4, 30)), Window(1, 0, 338, 200)),  # as high as the photo, and wider than that
        ((slice(0, 20), slice(0, 40)), None),  # nearly the whole photo
    ],
)
def test_the_part_with_the_people_has_a_margin_and_no_extreme_aspect(there, window):
    score = np.zeros((20, 40), np.float32)
    score[there] = 0.6
    score[0, :5] = np.maximum(0.5, score[0, :5])  # no likelier than not
    people = people_in(score, Window(0, 0, 400, 200))
    assert around(people, (400, 200), 0.15) == window


def test_the_second_look_sees_the_people_alone():
    photo = np.zeros((260, 400, 3), np.uint8)
    photo[60:140, 100:200] = 250
    predictor = Bright()
    look_at = CloserLook(predictor)
    look = look_at(photo)
    assert look_at.found
    assert (look.window.left, look.window.top) < (100, 60)
    part = photo[
        look.window.top : look.window.top + look.window.height, look.window.left : look.window.left + look.window.width
    ]
    np.testing.assert_array_equal(predictor.seen[2], seen(predictor.preprocess, part))
    alpha = look.alpha(photo)
    expected = refine_alpha(np.ascontiguousarray(part), look.score, PHOTO_EPSILON)
    np.testing.assert_array_equal(look.window.of(alpha), expected)
    outside = alpha.copy()
    look.window.of(outside)[:] = 0
    assert not outside.any()
    np.testing.assert_array_equal(alpha > 0.5, photo[..., 0] > 0)


@pytest.mark.parametrize("size", [(300, 300), (100, 70)])
def test_photos_take_a_size_that_the_network_does_not(size):
    """As videos do, whose frames get a border up to the next size that it takes."""
    photo = cv2.imread(str(ROOT / "data" / "human_image.jpg"))
    alpha = CloserLook(hs.load_model(image_shape=size))(photo).alpha(photo)
    assert 0.3 < (alpha > 0.5).mean() < 0.7


@pytest.mark.parametrize("width", [321, 400, 720, 2000])
def test_parts_of_a_wide_picture(width):
    windows = parts((width, 200))
    assert (windows[0].left, windows[-1].left + windows[-1].width) == (0, width)
    assert {(window.top, window.width, window.height) for window in windows} == {(0, 267, 200)}
    assert all(b.left - a.left <= 200 for a, b in pairwise(windows))
    assert len(windows) == -(-(width - 66) // 200)
    assert parts((320, 200)) == parts((200, 720)) == []


def test_who_stands_apart_in_a_wide_photo_is_found():
    """Ten pixels wide, and one of the network's pixels shows 37 of the whole."""
    photo = np.zeros((200, 1200, 3), np.uint8)
    photo[20:200, 60:260] = photo[40:190, 1000:1010] = 250
    alone = photo.copy()
    alone[:, :300] = 0
    assert CloserLook(Bright())(photo).alpha(photo)[40:190, 1000:1010].mean() > 0.8
    predictor = Bright()
    assert not CloserLook(predictor)(alone).alpha(alone).any()
    assert len(predictor.seen) == 2  # where nobody is, there are no more looks


def test_one_person_in_a_wide_photo_is_not_looked_at_in_parts():
    photo = np.zeros((200, 500, 3), np.uint8)
    photo[20:180, 20:480] = 250
    look = CloserLook(Bright())(photo)
    assert look.score.shape == (32, 32)
    apart = photo.copy()
    apart[:, 200:280] = 0
    assert CloserLook(Bright())(apart).score.shape == (32, 80)


def test_an_arm_that_only_the_second_look_sees_is_not_cut_off():
    photo = np.zeros((260, 400, 3), np.uint8)
    photo[60:140, 100:200] = 250
    photo[98:102, 200:235] = 250  # 4 of 8 pixels high: too thin for the first look, and not for the second
    predictor = Bright()
    look = CloserLook(predictor)(photo)
    assert [seen.shape for seen in predictor.seen] == [(32, 32, 3)] * 6
    assert look.window.left + look.window.width > 235


def test_photos_of_every_aspect_have_one_input():
    predictor = Bright()
    predictor.preprocess = Preprocess(64, 64, padding=128, coarsest_stride=16)
    look_at = CloserLook(predictor)
    for size in ((100, 400), (400, 100)):
        photo = np.zeros((*size, 3), np.uint8)
        photo[20:60, 20:60] = 250
        look = look_at(photo)
        np.testing.assert_array_equal(look.alpha(photo) > 0.5, photo[..., 0] > 0)
    assert {seen.shape for seen in predictor.seen} == {(64, 64, 3)}


@pytest.mark.parametrize(
    "preprocess",
    [Preprocess(32, 16), Preprocess(32, 32, padding=128), Preprocess(32, 32, padding=128, centered=False)],
)
def test_the_score_is_the_mean_of_that_of_the_photo_and_that_of_its_mirror_image(preprocess):
    class LeftEyed(Bright):
        def score(self, resized):
            return super().score(resized) * np.linspace(1, 0.5, resized.shape[1], dtype=np.float32)

    predictor = LeftEyed()
    predictor.preprocess = preprocess
    photo = np.zeros((260, 400, 3), np.uint8)
    photo[10:250, 10:391] = 250
    photo[80:120, 60:140] = 120
    score, mirrored = (
        preprocess.crop(predictor.score(seen(preprocess, np.ascontiguousarray(view))), (400, 260))
        for view in (photo, photo[:, ::-1])
    )
    np.testing.assert_allclose(CloserLook(predictor)(photo).score, (score + mirrored[:, ::-1]) / 2, atol=1e-6)
    assert np.abs(score - mirrored[:, ::-1]).max() > 0.1


@pytest.mark.parametrize("edge", [188, 196])
def test_a_faint_edge_moves_the_alpha_of_a_photo_and_not_that_of_a_frame(edge):
    class Beside(Bright):
        def score(self, resized, prior=None):
            score = np.zeros(resized.shape[:2], np.float32)
            score[8:] = 1  # of 32 rows: from row 192 of the photo
            return score

    photo = np.full((768, 768, 3), 120, np.uint8)
    photo[edge:] = 122
    of_photo, of_frame = (
        np.argmax(look_at(photo).alpha(photo) > 0.5, axis=0)
        for look_at in (CloserLook(Beside()), ScoreStream(Beside(), None))
    )
    assert (of_photo == edge).all()
    assert (abs(of_frame - 192) <= 1).all()


def test_people_who_fill_the_photo_are_not_looked_at_from_closer_by():
    photo = np.zeros((260, 400, 3), np.uint8)
    photo[10:250, 20:390] = 250
    predictor = Bright()
    look = CloserLook(predictor)(photo)
    assert len(predictor.seen) == 2
    assert look.window is None
    np.testing.assert_array_equal(look.alpha(photo), refine_alpha(photo, look.score, PHOTO_EPSILON))


def test_nobody_is_not_looked_at_from_closer_by():
    predictor = Bright()
    look_at = CloserLook(predictor)
    assert not look_at(np.full((50, 60, 3), 120, np.uint8)).alpha(np.zeros((50, 60, 3), np.uint8)).any()
    assert len(predictor.seen) == 2
    assert not look_at.found


def test_who_is_nobody_from_closer_by_is_nobody():
    photo = np.zeros((260, 400, 3), np.uint8)
    photo[60:140, 100:200] = 250

    class Doubting(Bright):
        def score(self, resized):
            return super().score(resized) * (1 if len(self.seen) <= 2 else np.float32(0.5))

    look_at = CloserLook(Doubting())
    assert not look_at(photo).alpha(photo).any()
    assert not look_at.found


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 3)])
def test_photos_of_few_pixels(size):
    photo = np.zeros((*size, 3), np.uint8)
    photo[size[0] // 2, size[1] // 2] = 255
    assert CloserLook(Bright())(photo).alpha(photo).shape == size


def test_a_small_person_is_found_better_than_at_the_first_look():
    photo = cv2.imread(str(ROOT / "data/human_image.jpg"))[:340]  # without the helmet
    model = hs.load_model()
    person = cv2.merge([ScoreStream(model, None)(photo).alpha(photo)] * 3)
    scene = cv2.resize(cv2.imread(str(ROOT / "data/background.jpg")), (800, 450), interpolation=cv2.INTER_AREA)
    truth = np.zeros((450, 800), np.float32)
    photo, person = (cv2.resize(x, (300, 200), interpolation=cv2.INTER_AREA) for x in (photo, person))
    place = (slice(250, 450), slice(250, 550))
    scene[place] = person * photo + (1 - person) * scene[place]
    truth[place] = person[..., 0]
    first, closer = (
        float(np.abs(look_at(scene).alpha(scene) - truth).mean())
        for look_at in (ScoreStream(model, None), CloserLook(model))
    )
    assert closer < 0.7 * first
