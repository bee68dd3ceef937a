import json
import re
import shutil
import struct
import subprocess
import time
from dataclasses import replace

import numpy as np
import paddle
import pytest
from conftest import ROOT, files_of
from runs import run, train_command

import human_segmentation as hs
from human_segmentation.errors import DataError, ModelError
from human_segmentation.export.artifact import export_model
from human_segmentation.models.weights import read_params, save_params
from human_segmentation.training.checkpoint import find_checkpoint, load_network, save_model


def test_training_learns(trained):
    folder, best = trained
    assert best["miou"] > 0.7
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


def test_a_narrow_portraitnet_is_trained_and_exported_at_its_width(samples, tmp_path):
    run(samples, tmp_path, model="PortraitNet", size=32, num_epochs=1, width=0.5)
    network, config = load_network(tmp_path / "best_model")
    assert config.width == 0.5
    assert network.encoder.channels == [8, 16, 16, 48, 160]
    export_model(network, config, tmp_path / "export")
    assert (tmp_path / "export" / "__params__").stat().st_size < 0.4 * 4 * 2_113_752


def test_a_prior_channel_is_used_and_survives_the_export(samples, tmp_path):
    """The network learns to lean on the prior, and the exported model does so too."""
    pytest.importorskip("paddle2onnx")
    run(samples, tmp_path, model="PortraitNet", size=64, num_epochs=5, prior_channel=True)
    network, config = load_network(tmp_path / "best_model")
    assert config.prior_channel
    parities = export_model(network, config, tmp_path / "exported")
    assert max(parity.largest for parity in parities.values()) < 1e-3
    model = hs.load_model(tmp_path / "exported")
    image = np.random.default_rng(0).integers(0, 100, (64, 64, 3), dtype=np.uint8)  # as behind the discs
    prior = np.zeros((64, 64), np.float32)
    prior[16:48, 16:48] = 1
    without, with_prior = model.score(image), model.score(image, prior)
    assert with_prior[24:40, 24:40].mean() > without[24:40, 24:40].mean() + 0.1
    assert model.alpha(image).shape == (64, 64)
    odd = hs.load_model(tmp_path / "exported", image_shape=(65, 64))
    assert odd.preprocess.resize(image).shape == (64, 64, 3)
    assert odd.preprocess.resize(np.zeros((64, 65, 3), np.uint8)).shape == (64, 96, 3)


def test_only_portraitnet_has_a_width(samples, tmp_path):
    with pytest.raises(ModelError, match="HumanSegMobile has no width factor"):
        run(samples, tmp_path, width=0.5)


def test_only_portraitnet_has_a_prior_channel(samples, tmp_path):
    with pytest.raises(ModelError, match="HumanSegMobile has no prior channel, which only PortraitNet has"):
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
    assert load_network(tmp_path / "best_model")[1].metrics.items() <= resumed.items()


def test_the_best_model_comes_along_to_another_folder(samples, trained, tmp_path):
    """Where no later epoch is better: the second has a mIoU that none can have."""
    folder = shutil.copytree(trained[0], tmp_path / "run")
    progress = json.loads((folder / "epoch_5" / "progress.json").read_text())
    progress["history"][1]["miou"] = 2.0
    (folder / "epoch_5" / "progress.json").write_text(json.dumps(progress))
    network, config = load_network(folder / "best_model")
    metrics = {name: progress["history"][1][name] for name in config.metrics}
    save_model(folder / "best_model", network.state_dict(), replace(config, metrics=metrics))
    assert run(samples, tmp_path / "new", num_epochs=6, resume_checkpoint=folder / "epoch_5")["miou"] == 2.0
    assert files_of(tmp_path / "new" / "best_model") == files_of(folder / "best_model")


def test_dropout_goes_on_where_it_stopped(samples, tmp_path):
    options = {"model": "HumanSegServer", "size": 32, "batch_size": 16}
    run(samples[:8], tmp_path / "whole", **options)
    run(samples[:8], tmp_path / "stopped", resume_checkpoint=tmp_path / "whole" / "epoch_1", **options)
    one, two = (read_params(tmp_path / name / "epoch_2" / "raw.pdparams") for name in ("whole", "stopped"))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_nothing_is_left_to_train(samples, trained, tmp_path):
    folder, best = trained
    assert run(samples, folder, num_epochs=6, resume_checkpoint=folder) == best
    with pytest.raises(DataError, match="--num_epochs 6: the checkpoint has 6 epochs already; give more"):
        run(samples, tmp_path, num_epochs=6, resume_checkpoint=folder)
    assert not list(tmp_path.iterdir())


def test_weights_that_are_no_numbers_are_no_checkpoint(samples, trained, tmp_path, capsys):
    folder = shutil.copytree(trained[0], tmp_path / "run")
    path = folder / "epoch_6" / "raw.pdparams"
    params = read_params(path)
    params["conv_1.weight"][0, 0] = np.nan
    save_params(params, path)
    assert find_checkpoint(folder, "HumanSegMobile") == folder / "epoch_5"
    assert "raw.pdparams: the parameter conv_1.weight has values that are infinite or no" in capsys.readouterr().err
    with pytest.raises(ModelError, match=r"conv_1\.weight has values that are infinite or no numbers"):
        run(samples, tmp_path / "new", pretrain_weights=path)


