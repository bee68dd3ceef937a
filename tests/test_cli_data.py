"""The commands on lists of photos: eval.py, infer.py, export.py and train.py's flags."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from conftest import ROOT

TRAINED = "pretrain_weights/humanseg_mobile_params"
EXPORTED = "pretrain_weights/humanseg_mobile_inference"


def command(script, *args):
    return subprocess.run([sys.executable, script, *map(str, args)], cwd=ROOT, capture_output=True, text=True)


def succeed(script, *args):
    result = command(script, *args)
    assert result.returncode == 0, result.stderr
    return result.stdout


def fail(script, *args):
    result = command(script, *args)
    assert result.returncode == 2, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in result.stderr
    return line


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """The sample photo, with a rough label of the person."""
    folder = tmp_path_factory.mktemp("data set")
    photo = cv2.imread(str(ROOT / "data" / "human_image.jpg"))
    label = np.zeros(photo.shape[:2], np.uint8)
    cv2.ellipse(label, (226, 85), (72, 70), 0, 0, 360, 255, -1)
    cv2.ellipse(label, (200, 420), (170, 210), 0, 0, 360, 255, -1)
    (folder / "my photos").mkdir()
    cv2.imwrite(str(folder / "my photos" / "one.png"), photo)
    cv2.imwrite(str(folder / "one mask.png"), label)
    (folder / "val.txt").write_text("my photos/one.png one mask.png\r\n")
    (folder / "test.txt").write_text("my photos/one.png\n")
    return folder


def test_eval_measures_a_trained_and_an_exported_model_alike(lists, tmp_path):
    metrics = []
    for folder in (TRAINED, EXPORTED):
        data = ["--data_dir", lists, "--val_list", lists / "val.txt", "--image_shape", 192, 192, "--batch_size", 128]
        output = succeed("eval.py", "--model_dir", folder, *data, "--json", tmp_path / "metrics.json")
        metrics.append(json.loads((tmp_path / "metrics.json").read_text()))
        assert f"{100 * metrics[-1]['miou']:6.2f}" in output
    assert metrics[0]["miou"] > 0.7
    assert metrics[0] == pytest.approx(metrics[1], abs=1e-3)


def test_infer_writes_overlay_score_and_cutout(lists, tmp_path):
    flags = ["--model_dir", TRAINED, "--data_dir", lists, "--test_list", lists / "test.txt", "--save_dir", tmp_path]
    succeed("infer.py", *flags, "--image_shape", 192, 192)
    photo = cv2.imread(str(lists / "my photos" / "one.png"))
    score = cv2.imread(str(tmp_path / "scoremap" / "my photos" / "one.png"), cv2.IMREAD_GRAYSCALE)
    cutout = cv2.imread(str(tmp_path / "mat" / "my photos" / "one.png"), cv2.IMREAD_UNCHANGED)
    added = cv2.imread(str(tmp_path / "added" / "my photos" / "one.png"))
    assert np.array_equal(cutout[..., :3], photo)
    assert np.array_equal(cutout[..., 3], score)
    assert score[100, 230] > 230
    assert score[20, 330] < 25
    person, room = score > 128, score < 127
    assert np.array_equal(added[room], photo[room])
    assert np.abs(added[person] - (0.6 * photo[person] + 0.4 * np.array((0, 0, 128)))).max() <= 1


def test_export_of_the_shipped_weights_is_the_shipped_model(tmp_path):
    pytest.importorskip("paddle2onnx")
    succeed("export.py", "--model_dir", TRAINED, "--save_dir", tmp_path / "out")
    for name in ("__params__", "model.yml"):
        assert (tmp_path / "out" / name).read_bytes() == (ROOT / EXPORTED / name).read_bytes(), name


@pytest.mark.parametrize(
    ("script", "args", "words"),
    [
        ("eval.py", ["--val_list", "nowhere.txt"], "nowhere.txt"),
        ("eval.py", ["--model_dir", "data", "--val_list", "README.md"], "model.yml"),
        ("infer.py", ["--test_list", "nowhere.txt"], "nowhere.txt"),
        ("export.py", ["--model_dir", EXPORTED], "exported model; give a trained one"),
        ("train.py", ["--val_list", "nowhere.txt"], "--train_list"),
        ("train.py", ["--val_list", "x", "--dataset", "LICENSE=often"], "--dataset LICENSE=often"),
        ("train.py", ["--val_list", "x", "--train_list", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_bad_input(script, args, words):
    assert words in fail(script, *args)


def test_train_refuses_weights_of_another_model(lists, tmp_path):
    data = ["--data_dir", lists, "--train_list", lists / "val.txt", "--val_list", lists / "val.txt"]
    flags = [*data, "--save_dir", tmp_path / "out", "--batch_size", 1, "--image_shape", 32, 32]
    message = fail("train.py", *flags, "--model_type", "PortraitNet", "--pretrain_weights", TRAINED)
    assert "encoder.stem.conv.weight is missing" in message
    assert "--model_type" in fail("train.py", *flags, "--no_boundary_loss")
    assert "--image_shape 0 32" in fail("train.py", *flags, "--image_shape", 0, 32)
    assert not (tmp_path / "out").exists()
