"""The PyTorch twins under tools/ against the networks and losses that they stand for."""

import json
import subprocess
import sys

import cv2
import numpy as np
import paddle
import pytest
from conftest import ROOT

from human_segmentation.inference.model_config import TRAINED, ModelConfig
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.zoo import build_network
from human_segmentation.training.checkpoint import load_network, save_model
from human_segmentation.training.engine import NetworkEngine
from human_segmentation.training.objectives import Batch, MaskObjective, PortraitNetObjective

torch = pytest.importorskip("torch")
sys.path.insert(0, str(ROOT / "tools" / "torch_twin"))

import distill  # noqa: E402
import losses  # noqa: E402
import params  # noqa: E402


@pytest.mark.parametrize(("model", "prior"), [("HumanSegMobile", False), ("PortraitNet", False), ("PortraitNet", True)])
def test_twin_computes_what_the_network_computes(model, prior):
    paddle.seed(0)
    network = build_network(model, prior_channel=prior)
    rng = np.random.default_rng(0)
    for name, value in network.state_dict().items():  # statistics as after training, not 0 and 1
        if name.endswith(("_mean", "_variance", "bn.bias")):
            value.set_value((abs(rng.normal(1, 0.2, value.shape))).astype(np.float32))
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    twin = params.build_twin(model, prior_channel=prior)
    params.from_paddle(twin, weights)
    tensor = rng.standard_normal((2, 4 if prior else 3, 64, 96), np.float32)
    with torch.no_grad():
        scores = twin.eval()(torch.from_numpy(tensor)).softmax(1).numpy()
    assert scores.std() > 0.01
    assert np.abs(scores - NetworkEngine(network)(tensor)).max() < 1e-4
    back = params.to_paddle(twin)
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    "objective",
    [
        MaskObjective(),
        PortraitNetObjective(boundary=False, consistency=False),
        PortraitNetObjective(boundary=True, consistency=False),
        PortraitNetObjective(),
    ],
)
def test_losses_are_those_of_the_objective(objective):
    rng = np.random.default_rng(1)
    alphas = cv2.GaussianBlur(rng.random((3, 24, 24), np.float32), (9, 9), 3)
    alphas = (alphas - alphas.min()) / (alphas.max() - alphas.min())
    valid = (rng.random(alphas.shape) < 0.8).astype(np.float32)
    copies = 2 if objective.needs_plain else 1
    heads = rng.normal(0, 2, (2, 3 * copies, 2, 24, 24)).astype(np.float32)
    images = np.zeros((3, 3, 24, 24), np.float32)
    plain = images if objective.needs_plain else None

    def outputs(library):
        def forward(_images):
            mask, boundary = (library(head) for head in heads)
            return mask if isinstance(objective, MaskObjective) else (mask, boundary)

        return forward

    targets = np.stack([1 - alphas, alphas], axis=1)
    batch = Batch(*(None if x is None else paddle.to_tensor(x) for x in (images, plain, targets, valid)))
    expected = float(objective(outputs(paddle.to_tensor), batch))
    tensors = [None if x is None else torch.from_numpy(x) for x in (images, plain, alphas, valid)]
    assert float(losses.compute(objective, outputs(torch.from_numpy), *tensors)) == pytest.approx(expected, rel=1e-5)


def train_command(data, save_dir, *options):
    command = [sys.executable, "tools/torch_twin/train.py", "--data_dir", data, "--train_list", data / "train.txt"]
    command += ["--val_list", data / "val.txt", "--image_shape", "32", "32", "--batch_size", "4", "--save_dir"]
    command += [save_dir, "--learning_rate", "0.01", "--num_epochs", "10", "--threads", "1"]
    command += ["--dataset", f"{data / 'train.txt'}=2", *options]
    return list(map(str, command))


def train(*args):
    done = subprocess.run(train_command(*args), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_a_killed_run_resumes_bit_for_bit_and_gives_a_model_of_this_project(discs, tmp_path):
    train(discs, tmp_path / "whole")
    folder = tmp_path / "whole" / "best_model"
    assert json.loads((folder / "metrics.json").read_text())["miou"] > 0.8
    _, config = load_network(folder)
    assert (config.model, config.status, config.preprocess.width) == ("HumanSegMobile", "Normal", 32)

    with subprocess.Popen(
        train_command(discs, tmp_path / "killed"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        for line in process.stdout:
            if line.startswith("epoch 4/"):
                process.kill()
    resumed = train(discs, tmp_path / "killed", "--resume")
    assert 1 <= len(resumed) <= 7
    weights, expected = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("killed", "whole"))
    for part in ("twin", "average"):
        for name, value in expected[part].items():
            assert torch.equal(weights[part][name], value), name


def test_portraitnet_with_everything_learns(discs, tmp_path):
    lines = train(discs, tmp_path / "run", "--model_type", "PortraitNet", "--prior_channel")
    losses_by_epoch = [float(line.split("loss ")[1].split(",")[0]) for line in lines]
    assert losses_by_epoch[-1] < 0.7 * losses_by_epoch[0]
    assert load_network(tmp_path / "run" / "best_model")[1].prior_channel


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


def test_nothing_to_resume_from(discs, tmp_path):
    done = subprocess.run(
        train_command(discs, tmp_path / "none", "--resume"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no such file to resume from" in done.stderr
