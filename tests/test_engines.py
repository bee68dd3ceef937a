import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from conftest import ROOT

import human_segmentation as hs
from human_segmentation.errors import DeviceError, ModelError
from human_segmentation.inference import engines
from human_segmentation.inference.engines import ENGINES, load_engine

WEIGHTS = ROOT / "pretrain_weights"
QUANTIZED = WEIGHTS / "humanseg_mobile_quant"
EXPORTED = [
    WEIGHTS / f"{model}_{kind}" for model in ("humanseg_mobile", "portraitnet") for kind in ("inference", "quant")
]


def installed(name):
    return pytest.importorskip(ENGINES[name][1]) and name


@pytest.fixture(scope="module")
def photo():
    return cv2.imread(str(ROOT / "data" / "human_image.jpg"))


READERS = {"inference": ("openvino", "paddle"), "quant": ("openvino", "onnxruntime", "paddle")}
"""What runs the models that ship: of those in float, ONNX Runtime finds no file."""


@pytest.mark.parametrize("image_shape", [None, (256, 144)])
@pytest.mark.parametrize(
    ("kind", "tolerances"),
    # in INT8, Paddle has a file of its own, whose ranges are others
    [("inference", {"paddle": 1e-3}), ("quant", {"onnxruntime": 0.12, "paddle": 0.2})],
)
def test_engines_agree_on_the_shipped_model(photo, image_shape, kind, tolerances):
    folder = WEIGHTS / f"humanseg_mobile_{kind}"
    assert tuple(name for name in ENGINES if engines.model_files(folder, name)) == READERS[kind]
    scores = {}
    for name in READERS[kind]:
        installed(name)
        model = hs.load_model(folder, engine=name, threads=1, image_shape=image_shape)
        scores[name] = model.score(model.preprocess.resize(photo))
    assert scores["openvino"].shape == (image_shape or (192, 192))[::-1]
    assert scores["openvino"].max() > 0.9
    assert scores["openvino"].min() < 0.1
    for name, tolerance in tolerances.items():
        difference = np.abs(scores[name] - scores["openvino"])
        assert difference.max() < tolerance, name
        assert difference.mean() < min(tolerance, 0.15) / 20, name


def test_runs_what_paddlex_exported(legacy):
    installed("paddle")
    data = np.load(legacy / "expected.npz")
    model = hs.load_model(legacy / "mobile_inference")
    score = model.score(data["image_bgr_192"])
    assert np.abs(score - data["score_mobile_inference"]).max() < 1e-4


def test_what_ships_is_small():
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*")) < 40_000_000


@pytest.mark.parametrize("folder", EXPORTED, ids=lambda path: path.name)
def test_alpha_finds_the_person(photo, folder):
    installed("openvino")
    alpha = hs.load_model(folder).alpha(photo)
    assert alpha.dtype == np.float32
    assert alpha.shape == photo.shape[:2]
    assert 0 <= alpha.min() <= alpha.max() <= 1
    assert alpha[100, 230] > 0.9  # her forehead
    assert alpha[350, 200] > 0.9  # her suit
    assert alpha[20, 330] < 0.1  # the wall
    assert alpha[60, 80] < 0.1


def test_one_engine_for_several_sizes(shipped, photo):
    engine = load_engine(shipped, "openvino", 1)
    small = np.zeros((1, 3, 96, 96), np.float32)
    large = np.ones((2, 3, 128, 160), np.float32)
    first = engine(small)
    assert engine(large).shape == (2, 2, 128, 160)
    assert np.array_equal(engine(small), first)


@pytest.fixture
def broken(shipped, tmp_path):
    return shutil.copytree(shipped, tmp_path / "model")


def test_missing_folder(tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        hs.load_model(tmp_path / "nowhere")


def test_without_config(broken):
    (broken / "model.yml").unlink()
    with pytest.raises(ModelError, match=r"model\.yml: the file is missing"):
        hs.load_model(broken)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Transforms:", "Transforms: [", "broken"),
        ("TransformsMode: BGR", "TransformsMode: HSV", "HSV"),
        ("- Resize", "- Rotate", "Rotate is unknown"),
        ("num_classes: 2", "num_classes: many", "many"),
        ("status: Infer\n", "", "status"),
        ("interp: AREA", "interp: BEST", "BEST"),
        ("mean:\n    - 0.5\n    - 0.5\n", "mean:\n    - 0.5\n", "one value"),
        ("- 192\n    - 192", "- 192\n    - -3", "size"),
    ],
)
def test_broken_config(broken, old, new, reason):
    path = broken / "model.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ModelError, match=rf"model\.yml.*{reason}"):
        hs.load_model(broken)