def test_two_runs_in_one_folder(samples, tmp_path):
    run(samples, tmp_path, num_epochs=3)
    second = run(samples, tmp_path, num_epochs=1, learning_rate=1e-6)
    assert find_checkpoint(tmp_path, "HumanSegMobile") == tmp_path / "epoch_1"
    assert load_network(tmp_path / "best_model")[1].metrics.items() <= second.items()
    assert second["loss"] == json.loads((tmp_path / "epoch_1" / "progress.json").read_text())["history"][0]["loss"]


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
    for path in run_dir.glob("*/progress.json"):
        state = json.loads(path.read_text())
        del state["started"]
        path.write_text(json.dumps(state))
    assert find_checkpoint(run_dir, "HumanSegMobile") == run_dir / "epoch_6"
    path = run_dir / "epoch_6" / "model.pdopt"
    path.write_bytes(path.read_bytes()[:1000])
    (run_dir / "epoch_5" / "raw.pdparams").unlink()
    assert find_checkpoint(run_dir, "HumanSegMobile") == run_dir / "epoch_4"
    assert "epoch_6: the checkpoint is damaged" in capsys.readouterr().err
    with pytest.raises(ModelError, match="checkpoint of HumanSegMobile, not of PortraitNet"):
        find_checkpoint(run_dir, "PortraitNet")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("num_epochs", 0),
        ("batch_size", 0),
        ("save_interval_epochs", 0),
        ("width", float("inf")),
        ("width", 1e300),
        ("width", 8.01),
        ("clip", -1),
        ("ema", 1.5),
        ("early_stopping", -1),
    ],
)
def test_impossible_numbers(samples, tmp_path, option, value):
    with pytest.raises(DataError, match=rf"--{option} must be .* and it is {re.escape(str(value))}$"):
        run(samples, tmp_path, **{option: value})
    assert not list(tmp_path.iterdir())


def tensorboard_events(path):
    from tensorboardX.proto.event_pb2 import Event

    data = path.read_bytes()
    while data:  # length in 8 bytes, its checksum in 4, an event, its checksum in 4
        (length,) = struct.unpack("<Q", data[:8])
        yield Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]


def test_event_files_hold_the_curves(samples, tmp_path):
    pytest.importorskip("tensorboardX")
    pytest.importorskip("visualdl")
    run(samples, tmp_path, writers=("use_vdl", "tensorboard"))
    from visualdl import LogReader

    (file,) = (tmp_path / "vdl_log").iterdir()
    reader = LogReader(file_path=str(file))
    history = json.loads((tmp_path / "epoch_2" / "progress.json").read_text())["history"]
    assert [row.value for row in reader.get_data("scalar", "miou")] == pytest.approx([row["miou"] for row in history])
    for index in range(4):
        assert [row.id for row in reader.get_data("image", f"validation/{index}")] == [1, 2]
    (file,) = (tmp_path / "tensorboard").iterdir()
    values = [(event.step, value) for event in tensorboard_events(file) for value in event.summary.value]
    curve = [(step, value.simple_value) for step, value in values if value.tag == "miou"]
    assert curve == [(i + 1, pytest.approx(row["miou"])) for i, row in enumerate(history)]
    pictures = [(step, value.tag) for step, value in values if value.HasField("image")]
    assert pictures == [(step, f"validation/{i}") for step in (1, 2) for i in range(4)]
    named = re.findall(r"<p>(\S+\.png): IoU (\d\.\d+)", (tmp_path / "report.html").read_text())
    assert {name for name, _ in named} == {str(sample.image) for sample in samples[:4]}
    assert [float(iou) for _, iou in named] == sorted(float(iou) for _, iou in named)


def test_a_killed_run_resumes_bit_for_bit(discs, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(train_command(discs, whole), cwd=ROOT, check=True)
    with subprocess.Popen(train_command(discs, broken), cwd=ROOT) as process:
        while not (broken / "epoch_2").exists():
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(float(np.random.default_rng().uniform(0, 1)))  # anywhere: in a step, an evaluation, a save
        process.kill()
    deadline = time.monotonic() + 10
    while subprocess.run(["pgrep", "-f", str(broken)], stdout=subprocess.DEVNULL).returncode == 0:
        assert time.monotonic() < deadline, "a worker outlives the run"
        time.sleep(0.1)
    subprocess.run(train_command(discs, broken, "--resume_checkpoint", broken), cwd=ROOT, check=True)
    for name in ("raw.pdparams", "model.pdparams"):
        one, two = (read_params(folder / "epoch_6" / name) for folder in (whole, broken))
        assert all(np.array_equal(one[key], two[key]) for key in one), name
