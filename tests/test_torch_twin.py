"""The PyTorch twins under tools/ against the networks and losses that they stand for."""

import json
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import paddle
import pytest
from conftest import ROOT, files_of
from twins import train, train_command

from human_segmentation.models.zoo import build_network
from human_segmentation.training.checkpoint import load_network
from human_segmentation.training.engine import NetworkEngine
from human_segmentation.training.objectives import Batch, MaskObjective, PortraitNetObjective

torch = pytest.importorskip("torch")
sys.path.insert(0, str(ROOT / "tools" / "torch_twin"))

import losses  # noqa: E402
import params  # noqa: E402

import train as program  # noqa: E402


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


@pytest.fixture(scope="module")
def one_epoch(discs, tmp_path_factory):
    """The folder of a run of one epoch, and what the run said."""
    folder = tmp_path_factory.mktemp("run")
    return folder, train(discs, folder, "--num_epochs", 1)


def test_what_a_run_says(one_epoch):
    folder, (line,) = one_epoch
    metrics = json.loads((folder / "best_model" / "metrics.json").read_text())
    miou, person, boundary = (metrics[name] for name in ("miou", "foreground_iou_per_photo", "boundary_iou"))
    said = f"mIoU {miou:.4f}, person IoU per photo {person:.4f}, boundary IoU {boundary:.4f}"
    assert re.fullmatch(rf"epoch 1/1: loss \d\.\d{{4}}, {said}, \d+\.\d photos/s", line)


@pytest.fixture
def refusal(discs, tmp_path, capsys, monkeypatch):
    """Runs the program in this process, which must refuse what it is given; gives the one sentence that it says."""

    def run(save_dir, *options, data=discs):
        before = files_of(tmp_path)
        monkeypatch.setattr(sys, "argv", train_command(data, save_dir, *options)[1:])
        assert program.main() == 2
        assert files_of(tmp_path) == before
        (line,) = capsys.readouterr().err.splitlines()
        return line.removeprefix("error: ")

    return run


def test_a_photo_that_cannot_be_used(discs, tmp_path, refusal):
    """It is read in the worker process of a run."""
    data = shutil.copytree(discs, tmp_path / "data")
    (data / "9.png").write_bytes(b"no photo")
    assert refusal(tmp_path / "run", data=data) == (
        f"{data / '9.png'}: the file is damaged or no photo that can be decoded; give a JPEG, PNG or WebP"
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--seed", -1], "--seed -1: the number must be from 0 to 9223372036854775807"),
        (["--image_shape", 100, 100], "--image_shape 100 100: this network takes multiples of 32; 224 224 is usual"),
    ],
)
def test_numbers_that_cannot_be(tmp_path, refusal, options, sentence):
    assert refusal(tmp_path / "run", *options) == sentence


def test_a_folder_that_cannot_be_written(tmp_path, refusal):
    """It is found before anything is trained, which would fail here."""
    notes = tmp_path / "best_model" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("mine")
    assert refusal(notes, "--learning_rate", 1e30) == (
        f"{notes}: cannot be written (Not a directory); choose another place or make room"
    )
    assert refusal(tmp_path, "--learning_rate", 1e30) == (
        f"{notes.parent}: the folder holds other files, such as notes.txt; choose another one"
    )


def test_nothing_to_resume_from(tmp_path, refusal):
    assert refusal(tmp_path / "none", "--resume") == (
        f"{tmp_path / 'none' / 'last.pt'}: there is no such file to resume from; give --save_dir of a run"
    )


def test_nothing_is_left_to_train(one_epoch, refusal):
    sentence = "--num_epochs 1: the checkpoint has 1 epochs already; give more"
    assert refusal(one_epoch[0], "--resume", "--num_epochs", 1) == sentence


@pytest.mark.parametrize(
    ("keep", "options"),
    [
        (0, []),
        (1000, []),
        (1_000_000, []),
        (None, ["--model_type", "PortraitNet"]),
        (None, ["--teacher", ROOT / "pretrain_weights" / "portraitnet_params"]),
    ],
    ids=["empty", "cut", "cut later", "network", "teacher"],
)
def test_a_state_that_does_not_fit(one_epoch, tmp_path, refusal, keep, options):
    path = shutil.copytree(one_epoch[0], tmp_path / "run") / "last.pt"
    path.write_bytes(path.read_bytes()[:keep])
    assert refusal(path.parent, "--resume", *options) == (
        f"{path}: this is no whole state of a run with these flags; give --model_type, --prior_channel and --teacher "
        "as it began with, or leave --resume out"
    )


def test_a_model_that_paddle_computes_otherwise_is_not_left_behind(tmp_path, refusal, monkeypatch):
    monkeypatch.setattr(program, "TOLERANCE", -1.0)
    sentence = r"Paddle's scores differ from PyTorch's by \S+, more than -1\.0; nothing was saved, take train\.py"
    assert re.fullmatch(sentence, refusal(tmp_path / "run", "--num_epochs", 1))
