import json
import os
import shutil
import subprocess
import sys
import time

import cv2
import numpy as np
import paddle
import pytest
from conftest import ROOT

import human_segmentation as hs
from human_segmentation.datasets.dataset import TrainingSet, WeightedSamples
from human_segmentation.datasets.list_file import Sample
from human_segmentation.errors import DataError, HumanSegError, ModelError
from human_segmentation.export.artifact import export_model
from human_segmentation.models.weights import read_params
from human_segmentation.training.checkpoint import find_checkpoint, load_network
from human_segmentation.training.trainer import TrainOptions, train


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Light discs on dark noise."""
    folder = tmp_path_factory.mktemp("discs")
    rng = np.random.default_rng(0)
    found = []
    for i in range(16):
        image = rng.integers(0, 100, (48, 48, 3), dtype=np.uint8)
        mask = np.zeros((48, 48), np.uint8)
        cv2.circle(mask, tuple(map(int, rng.integers(16, 32, 2))), int(rng.integers(8, 14)), 255, -1)
        image[mask > 0] += 120
        found.append(Sample(folder / f"{i}.png", folder / f"{i}_mask.png"))
        cv2.imwrite(str(found[-1].image), image)
        cv2.imwrite(str(found[-1].label), mask)
    return found


def run(samples, folder, model="HumanSegMobile", size=32, **options):
    options = {"num_epochs": 2, "batch_size": 4, "learning_rate": 0.003} | options
    plain, prior = model == "PortraitNet", options.get("prior_channel", False)
    training_set = TrainingSet([WeightedSamples(samples, 2)], (size, size), seed=3, plain=plain, prior=prior)
    return train(TrainOptions(model, folder, **options), training_set, samples[:4])


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, run(samples, folder, num_epochs=6)


def test_training_learns(trained):
    folder, best = trained
    assert best["miou"] > 0.8
    assert {path.name for path in (folder / "best_model").iterdir()} == {"metrics.json", "model.pdparams", "model.yml"}
    _, config = load_network(folder / "best_model")
    assert config.metrics.items() <= best.items()
    assert (config.model, config.status, config.preprocess.width) == ("HumanSegMobile", "Normal", 32)
    assert sorted(path.name for path in folder.iterdir()) == [
        "best_model",
        *(f"epoch_{i}" for i in range(1, 7)),
        "report.html",
    ]


def test_portraitnet_learns_with_all_its_losses(samples, tmp_path):
    best = run(samples, tmp_path, model="PortraitNet", size=64, num_epochs=5)
    assert best["miou"] > 0.7
    network, config = load_network(tmp_path / "best_model")
    assert (config.model, config.preprocess.padding) == ("PortraitNet", 128)
    network.eval()
    assert network(paddle.zeros([1, 3, 64, 32])).shape == [1, 2, 64, 32]


def test_a_prior_channel_is_used_and_survives_the_export(samples, tmp_path):
    """The network learns to lean on the prior, and the exported model does so too."""
    pytest.importorskip("paddle2onnx")
    run(samples, tmp_path, model="PortraitNet", size=64, num_epochs=4, prior_channel=True)
    network, config = load_network(tmp_path / "best_model")
    assert config.prior_channel
    differences = export_model(network, config, tmp_path / "exported")
    assert max(differences.values()) < 1e-3
    model = hs.load_model(tmp_path / "exported")
    image = np.full((64, 64, 3), 60, np.uint8)
    prior = np.zeros((64, 64), np.float32)
    prior[16:48, 16:48] = 1
    without, with_prior = model.score(image), model.score(image, prior)
    assert with_prior[24:40, 24:40].mean() > without[24:40, 24:40].mean() + 0.05
    assert model.alpha(image).shape == (64, 64)
    with pytest.raises(ModelError, match="cannot run at 65x64"):
        hs.load_model(tmp_path / "exported", image_shape=(65, 64))


def test_only_portraitnet_has_a_prior_channel(samples, tmp_path):
    with pytest.raises(ModelError, match="only PortraitNet"):
        run(samples, tmp_path, prior_channel=True)


def test_resumed_run_goes_on_as_if_it_had_not_stopped(samples, trained, tmp_path):
    folder, best = trained
    resumed = run(samples, tmp_path, num_epochs=6, resume_checkpoint=folder / "epoch_4")
    one = read_params(folder / "epoch_6" / "raw.pdparams")
    two = read_params(tmp_path / "epoch_6" / "raw.pdparams")
    assert all(np.array_equal(one[name], two[name]) for name in one)
    one = read_params(folder / "epoch_6" / "model.pdparams")
    two = read_params(tmp_path / "epoch_6" / "model.pdparams")
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert resumed["miou"] == best["miou"]


def test_fewer_photos_than_a_batch(samples, tmp_path):
    with pytest.raises(DataError, match="--batch_size"):
        run(samples, tmp_path, batch_size=64)
    assert not list(tmp_path.iterdir())


def test_resume_from_what_is_no_checkpoint(samples, trained, tmp_path):
    with pytest.raises(ModelError, match="no whole checkpoint"):
        run(samples, tmp_path, resume_checkpoint=trained[0] / "best_model")


def test_the_newest_whole_checkpoint_is_found(trained, tmp_path, capsys):
    run_dir = shutil.copytree(trained[0], tmp_path / "run")
    assert find_checkpoint(run_dir, "HumanSegMobile") == run_dir / "epoch_6"
    path = run_dir / "epoch_6" / "model.pdopt"
    path.write_bytes(path.read_bytes()[:1000])
    (run_dir / "epoch_5" / "raw.pdparams").unlink()
    assert find_checkpoint(run_dir, "HumanSegMobile") == run_dir / "epoch_4"
    assert "epoch_6: the checkpoint is damaged" in capsys.readouterr().err
    with pytest.raises(ModelError, match="checkpoint of HumanSegMobile, not of PortraitNet"):
        find_checkpoint(run_dir, "PortraitNet")


def test_a_loss_that_is_no_number_stops_the_run(samples, tmp_path):
    with pytest.raises(HumanSegError, match=r"epoch 1/2: the loss is .* at step \d+.*--learning_rate"):
        run(samples, tmp_path, learning_rate=1e30)
    assert not list(tmp_path.iterdir())


def test_early_stopping(samples, tmp_path):
    run(samples, tmp_path, num_epochs=30, learning_rate=1e-12, early_stopping=2)
    last = find_checkpoint(tmp_path, "HumanSegMobile")
    scores = [row["miou"] for row in json.loads((last / "progress.json").read_text())["history"]]
    assert len(scores) < 30
    assert len(scores) == np.argmax(scores) + 1 + 2


def test_labels_have_two_classes(samples, tmp_path):
    with pytest.raises(DataError, match="--num_classes 3"):
        run(samples, tmp_path, num_classes=3)


@pytest.mark.parametrize("option", ["learning_rate", "num_epochs", "batch_size", "save_interval_epochs"])
def test_impossible_numbers(samples, tmp_path, option):
    with pytest.raises(DataError, match=f"--{option}"):
        run(samples, tmp_path, **{option: 0})


def test_event_files_hold_the_curves(samples, tmp_path):
    pytest.importorskip("tensorboardX")
    pytest.importorskip("visualdl")
    run(samples, tmp_path, writers=("use_vdl", "tensorboard"))
    from visualdl import LogReader

    (file,) = (tmp_path / "vdl_log").iterdir()
    reader = LogReader(file_path=str(file))
    history = json.loads((tmp_path / "epoch_2" / "progress.json").read_text())["history"]
    assert [row.value for row in reader.get_data("scalar", "miou")] == pytest.approx([row["miou"] for row in history])
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert "worst" in (tmp_path / "report.html").read_text()


@pytest.fixture(scope="module")
def lists(samples):
    folder = samples[0].image.parent
    rows = "".join(f"{sample.image.name} {sample.label.name}\n" for sample in samples)
    (folder / "train.txt").write_text(rows)
    (folder / "val.txt").write_text("".join(rows.splitlines(keepends=True)[:4]))
    return folder


def train_command(lists, save_dir, *options):
    flags = {"--data_dir": lists, "--train_list": lists / "train.txt", "--val_list": lists / "val.txt"}
    arguments = [str(x) for pair in flags.items() for x in pair]
    shape = ["--image_shape", "32", "32", "--batch_size", "4", "--num_epochs", "6"]
    return ["train.py", *arguments, *shape, "--save_dir", str(save_dir), *options]


def test_a_killed_run_resumes_bit_for_bit(lists, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([sys.executable, *train_command(lists, whole)], cwd=ROOT, check=True)
    with subprocess.Popen([sys.executable, *train_command(lists, broken)], cwd=ROOT) as process:
        while not (broken / "epoch_2").exists():
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(float(np.random.default_rng().uniform(0, 1)))  # anywhere: in a step, an evaluation, a save
        process.kill()
    deadline = time.monotonic() + 10
    while subprocess.run(["pgrep", "-f", str(broken)], stdout=subprocess.DEVNULL).returncode == 0:
        assert time.monotonic() < deadline, "a worker outlives the run"
        time.sleep(0.1)
    subprocess.run([sys.executable, *train_command(lists, broken, "--resume_checkpoint", broken)], cwd=ROOT, check=True)
    for name in ("raw.pdparams", "model.pdparams"):
        one, two = (read_params(folder / "epoch_6" / name) for folder in (whole, broken))
        assert all(np.array_equal(one[key], two[key]) for key in one), name


def test_two_processes_train_one_network(lists, tmp_path):
    launch = ["-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--backend", "gloo"]
    log = ["--log_dir", str(tmp_path / "log")]
    command = [sys.executable, *launch, *log, *train_command(lists, tmp_path / "run", "--learning_rate", "0.003")]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, timeout=300)
    history = json.loads((tmp_path / "run" / "epoch_6" / "progress.json").read_text())["history"]
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    load_network(tmp_path / "run" / "best_model")
    logs = [path.read_text() for path in sorted((tmp_path / "log").glob("workerlog.*"))]
    assert logs[0].count("epoch 6/6: loss") == 1
    assert "epoch 6/6: loss" not in logs[1]
