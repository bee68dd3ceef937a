"""A HumanSegMobile learns from a PortraitNet, in PyTorch."""

import json
import subprocess
import sys

import numpy as np
import paddle
import pytest
from conftest import ROOT
from twins import train, train_command

from human_segmentation.inference.model_config import TRAINED, ModelConfig
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.zoo import build_network
from human_segmentation.training.checkpoint import load_network, save_model
from human_segmentation.training.engine import NetworkEngine

torch = pytest.importorskip("torch")
sys.path.insert(0, str(ROOT / "tools" / "torch_twin"))

import distill  # noqa: E402
import params  # noqa: E402


@pytest.fixture
def teacher_folder(tmp_path):
    paddle.seed(0)
    weights = {name: value.numpy() for name, value in build_network("PortraitNet").state_dict().items()}
    its = Preprocess(width=64, height=32, color="RGB", mean=(0.4, 0.5, 0.45), std=(0.2, 0.25, 0.3))
    save_model(tmp_path / "teacher", weights, ModelConfig("PortraitNet", TRAINED, its))
    return tmp_path / "teacher"


def test_a_teacher_sees_photos_in_its_own_normalisation_and_colour_order(teacher_folder):
    network, config = load_network(teacher_folder)
    teacher = distill.Teacher(teacher_folder, params.build_twin("HumanSegMobile"))
    photos = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 3), np.uint8)
    expected = NetworkEngine(network)(config.preprocess.normalize(photos))[:, 1]
    assert expected.std() > 0.01
    assert np.abs(teacher.score(photos).numpy() - expected).max() < 1e-4


def test_a_teacher_sees_small_photos_at_its_own_size(teacher_folder):
    teacher = distill.Teacher(teacher_folder, params.build_twin("HumanSegMobile"))
    colors = np.random.default_rng(0).integers(0, 256, (2, 1, 1, 3), np.uint8)
    small, large = (np.broadcast_to(colors, (2, height, 2 * height, 3)).copy() for height in (16, 32))
    expected = teacher.score(large).reshape(2, 16, 2, 32, 2).mean((2, 4))
    assert expected.std() > 0.01
    assert (teacher.score(small) - expected).abs().max() < 1e-4


def test_feature_loss_counts_in_variances_of_the_teacher_and_moves_the_student(teacher_folder):
    student = params.build_twin("HumanSegMobile")
    teacher = distill.Teacher(teacher_folder, student)
    photos = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    teacher.score(photos)
    student(torch.from_numpy(Preprocess().normalize(photos)))
    loss = teacher.feature_loss()
    loss.backward()
    assert student.layer1_1.conv.weight.grad.abs().max() > 0
    for layer in teacher.adapters:
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    assert loss > teacher.feature_loss()
    assert teacher.feature_loss().item() == pytest.approx(1.0, rel=0.01)


def test_a_teacher_teaches_what_no_label_says(discs, tmp_path):
    train(discs, tmp_path / "teacher", "--model_type", "PortraitNet", "--no_consistency_loss")
    nobody = discs / "nobody.txt"
    nobody.write_text("".join(f"{line.split()[0]}\n" for line in (discs / "train.txt").read_text().splitlines()))
    command = train_command(discs, tmp_path / "pupil", "--teacher", tmp_path / "teacher" / "best_model")
    command = [str(nobody) if part == str(discs / "train.txt") else part for part in command]
    command = [part.replace("train.txt=2", "nobody.txt=2") for part in command]
    done = subprocess.run([*command, "--teacher_share", "1"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    metrics = json.loads((tmp_path / "pupil" / "best_model" / "metrics.json").read_text())
    assert metrics["foreground_iou_per_photo"] > 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--teacher", ROOT / "pretrain_weights" / "humanseg_mobile_params"], "a teacher is a PortraitNet"),
        (["--teacher_share", "1.5"], "the share must be from 0 to 1"),
    ],
)
def test_what_cannot_teach(discs, tmp_path, options, message):
    command = train_command(discs, tmp_path / "run", *options)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
