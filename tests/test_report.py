import re

import numpy as np
import pytest
from conftest import write_image

from human_segmentation.datasets.list_file import Sample
from human_segmentation.inference.predictor import Predictor
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.training.report import CURVES, panel, write_report


@pytest.fixture
def sample(tmp_path):
    """A grey photo of 90 x 90 pixels whose label is the left third."""
    label = np.zeros((90, 90), np.uint8)
    label[:, :30] = 255
    image = write_image(tmp_path / "photo.png", np.full((90, 90, 3), 100, np.uint8))
    return Sample(image, write_image(tmp_path / "label.png", label))


@pytest.fixture
def predictor():
    """Finds the left two thirds, whatever it is shown."""
    scores = np.zeros((1, 2, 90, 90), np.float32)
    scores[0, 1, :, :60] = 1
    scores[0, 0] = 1 - scores[0, 1]
    return Predictor(lambda _: scores, Preprocess(90, 90))


def test_a_panel_shows_photo_label_alpha_and_both_outlines(sample, predictor):
    picture = panel(predictor, sample)
    assert picture.shape == (180, 4 * 180, 3)
    photo, label, alpha, outlines = np.hsplit(picture, 4)
    assert (photo == 100).all()
    for part, end in ((label, 60), (alpha, 120)):
        assert (part[:, : end - 2] == 255).all()
        assert (part[:, end + 2 :] == 0).all()
    middle = outlines[90].astype(int)
    green, red = (np.flatnonzero(middle[:, k] - middle[:, 0] > 100) for k in (1, 2))
    assert 57 <= green[-1] <= 61
    assert 117 <= red[-1] <= 121


def test_the_curves_of_a_report(sample, predictor, tmp_path):
    losses = [3.0, 1.0, 2.0]
    history = [dict.fromkeys(CURVES, 0.5) | {"loss": loss} for loss in losses]
    write_report(tmp_path / "report.html", history, predictor, [sample], [0.5])
    text = (tmp_path / "report.html").read_text()
    assert "<p>3 epochs</p>" in text
    number = r"font-size='11'>([^<]+)</text>"
    curves = re.findall(rf"points='([^']+)'.*?{number}.*?{number}.*?<figcaption>(\w+)<", text)
    assert [name for *_, name in curves] == list(CURVES)
    points, high, low, _ = curves[0]
    assert (high, low) == ("3", "1")
    x, y = np.array([point.split(",") for point in points.split()], float).T
    assert np.diff(x) == pytest.approx([x[-1] / 2] * 2)
    assert y.tolist() == [0, y.max(), y.max() / 2]  # downwards
