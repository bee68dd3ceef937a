"""Models of PaddleX 1.x: real ones, in every form, against PaddleX's own scores."""

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
from conftest import ROOT, names
from fixtures.paddlex_server import parameter

import human_segmentation as hs
from human_segmentation.cli import run_command
from human_segmentation.export.legacy import import_legacy
from human_segmentation.inference.engines import ENGINES
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.predictor import Predictor
from human_segmentation.models.deeplabv3p import HumanSegServer
from human_segmentation.models.hrnet import HumanSegMobile
from human_segmentation.models.legacy import paddlex_name, read_trained
from human_segmentation.models.weights import read_params
from human_segmentation.training.checkpoint import load_network
from human_segmentation.training.engine import NetworkEngine

EXPORTED = ["__model__", "__params__", "model.onnx", "model.yml"]


def assert_reproduces(predictor: Predictor, legacy: Path, folder: str) -> None:
    """Compares with what PaddleX computed: within 1e-4, or for a quantised model in which last bits make roundings."""
    data = np.load(legacy / "expected.npz")
    expected = data[f"score_{folder}"]
    score = predictor.score(data["image_bgr_192"])
    assert score.std() > 0.05  # a constant would say nothing
    if folder != "mobile_quant":
        assert np.abs(score - expected).max() < 1e-4
        return
    person, found = expected > 0.5, score > 0.5
    assert person.sum() > 500
    assert (person & found).sum() / (person | found).sum() >= 0.98
    assert np.abs(score - expected).max() < 0.01


@pytest.fixture(scope="module")
def imported(legacy, tmp_path_factory):
    pytest.importorskip("paddle2onnx")
    folder = tmp_path_factory.mktemp("imported")
    for name in ("mobile_params", "mobile_inference", "mobile_quant"):
        import_legacy(legacy / name, folder / name)
    return folder


@pytest.mark.parametrize("folder", ["mobile_inference", "mobile_quant"])
def test_runs_on_paddle_as_it_is(legacy, capsys, folder):
    model = hs.load_model(legacy / folder)
    assert f"python -m human_segmentation.export.legacy {legacy / folder} output/imported" in capsys.readouterr().out
    assert_reproduces(model, legacy, folder)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("folder", ["mobile_inference", "mobile_quant"])
def test_runs_on_every_engine_when_imported(legacy, imported, folder, engine):
    assert names(imported / folder) == EXPORTED
    assert ModelConfig.read(imported / folder).status == ("Quant" if folder == "mobile_quant" else "Infer")
    assert_reproduces(hs.load_model(imported / folder, engine=engine), legacy, folder)


def test_a_trained_model_stays_one(legacy, imported):
    folder = imported / "mobile_params"
    assert names(folder) == ["metrics.json", "model.pdparams", "model.yml"]
    assert json.loads((folder / "metrics.json").read_text()) == {"miou": 0.45856179021885385}
    network, config = load_network(folder)
    assert config == ModelConfig(
        "HumanSegMobile", "Normal", config.preprocess, epochs=2, metrics={"miou": 0.45856179021885385}
    )
    assert (config.preprocess.width, config.preprocess.color, config.preprocess.interp) == (192, "BGR", "LINEAR")
    assert_reproduces(Predictor(NetworkEngine(network), config.preprocess), legacy, "mobile_params")


@pytest.mark.parametrize("folder", ["mobile_params", "mobile_inference", "mobile_quant"])
def test_is_a_trained_model_without_an_import(legacy, folder):
    network, config = load_network(legacy / folder)
    assert_reproduces(Predictor(NetworkEngine(network), config.preprocess), legacy, folder)


def lod_tensor(values):
    """What paddle 1.8 writes for one parameter; in the shapes here, all numbers take one or two bytes."""
    sides = b"".join(
        bytes([16, side]) if side < 128 else bytes([16, side & 127 | 128, side >> 7]) for side in values.shape
    )
    return struct.pack("<IQIi", 0, 0, 0, len(sides) + 2) + b"\x08\x05" + sides + values.tobytes()


def params_of(folder, network):
    return {name: values.tobytes() for name, values in read_trained(folder, network).items()}


def test_all_forms_hold_the_same(legacy, tmp_path):
    network = HumanSegMobile()
    source = legacy / "mobile_params" / "model.pdparams"
    expected = params_of(legacy / "mobile_params", network)
    assert len(expected) == 361
    assert params_of(source, network) == expected
    assert params_of(legacy / "mobile_inference", network) == expected

    (tmp_path / "combined").mkdir()
    shutil.copy(legacy / "mobile_inference" / "__params__", tmp_path / "combined")
    assert params_of(tmp_path / "combined", network) == expected

    (tmp_path / "separate").mkdir()
    for name, values in read_params(source).items():
        (tmp_path / "separate" / name).write_bytes(lod_tensor(values))
        (tmp_path / "separate" / f"{name}_velocity_0").write_bytes(lod_tensor(values))  # the optimiser's are no matter
    assert params_of(tmp_path / "separate", network) == expected


