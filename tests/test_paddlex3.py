"""Models in the format of PaddleX 3, fed as it feeds them, and in PaddleX itself where PADDLEX_PYTHON has it."""

import os
import subprocess
from dataclasses import replace

import cv2
import numpy as np
import paddle
import pytest
import yaml
from conftest import ROOT, names

from human_segmentation.cli import run_command
from human_segmentation.errors import ModelError
from human_segmentation.export import paddlex3
from human_segmentation.export.paddlex3 import export_paddlex3
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.predictor import Predictor
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.zoo import build_network
from human_segmentation.shipped import sample_photo
from human_segmentation.training.engine import NetworkEngine
from human_segmentation.training.recipes import RECIPES

RULES = {
    "HumanSegMobile": Preprocess(96, 64),
    "HumanSegServer": Preprocess(64, 64, color="RGB", interp="LINEAR", mean=(0.2, 0.3, 0.4)),
    "PortraitNet": RECIPES["PortraitNet"].preprocess.resized(96, 96),
}


class Balanced(paddle.nn.Layer):
    """A network with random weights that finds people in half of the sample photo."""

    def __init__(self, name):
        super().__init__()
        paddle.seed(0)
        self.network = build_network(name)
        self.eval()
        rules = RULES[name]
        photo = rules.normalize(rules.resize(cv2.imread(str(sample_photo())))[None])
        with paddle.no_grad():
            logits = self.network(paddle.to_tensor(photo))
        self.middle = float((logits[:, 1] - logits[:, 0]).median())

    def forward(self, image):
        logits = self.network(image)
        return paddle.stack([logits[:, 0] + self.middle, logits[:, 1]], axis=1)


@pytest.fixture(scope="module", params=RULES)
def exported(request, tmp_path_factory):
    """A network, its rules, and its exported folder."""
    network = Balanced(request.param)
    folder = tmp_path_factory.mktemp("paddlex3") / request.param
    rules = RULES[request.param]
    parities = export_paddlex3(network, ModelConfig(request.param, "Normal", rules), folder)
    assert parities["paddle"].iou == 1.0
    return network, rules, folder


def classes(network, rules, photo):
    """What the network finds, at the size of the photo, uint8 [H, W]."""
    score = Predictor(NetworkEngine(network), rules).score(rules.resize(photo))
    mask = (rules.crop(score, photo.shape[1::-1]) > 0.5).astype(np.uint8)
    assert 0 < mask.mean() < 1
    return cv2.resize(mask, photo.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def as_paddlex_does(folder, photo):
    """What PaddleX 3.7 does with a folder, uint8 [H, W]: its steps, each done by hand."""
    config = yaml.safe_load((folder / "inference.yml").read_text())
    resize, normalize = config["Deploy"]["transforms"]
    assert (resize["type"], normalize["type"], resize["size_divisor"]) == ("Resize", "Normalize", 1)
    size, old = resize["target_size"], photo.shape[1::-1]
    if resize["keep_ratio"]:
        scale = min(max(size) / max(old), min(size) / min(old))
        size = [round(side * scale) for side in old]
    image = cv2.resize(photo[..., ::-1], size, interpolation=getattr(cv2, f"INTER_{resize['interp']}"))
    image = (image / 255 - normalize["mean"]) / normalize["std"]
    graph = paddle.jit.load(str(folder / "inference"))
    found = graph(paddle.to_tensor(image.astype(np.float32).transpose(2, 0, 1)[None])).numpy()
    return cv2.resize(found[0].astype(np.uint8), old, interpolation=cv2.INTER_NEAREST)


@pytest.mark.parametrize("size", [(70, 51), (51, 70), (200, 200)])
def test_paddlex_steps_lead_to_the_masks_of_the_network(exported, size):
    network, rules, folder = exported
    photo = cv2.resize(cv2.imread(str(sample_photo())), size)
    assert names(folder) == ["inference.json", "inference.pdiparams", "inference.yml"]
    differ = as_paddlex_does(folder, photo) != classes(network, rules, photo)
    assert differ.mean() < 1e-3  # the input is rounded once more or less


def test_real_paddlex_finds_the_same(exported, tmp_path):
    python = os.environ.get("PADDLEX_PYTHON")
    if not python:
        pytest.skip("PADDLEX_PYTHON names no Python with PaddleX 3")
    network, rules, folder = exported
    photo = cv2.resize(cv2.imread(str(sample_photo())), (300, 220))
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    script = (
        "import sys, numpy as np; from pathlib import Path; from predict import load;"
        "result = next(iter(load(Path(sys.argv[1])).predict(sys.argv[2])));"
        "np.save(sys.argv[3], result['pred'][0])"
    )
    arguments = [folder, tmp_path / "photo.png", tmp_path / "pred.npy"]
    done = subprocess.run(
        [python, "-c", script, *map(str, arguments)],
        cwd=ROOT / "deploy" / "paddlex",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1000:]
    assert (np.load(tmp_path / "pred.npy") != classes(network, rules, photo)).mean() < 1e-3


class Reddish(paddle.nn.Layer):
    """Finds people everywhere where an input has more red than blue, all in all."""

    def forward(self, image):
        more = (image[:, :1] - image[:, 2:]).mean([2, 3], keepdim=True)
        return paddle.concat([-more, more], axis=1) + paddle.zeros_like(image[:, :2])


@pytest.mark.parametrize(("padding", "found"), [((255, 128, 0), 1), ((0, 128, 255), 0)])
def test_a_coloured_border_is_in_the_order_of_the_network(tmp_path, padding, found):
    config = ModelConfig("PortraitNet", "Normal", Preprocess(64, 64, color="RGB", padding=padding))
    grey = np.full((8, 64, 3), 90, np.uint8)
    assert export_paddlex3(Reddish(), config, tmp_path / "out", [grey])["paddle"].iou == 1.0
    assert (as_paddlex_does(tmp_path / "out", grey) == found).all()


@pytest.mark.parametrize(
    "change",
    [
        {"prior_channel": True},
        {"preprocess": Preprocess(96, 64, padding=128)},
        {"preprocess": Preprocess(96, 64, sides=(96.0, 64.0))},
    ],
)
def test_what_paddlex_cannot_feed_is_refused(change, tmp_path):
    config = replace(ModelConfig("PortraitNet", "Normal", Preprocess(96, 96)), **change)
    with pytest.raises(ModelError, match="cannot give this model its input"):
        export_paddlex3(build_network("PortraitNet", prior_channel=config.prior_channel), config, tmp_path / "out")
    assert names(tmp_path) == []


def test_a_graph_with_other_classes_is_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(paddlex3, "TOLERANCE", -1.0)
    config = ModelConfig("HumanSegMobile", "Normal", Preprocess(64, 64))
    with pytest.raises(ModelError, match="nothing was exported"):
        export_paddlex3(build_network("HumanSegMobile"), config, tmp_path / "out")
    assert names(tmp_path) == []


def test_the_command_exports_the_model_that_ships(tmp_path, capsys):
    source = ROOT / "pretrain_weights" / "humanseg_mobile_params"
    flags = ["--model_dir", str(source), "--format", "paddlex3", "--save_dir", str(tmp_path / "out")]
    assert run_command("export", [*flags, "--fixed_batch_size", "2"]) == 2
    assert "leave it out" in capsys.readouterr().err
    assert run_command("export", [*flags, "--fixed_input_shape", "[64,48]"]) == 0
    config = yaml.safe_load((tmp_path / "out" / "inference.yml").read_text())
    assert config["Global"] == {"model_name": "HumanSegMobile"}
    assert config["Deploy"]["transforms"][0]["target_size"] == [64, 48]
