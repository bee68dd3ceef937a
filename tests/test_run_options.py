"""What the options of a training run do."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import numpy as np
import pytest
from conftest import ROOT, names
from runs import run, train_command

from human_segmentation.cli import run_command
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.models.weights import read_params


def weights_of(folder, name="raw.pdparams"):
    return read_params(folder / name)


def largest_difference(one, two):
    return max(np.abs(one[name] - two[name]).max() for name in one)


def history_of(folder):
    return json.loads((folder / "progress.json").read_text())["history"]


def test_checkpoints_at_intervals_and_at_the_end(samples, tmp_path):
    run(samples, tmp_path, num_epochs=5, save_interval_epochs=2)
    assert names(tmp_path) == ["best_model", "epoch_2", "epoch_4", "epoch_5", "report.html"]


def test_early_stopping_leaves_the_last_checkpoint(samples, tmp_path):
    run(samples, tmp_path, num_epochs=30, learning_rate=1e-12, early_stopping=2, save_interval_epochs=100)
    (last,) = tmp_path.glob("epoch_*")
    scores = [row["miou"] for row in history_of(last)]
    assert last.name == f"epoch_{len(scores)}"
    assert len(scores) < 30
    assert len(scores) == np.argmax(scores) + 1 + 2


def test_without_an_average_the_weights_themselves_are_saved(samples, trained, tmp_path):
    run(samples, tmp_path, num_epochs=1, ema=0)
    folder = tmp_path / "epoch_1"
    assert largest_difference(weights_of(folder), weights_of(folder, "model.pdparams")) == 0
    folder = trained[0] / "epoch_6"
    assert largest_difference(weights_of(folder), weights_of(folder, "model.pdparams")) > 1e-3


@pytest.mark.parametrize(("flag", "epochs"), [("--pretrain_weights", 1), ("--resume_checkpoint", 7)])
def test_the_size_is_that_of_the_model_before(discs, trained, tmp_path, flag, epochs):
    command = train_command(discs, tmp_path, flag, trained[0] / "epoch_6", "--num_epochs", epochs)[2:]
    shape = command.index("--image_shape")
    assert command[shape + 1 : shape + 3] == ["32", "32"]
    del command[shape : shape + 3]
    assert run_command("train", command) == 0
    assert ModelConfig.read(tmp_path / "best_model").preprocess.width == 32


@pytest.mark.parametrize(("start", "rate", "warns"), [("epoch_6", 0.1, True), ("epoch_1", 0.003, False)])
def test_a_run_that_makes_nothing_better_says_so(samples, trained, tmp_path, capsys, start, rate, warns):
    start = trained[0] / start
    best = run(samples, tmp_path, num_epochs=2, learning_rate=rate, pretrain_weights=start, ema=0)
    said, warned = capsys.readouterr()
    before = float(re.search(r"epoch_\d: mIoU (0\.\d{4}) before training\n", said)[1])
    assert before == pytest.approx(ModelConfig.read(start).metrics["miou"], abs=1e-4)
    assert (best["miou"] > before + 1e-4) is not warns
    sentence = f"warning: no epoch is better than {start}, with which the run began; keep that, or give a lower"
    assert (sentence in warned) is warns


def test_clipped_gradients_move_little(samples, trained, tmp_path):
    """Adam divides a gradient by its own size, but for a small constant, to which these are nothing."""
    start = trained[0] / "epoch_6"
    moved = {}
    for clip in (None, 1e-12):
        folder = tmp_path / str(clip)
        run(samples, folder, num_epochs=1, clip=clip, pretrain_weights=start)
        after, before = weights_of(folder / "epoch_1"), weights_of(start, "model.pdparams")
        moved[clip] = max(np.abs(after[name] - before[name]).max() for name in after if name.endswith("conv.weight"))
    assert 20 * moved[1e-12] < moved[None]


@pytest.mark.parametrize(("model", "least", "most"), [("HumanSegMobile", 0, 0), ("PortraitNet", 0.003, 0.003)])
def test_the_usual_schedule_of_a_model(samples, tmp_path, model, least, most):
    """A cosine that ends at 0, or steps every 20 epochs, as PortraitNet's authors had them."""
    run(samples, tmp_path, model=model, num_epochs=1)
    (row,) = history_of(tmp_path / "epoch_1")
    assert least - 1e-9 <= row["learning_rate"] <= most + 1e-9


def test_a_seed_decides_everything(discs, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        arguments = train_command(discs, tmp_path / name, "--seed", seed, "--num_epochs", 1)
        assert run_command("train", arguments[2:]) == 0
    a, b, c = (weights_of(tmp_path / name / "epoch_1") for name in "abc")
    assert largest_difference(a, b) == 0
    assert largest_difference(a, c) > 1e-2


def test_a_terminal_sees_the_loss_while_it_trains(discs, tmp_path):
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("4H", 24, 120, 0, 0))
    command = train_command(discs, tmp_path / "run", "--num_epochs", 1)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=side) as process:
        os.close(side)
        said = b""
        while True:
            try:
                part = os.read(main, 4096)
            except OSError:  # the other side is closed
                break
            said += part
    os.close(main)
    assert process.returncode == 0
    assert re.search(rb"epoch 1/1: 100%.*4/4 .*(it/s|s/it), loss=\d\.\d{4}\]", said)
