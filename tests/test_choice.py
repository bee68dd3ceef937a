"""Keys choose what a camera's frames become."""

import numpy as np

from human_segmentation.video.blur import BlurBackground
from human_segmentation.video.choice import BLUR, PictureChoice
from human_segmentation.video.frames import Frame
from human_segmentation.video.pictures import matte, on

FRAME = Frame(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8), 0, 0.0)
ALPHA = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (24, 1))


def gray(value):
    return lambda frame, alpha: np.full_like(frame.image, value)


def shown(choice):
    """The pictures after each key, by name."""
    known = {"1": gray(1), "2": gray(2), "3": gray(3), "b": on(BlurBackground(BLUR)), "m": matte}
    picture = choice(FRAME, ALPHA)
    return next(name for name, other in known.items() if np.array_equal(picture, other(FRAME, ALPHA)))


def after(keys, pictures):
    choice = PictureChoice(pictures, list)
    seen = [shown(choice)]
    for key in keys:
        choice.press(key)
        seen.append(shown(choice))
    return "".join(seen)


def test_next_goes_through_all_and_begins_again():
    assert after("nnnn", [gray(1), gray(2), gray(3)]) == "12312"
    assert after("nn", [gray(1)]) == "111"


def test_blur_and_mask_go_on_and_off():
    assert after("bbmm", [gray(1), gray(2)]) == "1b1m1"
    assert after("bmmb", [gray(1), gray(2)]) == "1bm1b"


def test_next_ends_blur_and_mask():
    assert after("bnmn", [gray(1), gray(2)]) == "1b2m1"


def test_other_keys_change_nothing():
    assert after("xN\x1b\n", [gray(1), gray(2)]) == "11111"


def test_reset_is_passed_on_and_changes_no_picture():
    calls = []
    choice = PictureChoice([gray(1), gray(2)], lambda: calls.append("reset"))
    choice.press("m")
    choice.press("r")
    assert calls == ["reset"]
    assert shown(choice) == "m"
