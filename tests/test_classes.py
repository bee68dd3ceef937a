"""More than two classes: what the commands make of a person in parts."""

import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import paddle
import pytest
from conftest import ROOT
from runs import make_discs, run, train_command

import human_segmentation as hs
from human_segmentation.cli.infer import class_colors
from human_segmentation.datasets.list_file import read_list
from human_segmentation.errors import ModelError
from human_segmentation.inference.engines import ENGINES
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.predictor import Predictor
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.deeplabv3p import HumanSegServer
from human_segmentation.models.hrnet import HumanSegMobile
from human_segmentation.models.portraitnet import PortraitNet
from human_segmentation.training.checkpoint import load_network
from human_segmentation.training.engine import NetworkEngine
from human_segmentation.training.initial import start_from


def command(*args):
    return subprocess.run(list(map(str, args)), cwd=ROOT, capture_output=True, text=True, timeout=300)


def succeed(*args):
    done = command(*args)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def fails(*args):
    done = command(*args)
    assert done.returncode == 2, done.stderr[-2000:]
    (line,) = done.stderr.splitlines()
    return line.removeprefix("error: ")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A folder with discs whose inner part is a class of its own."""
    folder = tmp_path_factory.mktemp("parts")
    make_discs(folder, classes=3)
    return folder


@pytest.fixture(scope="module")
def model(parts, tmp_path_factory):
    """A folder with a trained model, and the same exported to scores and to classes; what the training said."""
    folder = tmp_path_factory.mktemp("model")
    more = ["--dataset", f"{parts / 'train.txt'}=8", "--learning_rate", 0.005, "--tensorboard"]
    said = succeed(*train_command(parts, folder, "--num_classes", 3, *more))
    for name in ("softmax", "argmax"):
        flags = ["--model_dir", folder / "best_model", "--save_dir", folder / name, "--output_op", name]
        succeed(sys.executable, "export.py", *flags)
    return folder, said


def labels(parts):
    samples = read_list(parts / "val.txt", parts)
    return [(cv2.imread(str(s.image)), cv2.imread(str(s.label), cv2.IMREAD_GRAYSCALE)) for s in samples]


def test_training_learns_every_class(model):
    folder, said = model
    metrics = json.loads((folder / "best_model" / "metrics.json").read_text())
    assert min(metrics[f"{name}_iou"] for name in ("background", "class_1", "class_2", "person")) > 0.5
    assert f"mIoU {metrics['miou']:.4f}, class_1_iou {metrics['class_1_iou']:.4f}, class_2_iou" in said
    assert ModelConfig.read(folder / "best_model").num_classes == 3
    assert "<figcaption>class_2_iou</figcaption>" in (folder / "report.html").read_text()


@pytest.mark.parametrize("name", ["best_model", "softmax", "argmax"])
def test_eval_reports_every_class(parts, model, tmp_path, name):
    flags = ["--model_dir", model[0] / name, "--data_dir", parts, "--val_list", parts / "val.txt"]
    said = succeed(sys.executable, "eval.py", *flags, "--json", tmp_path / "metrics.json")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    predictor = hs.load_model(model[0] / ("argmax" if name == "argmax" else "softmax"))
    pairs = [(predictor.segment(photo)[1], label) for photo, label in labels(parts)]
    for number, key in enumerate(["background_iou", "class_1_iou", "class_2_iou"]):
        hits = sum(np.sum((found == number) & (label == number)) for found, label in pairs)
        union = sum(np.sum((found == number) | (label == number)) for found, label in pairs)
        assert metrics[key] == pytest.approx(hits / union, abs=2e-3)
        assert f"{key:26} {100 * metrics[key]:6.2f}" in said
    assert metrics["miou"] > 0.6


@pytest.mark.parametrize("engine", list(ENGINES))
def test_the_score_is_what_the_background_leaves(parts, model, engine):
    pytest.importorskip("paddle2onnx")
    soft, hard = (hs.load_model(model[0] / name, engine=engine) for name in ("softmax", "argmax"))
    network, config = load_network(model[0] / "best_model")
    trained = Predictor(NetworkEngine(network), config.preprocess, num_classes=3)
    resized = soft.preprocess.resize(labels(parts)[0][0])
    scores = soft.engine(soft.tensor(resized))
    assert scores.shape == (1, 3, 32, 32)
    assert np.array_equal(soft.score(resized), 1 - scores[0, 0])
    assert np.abs(soft.score(resized) - scores[0, 1:].sum(0)).max() < 1e-5
    assert np.abs(soft.score(resized) - trained.score(resized)).max() < 1e-3
    assert np.array_equal(hard.score(resized), scores[0].argmax(0) > 0)


def test_segment_takes_the_likeliest_class_where_a_person_is():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(4), (6, 8)).transpose(2, 0, 1).astype(np.float32)
    predictor = Predictor(lambda _: scores[None], Preprocess(8, 6), num_classes=4)
    alpha, classes = predictor.segment(np.zeros((6, 8, 3), np.uint8))
    assert np.array_equal(alpha, predictor.alpha(np.zeros((6, 8, 3), np.uint8)))
    for y, x in np.ndindex(6, 8):
        background, *others = scores[:, y, x]
        assert alpha[y, x] == 1 - background
        assert classes[y, x] == (1 + others.index(max(others)) if 1 - background > 0.5 else 0)
    assert set(np.unique(classes)) == {0, 1, 2, 3}


def test_infer_paints_every_class(parts, model, tmp_path):
    flags = ["--model_dir", model[0] / "softmax", "--data_dir", parts, "--test_list", parts / "val.txt"]
    succeed(sys.executable, "infer.py", *flags, "--save_dir", tmp_path)
    predictor = hs.load_model(model[0] / "softmax")
    photo = labels(parts)[0][0]
    alpha, classes = predictor.segment(photo)
    added, score, cutout = (
        cv2.imread(str(tmp_path / kind / "0.png"), cv2.IMREAD_UNCHANGED) for kind in ("added", "scoremap", "mat")
    )
    assert np.array_equal(score, (255 * alpha).round())
    assert np.array_equal(cutout, np.dstack([photo, score]))
    assert np.array_equal(added[classes == 0], photo[classes == 0])
    for number, color in ((1, (0, 0, 128)), (2, (0, 128, 0))):
        where = classes == number
        assert where.sum() > 20
        assert np.abs(added[where] - (0.6 * photo[where] + 0.4 * np.array(color))).max() <= 1


def test_colors_are_pascal_vocs():
    assert class_colors()[[0, 1, 2, 3, 4, 8, 15, 255], ::-1].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [0, 0, 128],
        [64, 0, 0],
        [192, 128, 128],
        [224, 224, 192],
    ]


def test_a_label_out_of_range(parts, model, tmp_path):
    data = shutil.copytree(parts, tmp_path / "data")
    label = cv2.imread(str(data / "2_mask.png"), cv2.IMREAD_GRAYSCALE)
    label[0, 0], label[1, 1] = 255, 3
    cv2.imwrite(str(data / "2_mask.png"), label)
    sentence = f"{data / '2_mask.png'}: the label has the value 3, and 3 classes are 0 to 2; write 0 for background"
    assert fails(*train_command(data, tmp_path / "run", "--num_classes", 3)).startswith(sentence)
    assert not (tmp_path / "run").exists()
    flags = ["--model_dir", model[0] / "softmax", "--data_dir", data, "--val_list", data / "val.txt"]
    assert fails(sys.executable, "eval.py", *flags).startswith(sentence)


@pytest.mark.parametrize("number", [0, 1, 256])
def test_a_number_of_classes_that_cannot_be(parts, tmp_path, number):
    said = fails(*train_command(parts, tmp_path / "run", "--num_classes", number))
    assert said == f"--num_classes {number}: labels have 2 to 255 classes; give 2 for background and person"
    assert not (tmp_path / "run").exists()


def test_portraitnet_learns_classes_with_all_its_losses(parts, tmp_path):
    samples = read_list(parts / "train.txt", parts)
    best = run(samples, tmp_path, model="PortraitNet", num_epochs=3, prior_channel=True, num_classes=3)
    history = json.loads((tmp_path / "epoch_3" / "progress.json").read_text())["history"]
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert best["class_2_iou"] > 0.15


@pytest.mark.parametrize("build", [HumanSegMobile, HumanSegServer, PortraitNet])
def test_weights_of_other_classes_leave_the_head_as_it_is(tmp_path, capsys, build):
    paddle.seed(1)
    old, new = build(2), build(3)
    paddle.save(old.state_dict(), str(tmp_path / "model.pdparams"))
    before = {name: value.numpy() for name, value in new.state_dict().items()}
    start_from(tmp_path, new, None, None)
    head = [name for name, value in new.state_dict().items() if value.shape != old.state_dict()[name].shape]
    first, second = (list(network.state_dict()[head[0]].shape) for network in (old, new))
    assert capsys.readouterr().out == (
        f"{tmp_path}: the parameter {head[0]} has the shape {first} and the network {second}; this layer starts at "
        "random, as the number of classes is another\n"
    )
    for name, value in new.state_dict().items():
        expected = before[name] if name in head else old.state_dict()[name].numpy()
        assert np.array_equal(value.numpy(), expected), name


def test_weights_that_differ_in_more_than_classes(tmp_path):
    paddle.save(PortraitNet(2, width=0.5).state_dict(), str(tmp_path / "model.pdparams"))
    words = r"encoder\.stem\.conv\.weight has the shape \[16, 3, 3, 3\] and the network \[32, 3, 3, 3\]"
    with pytest.raises(ModelError, match=words):
        start_from(tmp_path, PortraitNet(3), None, None)


def test_a_checkpoint_of_other_classes_is_none_to_go_on_from(samples, trained, tmp_path):
    words = r"raw\.pdparams: the parameter conv_1\.weight has the shape \[2, 240, 1, 1\] and the network \[3, 240"
    with pytest.raises(ModelError, match=words):
        run(samples, tmp_path, num_classes=3, resume_checkpoint=trained[0])