@pytest.mark.parametrize("content", ["", "42", "- a\n- b\n", "\x00\x01"])
def test_config_that_is_no_mapping(broken, content):
    (broken / "model.yml").write_text(content)
    with pytest.raises(ModelError, match=r"model\.yml: the file is broken"):
        hs.load_model(broken)


def test_trained_model_where_an_exported_is_needed(broken):
    path = broken / "model.yml"
    path.write_text(path.read_text().replace("status: Infer", "status: Normal"))
    with pytest.raises(ModelError, match=r"python export\.py --model_dir"):
        hs.load_model(broken)


@pytest.mark.parametrize(("engine", "file"), [("onnxruntime", "model.onnx"), ("paddle", "__params__")])
def test_missing_file_of_the_model(broken, engine, file):
    installed(engine)
    (broken / file).unlink(missing_ok=True)
    with pytest.raises(ModelError, match=f"{file} is missing"):
        hs.load_model(broken, engine=engine)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"text", lambda _: bytes(1000)]
)
def test_damaged_model(broken, capfd, engine, damage):
    installed(engine)
    data = (QUANTIZED / "model.onnx").read_bytes()
    (broken / "model.onnx").write_bytes(damage(data))
    with pytest.raises(ModelError, match=r"cannot load the model|the file is empty"):
        hs.load_model(broken, engine=engine)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("missing", [1, 3_000_000])
@pytest.mark.parametrize("file", ["__model__", "__params__"])
def test_truncated_paddle_model(broken, file, missing):
    installed("paddle")
    data = (broken / file).read_bytes()
    (broken / file).write_bytes(data[: max(0, len(data) - missing)])
    with pytest.raises(ModelError, match=f"{file}: the (file|program) is damaged"):
        hs.load_model(broken, engine="paddle")


@pytest.mark.parametrize("missing", [1, 3_000_000])
@pytest.mark.parametrize("file", ["__model__", "__params__"])
def test_openvino_on_truncated_files_of_paddle(broken, file, missing):
    installed("openvino")
    data = (broken / file).read_bytes()
    (broken / file).write_bytes(data[: max(0, len(data) - missing)])
    with pytest.raises(ModelError, match="openvino cannot load the model"):
        hs.load_model(broken)


def test_auto_takes_what_has_its_files(broken):
    installed("paddle")
    for path in QUANTIZED.iterdir():
        shutil.copy(path, broken)
    (broken / "model.onnx").unlink()  # in Paddle's files OpenVINO does not know INT8
    assert isinstance(hs.load_model(broken).engine, engines.PaddleEngine)
    with pytest.raises(ModelError, match=r"model\.onnx is missing, which the engine openvino reads"):
        hs.load_model(broken, engine="openvino")
    (broken / "__model__").unlink()
    with pytest.raises(ModelError, match="neither"):
        hs.load_model(broken)


SIGNALLED = """
import os, signal
import human_segmentation as hs

signal.signal(signal.SIGINT, lambda *_: None)
first, second = (hs.load_model(engine="openvino") for _ in range(2))
del first
del second
os.kill(os.getpid(), signal.SIGINT)
"""


def test_a_signal_when_two_models_are_gone():
    installed("openvino")
    assert subprocess.run([sys.executable, "-c", SIGNALLED], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_that_an_engine_takes(threads):
    openvino, onnxruntime = (load_engine(QUANTIZED, installed(name), threads) for name in READERS["quant"][:2])
    compiled = openvino._compiled((1, 3, 192, 192)).get_compiled_model()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == threads
    assert onnxruntime._session.get_session_options().intra_op_num_threads == threads


def test_engine_that_is_not_installed(shipped, monkeypatch):
    monkeypatch.setitem(ENGINES, "onnxruntime", (engines.ONNXRuntimeEngine, "no_such_package", ("model.onnx",)))
    with pytest.raises(DeviceError, match="pip install onnxruntime"):
        hs.load_model(shipped, engine="onnxruntime")
