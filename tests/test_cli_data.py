"""The commands on lists of photos: eval.py, infer.py, export.py and train.py's flags."""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import ROOT, files_of

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
    cv2.imwrite(str(folder / "soft.png"), cv2.GaussianBlur(label, (9, 9), 0))
    (folder / "soft.txt").write_text("my photos/one.png soft.png\n")
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


def test_eval_shows_shares_in_percent_and_sums_in_thousands(lists, tmp_path):
    flags = ["--data_dir", lists, "--val_list", lists / "soft.txt", "--json", tmp_path / "metrics.json"]
    output = succeed("eval.py", "--model_dir", EXPORTED, *flags)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    shown = [re.fullmatch(r"(\w+) +([\d.]+) (%|thousand)", line).groups() for line in output.splitlines()]
    assert [name for name, _, _ in shown] == list(metrics)
    assert [name for name, _, unit in shown if unit == "thousand"] == ["gradient_error", "connectivity_error"]
    for name, value, unit in shown:
        assert value == f"{metrics[name] * (100 if unit == '%' else 1):.2f}"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("eval.py", "folder of a trained or an exported model;"),
        ("infer.py", "folder of a trained or an exported model;"),
        ("video_infer.py", "folder of an exported model;"),
    ],
)
def test_help_says_which_models_there_can_be(script, words):
    assert words in " ".join(succeed(script, "--help").split())


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


def test_infer_keeps_all_results_in_its_folders(tmp_path):
    """The list is as `humanseg convert` writes it, and has a photo by its whole path, and a link."""
    data, results = tmp_path / "set", tmp_path / "results"
    for name in ("photos/a.png", "photos/b.jpg", "set/converted/c.png", "elsewhere/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((32, 48, 3), 90, np.uint8))
    (data / "link.png").symlink_to("../elsewhere/a.png")
    rows = ["../photos/a.png", f"{tmp_path}/photos/b.jpg", "converted/c.png", "link.png", "converted/../link.png"]
    (data / "list.txt").write_text("\n".join(rows))
    before = files_of(tmp_path)
    flags = ["--data_dir", data, "--test_list", data / "list.txt", "--save_dir", results]
    assert succeed("infer.py", *flags).endswith(f"{results}: 5 photos\n")
    after = files_of(tmp_path)
    assert {name: content for name, content in after.items() if name in before} == before
    assert {name.removeprefix("results/") for name in after.keys() - before.keys()} == {
        *(f"{kind}/{n}" for kind in ("added", "scoremap") for n in ("photos/a.png", "photos/b.jpg")),
        *(f"{kind}/set/{n}" for kind in ("added", "scoremap", "mat") for n in ("converted/c.png", "link.png")),
        *(f"mat/photos/{n}" for n in ("a.png", "b.png")),
    }


def test_infer_on_photos_whose_kind_cannot_be_written(tmp_path):
    photo = cv2.imencode(".jpg", np.full((32, 48, 3), 90, np.uint8))[1].tobytes()
    for name in ("a.jfif", "b"):
        (tmp_path / name).write_bytes(photo)
    (tmp_path / "list.txt").write_text("a.jfif\nb\n")
    flags = ["--data_dir", tmp_path, "--test_list", tmp_path / "list.txt", "--save_dir", tmp_path / "out"]
    assert succeed("infer.py", *flags).endswith("out: 2 photos\n")
    assert set(files_of(tmp_path / "out")) == {
        f"{kind}/{name}.png" for kind in ("added", "scoremap", "mat") for name in "ab"
    }


@pytest.mark.parametrize("flags", [["--engine", "onnxruntime"], ["--threads", 1]])
def test_a_trained_model_runs_on_paddle_alone(lists, flags):
    message = fail("eval.py", "--model_dir", TRAINED, "--data_dir", lists, "--val_list", lists / "val.txt", *flags)
    assert message.startswith(f"error: {TRAINED}: a trained model runs on Paddle as it is; leave --engine")


@pytest.mark.parametrize(
    ("photos", "rows", "data", "sentence"),
    [
        (
            ["a.jpg", "a.png"],
            "a.jpg\na.png\n",
            "",
            "{0}/a.jpg and {0}/a.png: both cut-outs would be {0}/mat/a.png; rename one or take it out of the list",
        ),
        (
            ["added/a.png"],
            "a.png\n",
            "added",
            "{0}/added/a.png: the result would overwrite what the list names; choose another --save_dir",
        ),
        (
            ["photos/a.jpg", "mat/a.png"],
            "a.jpg ../mat/a.png\n",
            "photos",
            "{0}/mat/a.png: the result would overwrite what the list names; choose another --save_dir",
        ),
    ],
)
def test_infer_overwrites_neither_photos_nor_labels_nor_results(tmp_path, photos, rows, data, sentence):
    for name in photos:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((32, 48, 3), np.uint8))
    (tmp_path / "list.txt").write_text(rows)
    before = files_of(tmp_path)
    flags = ["--data_dir", tmp_path / data, "--test_list", tmp_path / "list.txt", "--save_dir", tmp_path]
    assert fail("infer.py", *flags) == f"error: {sentence.format(tmp_path)}"
    assert files_of(tmp_path) == before


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


@pytest.mark.parametrize("weight", ["often", "0", "-1", "nan", "inf", "1000.1", "1e12", "1e300"])
def test_impossible_weights_of_a_list(lists, weight):
    entry = f"{lists / 'val.txt'}={weight}"
    assert fail("train.py", "--val_list", lists / "val.txt", "--dataset", entry) == (
        f"error: --dataset {entry}: the weight is no number above 0 and at most 1000; write LIST or LIST=2.5"
    )


@pytest.mark.parametrize("place", ["a folder", "a name below a file"])
def test_a_place_for_metrics_is_tried_before_the_work(lists, tmp_path, place):
    path = tmp_path if place == "a folder" else lists / "val.txt" / "metrics.json"
    options = ["--data_dir", lists, "--val_list", lists / "val.txt", "--json", path]
    result = command("eval.py", *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {path}: this is a folder; give" if place == "a folder" else "error: ")


def test_a_full_disk_for_what_is_printed(lists):
    options = ["--data_dir", str(lists), "--val_list", str(lists / "val.txt")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "eval.py", *options], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.stderr == "error: what is printed: No space left on device; give another path\n"
    assert done.returncode == 2


def test_train_refuses_weights_of_another_model(lists, tmp_path):
    data = ["--data_dir", lists, "--train_list", lists / "val.txt", "--val_list", lists / "val.txt"]
    flags = [*data, "--save_dir", tmp_path / "out", "--batch_size", 1, "--image_shape", 32, 32]
    message = fail("train.py", *flags, "--model_type", "PortraitNet", "--pretrain_weights", TRAINED)
    assert "encoder.stem.conv.weight is missing" in message
    assert "--model_type" in fail("train.py", *flags, "--no_boundary_loss")
    assert "--image_shape 0 32" in fail("train.py", *flags, "--image_shape", 0, 32)
    assert not (tmp_path / "out").exists()