def test_files_of_the_server_lie_in_folders(tmp_path):
    network = HumanSegServer()
    expected = {}
    for name in ("encoder.aspp1.depthwise.bn._mean", "logit.bias", "xception_65.entry_flow.conv1.conv.weight"):
        theirs = paddlex_name("HumanSegServer", name)
        expected[name] = parameter(theirs, tuple(network.state_dict()[name].shape))
        (tmp_path / theirs).parent.mkdir(parents=True)
        (tmp_path / theirs).write_bytes(lod_tensor(expected[name]))
    found = read_trained(tmp_path, network)
    assert sorted(found) == sorted(expected)
    assert all(np.array_equal(found[name], values) for name, values in expected.items())


def test_quantised_weights_are_within_half_a_step(legacy):
    network = HumanSegMobile()
    exact = read_trained(legacy / "mobile_params", network)
    found = read_trained(legacy / "mobile_quant", network)
    for name, values in exact.items():
        if name.endswith("weight") and values.ndim == 4:
            steps = np.abs(values).max((1, 2, 3), keepdims=True) / 127
            assert np.abs(found[name] - values).max() > 0
            assert (np.abs(found[name] - values) <= 0.501 * steps).all(), name
        else:
            assert np.array_equal(found[name], values), name


def test_one_output_of_a_dice_model_becomes_two(legacy, tmp_path):
    """PaddleX gives such a model the scores 1 - sigmoid(x) and sigmoid(x): those of two outputs that differ by x."""
    source = legacy / "mobile_params"
    params = read_params(source / "model.pdparams")
    weight = params["conv-1_weights"]
    params["conv-1_weights"] = weight[1:] - weight[:1]
    shutil.copy(source / "model.yml", tmp_path)
    paddle.save(params, str(tmp_path / "model.pdparams"))
    network, config = load_network(tmp_path)
    assert_reproduces(Predictor(NetworkEngine(network), config.preprocess), legacy, "mobile_params")


def test_the_command(legacy, tmp_path):
    command = [sys.executable, "-m", "human_segmentation.export.legacy"]
    done = subprocess.run(
        [*command, legacy / "mobile_params", tmp_path / "out"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "out")
    assert names(tmp_path / "out") == ["metrics.json", "model.pdparams", "model.yml"]
    failed = subprocess.run([*command, tmp_path, tmp_path / "other"], cwd=ROOT, capture_output=True, text=True)
    assert failed.returncode == 2
    assert failed.stderr.startswith(f"error: {tmp_path}/model.yml: the file is missing")
    assert len(failed.stderr.splitlines()) == 1


def test_export_and_training_take_it(legacy, discs, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    pytest.importorskip("paddle2onnx")
    source = str(legacy / "mobile_params")
    assert run_command("export", ["--model_dir", source, "--save_dir", str(tmp_path / "exported")]) == 0
    assert_reproduces(hs.load_model(tmp_path / "exported", engine="openvino"), legacy, "mobile_params")
    lists = ["--data_dir", str(discs), "--train_list", str(discs / "train.txt"), "--val_list", str(discs / "train.txt")]
    flags = ["--num_epochs", "1", "--batch_size", "4", "--learning_rate", "1e-30", "--image_shape", "64", "64"]
    flags += ["--pretrain_weights", source, "--save_dir", str(tmp_path / "run")]
    assert run_command("train", [*lists, *flags]) == 0
    expected = read_trained(legacy / "mobile_params", HumanSegMobile())
    found = read_params(tmp_path / "run" / "best_model" / "model.pdparams")
    for name, values in expected.items():
        if not name.endswith(("_mean", "_variance")):  # which follow the photos
            assert np.allclose(found[name], values, atol=1e-6), name


def test_eval_and_infer_take_it(legacy, discs, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    metrics = {}
    for folder in ("mobile_params", "mobile_inference"):
        flags = ["--model_dir", str(legacy / folder), "--data_dir", str(discs), "--json", str(tmp_path / folder)]
        assert run_command("eval", [*flags, "--val_list", str(discs / "train.txt")]) == 0
        metrics[folder] = json.loads((tmp_path / folder).read_text())
    assert metrics["mobile_params"] == pytest.approx(metrics["mobile_inference"], abs=1e-4)
    flags = [
        "--model_dir",
        str(legacy / "mobile_params"),
        "--data_dir",
        str(discs),
        "--save_dir",
        str(tmp_path / "out"),
    ]
    assert run_command("infer", [*flags, "--test_list", str(discs / "train.txt")]) == 0
    assert names(tmp_path / "out") == ["added", "mat", "scoremap"]
