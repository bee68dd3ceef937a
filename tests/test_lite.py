"""Conversion for Paddle Lite, in Paddle Lite itself where PADDLELITE_PYTHON, or the paddle_lite_opt on PATH, has it."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest
import yaml
from conftest import ROOT, files_of

from human_segmentation.cli import run_command
from human_segmentation.errors import DeviceError, ModelError
from human_segmentation.export.artifact import ExportOptions, export_model
from human_segmentation.export.lite import convert
from human_segmentation.export.lite_demo import demo_rules, demo_yaml
from human_segmentation.export.lite_program import add_labels, quantize_only_convolutions, seven_bit_weights
from human_segmentation.export.lite_tools import PaddleLite, find_paddle_lite
from human_segmentation.export.quantize_paddle import quantize_paddle
from human_segmentation.inference.engines import load_engine
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.predictor import load_model
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.zoo import build_network
from human_segmentation.paddle_files import arguments, parameter_names, read_program, read_tensors, tensor_bytes
from human_segmentation.photos import read_photo
from human_segmentation.shipped import sample_photo
from human_segmentation.training.recipes import RECIPES

PORTRAITNET = RECIPES["PortraitNet"].preprocess.resized(96, 96)
IN_FLOAT = "conv2d_5.w_0"
FLOAT, INT8 = b"1", b"2"  # Paddle Lite's numbers


@pytest.fixture(scope="module")
def python() -> Path:
    """The Python that has Paddle Lite."""
    if found := os.environ.get("PADDLELITE_PYTHON"):
        return Path(found)
    if found := shutil.which("paddle_lite_opt"):
        return Path(found).resolve().with_name("python")
    pytest.skip("Paddle Lite is not there")


@pytest.fixture(scope="module")
def photo():
    return read_photo(sample_photo())


@pytest.fixture(scope="module")
def quantized(shipped, photo, tmp_path_factory):
    """The model that ships in INT8, but for one layer."""
    folder = tmp_path_factory.mktemp("quantized") / "out"
    folder.mkdir()
    predictor = load_model(shipped, engine="paddle")
    tensors = [predictor.tensor(predictor.preprocess.resize(x)) for x in (photo, photo[:, ::-1], photo[::2])]
    quantize_paddle(shipped, folder, tensors, "avg", [IN_FLOAT])
    replace(ModelConfig.read(shipped), status="Quant").write(folder)
    return folder


def export(folder, name, rules, options):
    paddle.seed(0)
    export_model(build_network(name), ModelConfig(name, "Normal", rules), folder, options)
    return folder


@pytest.fixture(scope="module")
def portraitnet(tmp_path_factory):
    return export(tmp_path_factory.mktemp("portraitnet") / "out", "PortraitNet", PORTRAITNET, ExportOptions())


def read(folder):
    program = read_program(folder / "__model__")
    return program, read_tensors(folder / "__params__", parameter_names(program))


def write(folder, program, tensors):
    folder.mkdir()
    (folder / "__model__").write_bytes(program.SerializeToString())
    (folder / "__params__").write_bytes(b"".join(tensor_bytes(tensors[name]) for name in sorted(tensors)))
    return load_engine(folder, "paddle")


def scripts(folder, opt, python):
    """Stands for Paddle Lite in `folder`: two shell scripts."""
    folder.mkdir()
    for name, body in (("paddle_lite_opt", opt), ("python", python)):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return folder / "python"


def kernels(nb, operator):
    """How many kernels for arm (4) of each precision a file names for an operator."""
    return Counter(re.findall(rb"\0" + operator + rb"/\w+/4/(\d)/\d\0", nb))


def row(output, target):
    (line,) = [line.split() for line in output.splitlines() if line.startswith(target)]
    return line


def test_command_of_the_readme(python, shipped, tmp_path):
    call = [sys.executable, "deploy/lite/convert.py", "--model_dir", shipped, "--valid_targets", "arm", "x86"]
    call += ["--save_dir", tmp_path / "out", "--python", python]
    done = subprocess.run(list(map(str, call)), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    found = files_of(tmp_path / "out")
    assert set(found) == {
        "assets/model/HumanSegMobile_arm.nb",
        "assets/model/HumanSegMobile_x86.nb",
        "assets/config/HumanSegMobile.yml",
        "assets/images/test.jpg",
        "strings.xml",
    }
    for target in ("arm", "x86"):
        content = found[f"assets/model/HumanSegMobile_{target}.nb"]
        assert content[2:].startswith(b"v2.12\0")  # the header: what wrote it
        assert float(row(done.stdout, target)[1]) == round(len(content) / 1e6, 2)
        assert 6e6 < len(content) < 6.5e6
    _, _, largest, _, iou, *_ = row(done.stdout, "x86")
    assert float(largest) < 1e-4
    assert float(iou) > 0.9999
    assert "not run" in done.stdout
    assert found["assets/images/test.jpg"] == sample_photo().read_bytes()
    assert found["strings.xml"].decode() == (
        '<string name="MODEL_PATH_DEFAULT">model/HumanSegMobile_arm.nb</string>\n'
        '<string name="YAML_PATH_DEFAULT">config/HumanSegMobile.yml</string>\n'
    )
    assert yaml.safe_load(found["assets/config/HumanSegMobile.yml"]) == {
        "Model": "HumanSegMobile",
        "TransformsMode": "BGR",
        "Transforms": [
            {"Resize": {"target_size": [192, 192], "interp": "AREA"}},
            {"Normalize": {"mean": [0.5] * 3, "std": [0.5] * 3}},
        ],
        "_Attributes": {"model_type": "segmenter", "num_classes": 2, "labels": ["background", "person"]},
    }


def test_int8_with_a_layer_in_float(python, quantized, tmp_path):
    report = convert(quantized, ["arm"], tmp_path / "out", find_paddle_lite(python))
    assert report.quantized
    assert not report.stretched
    assert report.parity.iou > 0.99 > report.least_iou
    assert 1e6 < report.sizes["arm"] < 2e6
    nb = (tmp_path / "out/assets/model/HumanSegMobile_arm.nb").read_bytes()
    assert len(nb) == report.sizes["arm"]
    assert kernels(nb, b"conv2d") == {FLOAT: 1, INT8: 72}


@pytest.mark.parametrize("status", ["fp32", "INT8"])
def test_portraitnet(python, portraitnet, photo, tmp_path, status):
    """Its transposed convolutions stay in float."""
    folder = portraitnet
    if status == "INT8":
        folder = tmp_path / "INT8"
        folder.mkdir()
        tensors = [PORTRAITNET.normalize(PORTRAITNET.resize(photo)[None])]
        quantize_paddle(portraitnet, folder, tensors, "abs_max")
        shutil.copyfile(portraitnet / "model.yml", folder / "model.yml")
    report = convert(folder, ["arm"], tmp_path / "out", find_paddle_lite(python), [photo[:, :200]])
    assert report.parity.iou >= report.least_iou
    assert report.quantized == (status == "INT8")
    assert report.stretched
    nb = (tmp_path / "out/assets/model/PortraitNet_arm.nb").read_bytes()
    assert kernels(nb, b"conv2d_transpose") == {FLOAT: 5}
    assert kernels(nb, b"conv2d") == {FLOAT if status == "fp32" else INT8: 50}


def test_a_model_of_paddlex_1_as_it_is(python, legacy, tmp_path, capsys):
    report = convert(legacy / "mobile_inference", ["x86"], tmp_path / "out", find_paddle_lite(python))
    assert report.parity.largest < 1e-4
    assert report.parity.iou > 0.9999
    with pytest.raises(ModelError, match=r"human_segmentation\.export\.legacy, and quantise it"):
        convert(legacy / "mobile_quant", ["x86"], tmp_path / "quant", find_paddle_lite(python))


def test_what_opt_says_is_quoted(python, quantized, shipped, tmp_path, monkeypatch):
    """An INT8 model as Paddle wrote it has a convolution that reads rounded values and float weights."""
    monkeypatch.setattr("human_segmentation.export.lite.quantize_only_convolutions", lambda *_: True)
    with pytest.raises(ModelError, match=r"out: Paddle Lite does not take the model \(Check failed: .*weight_scale"):
        convert(quantized, ["arm"], tmp_path / "out", find_paddle_lite(python))
    assert list(tmp_path.iterdir()) == []


def test_only_the_reason_is_quoted(shipped, tmp_path):
    line = "[F 11/22  4:37: 9.892 ...mir/static_kernel_pick_pass.cc:180 Apply] Check failed: No kernels found for round"
    python = scripts(tmp_path / "bin", f"echo Loading; echo '{line}' >&2; exit 134", "echo v2.12")
    tools = PaddleLite(python.with_name("paddle_lite_opt"), python)
    with pytest.raises(ModelError, match=r"take the model \(Check failed: No kernels found for round\); export or"):
        convert(shipped, ["arm"], tmp_path / "out", tools)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


class Wrong(PaddleLite):
    """A Paddle Lite that finds people everywhere."""

    def optimize(self, program, params, target, nb):
        nb.write_bytes(b"nb")

    def run(self, nb, tensors, folder):
        ones = np.ones_like(tensors[0][:, :1])
        return [(np.ones(ones[:, 0].shape, np.int64), np.concatenate([0 * ones, ones], axis=1)) for _ in tensors]


def test_a_wrong_mask_leaves_nothing_behind(shipped, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "strings.xml").write_text("older")
    with pytest.raises(
        ModelError, match=r"have an IoU of 0\.\d+ with Paddle's, less than 0\.99, and nothing was written"
    ):
        convert(shipped, ["arm"], tmp_path / "out", Wrong(Path(), Path()))
    assert files_of(tmp_path) == {"out/strings.xml": b"older"}


def test_labels_come_first(shipped, photo, tmp_path):
    program, tensors = read(shipped)
    add_labels(shipped, program)
    engine = write(tmp_path / "two", program, tensors)
    outputs = engine._predictor.get_output_names()
    assert len(outputs) == 2
    predictor = load_model(shipped, engine="paddle")
    tensor = predictor.tensor(predictor.preprocess.resize(photo))
    scores = engine(tensor)
    assert np.abs(scores - predictor.engine(tensor)).max() < 1e-5
    labels = engine._predictor.get_output_handle(outputs[0]).copy_to_cpu()
    assert labels.dtype == np.int64
    assert np.array_equal(labels, scores.argmax(1))
    assert 0.1 < labels.mean() < 0.9


def test_only_convolutions_round(quantized, photo, tmp_path):
    program, tensors = read(quantized)
    assert quantize_only_convolutions(program, tensors)
    rounded = {a for op in program.blocks[0].ops if op.type == "dequantize_linear" for a in arguments(op.outputs, "Y")}
    readers = [op for op in program.blocks[0].ops if any(rounded.intersection(slot.arguments) for slot in op.inputs)]
    assert {op.type for op in readers} == {"conv2d"}
    assert len(readers) == 72
    assert IN_FLOAT not in {name for op in readers for name in arguments(op.inputs, "Filter")}
    # The scores move as little as by other calibration photos.
    predictor = load_model(quantized, engine="paddle")
    tensor = predictor.tensor(predictor.preprocess.resize(photo))
    scores = write(tmp_path / "changed", program, tensors)(tensor)
    assert np.abs(scores - predictor.engine(tensor)).mean() < 0.005
    assert not quantize_only_convolutions(*read(ROOT / "pretrain_weights" / "humanseg_mobile_inference"))


def test_seven_bits(quantized):
    program, tensors = read(quantized)
    changed = seven_bit_weights(program, tensors)
    names = [name for name, values in tensors.items() if values.dtype == np.int8]
    assert len(names) == 72
    for name in names:
        assert 60 <= np.abs(changed[name].astype(int)).max() <= 64
        scale, half = tensors[f"{name}@scale"].reshape(-1), changed[f"{name}@scale"].reshape(-1)
        before = tensors[name] * scale.reshape(-1, 1, 1, 1)
        error = np.abs(changed[name] * half.reshape(-1, 1, 1, 1) - before)
        assert (error <= 1.001 * scale.reshape(-1, 1, 1, 1)).all()
    others = set(tensors) - set(names) - {f"{name}@scale" for name in names}
    assert all(changed[name] is tensors[name] for name in others)


def demo_tensor(content, photo):
    """What the demo makes of a photo: the steps of its Transforms.java, in float32."""
    image = photo[..., ::-1] if content["TransformsMode"] == "RGB" else photo
    resize, normalize = (next(iter(step.values())) for step in content["Transforms"])
    interp = getattr(cv2, f"INTER_{resize['interp']}")
    image = cv2.resize(image.astype(np.float32), tuple(resize["target_size"]), interpolation=interp)
    image = (image / 255 - np.float32(normalize["mean"])) / np.float32(normalize["std"])
    return image.transpose(2, 0, 1)[None]


@pytest.mark.parametrize(
    "rules",
    [
        Preprocess(192, 192),
        Preprocess(96, 96, "RGB", (0.2, 0.3, 0.4), (0.1, 0.2, 0.3), interp="LINEAR"),
        Preprocess(96, 96, mean=(0, 1, 0.5), std=(1, 2, 3), min_val=(10, 0, 5), max_val=(200, 255, 128)),
        replace(PORTRAITNET, padding=None),
    ],
)
def test_the_demo_computes_the_networks_input(rules, photo):
    config = ModelConfig("HumanSegMobile", "Infer", rules)
    text = demo_yaml(config, demo_rules(Path("out"), config))
    normalize = yaml.safe_load(text)["Transforms"][1]["Normalize"]
    assert {type(x) for x in normalize["mean"] + normalize["std"]} == {float}  # Java casts no Integer to Double
    found, expected = demo_tensor(yaml.safe_load(text), photo), rules.normalize(rules.resize(photo)[None])
    # It does not round the resized photo to whole levels of brightness.
    level = 1 / (np.subtract(rules.max_val, rules.min_val) * rules.std)
    assert (np.abs(found - expected).max((0, 2, 3)) < level).all()


def classes_only(folder):
    export(folder, "HumanSegMobile", Preprocess(64, 64), ExportOptions(output="argmax"))


def not_square(folder):
    source = shutil.copytree(ROOT / "pretrain_weights" / "humanseg_mobile_inference", folder)
    replace(ModelConfig.read(source), preprocess=Preprocess(96, 64)).write(folder)


def trained(folder):
    shutil.copytree(ROOT / "pretrain_weights" / "humanseg_mobile_params", folder)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (classes_only, "gives classes and the demo draws scores; export it without --output_op argmax"),
        (not_square, r"input is 96x64 .* export\.py --fixed_input_shape \[192,192\]"),
        (trained, r"this is a trained model and an exported one is needed; run: python export\.py"),
        (Path, "the model folder does not exist"),
    ],
)
def test_models_that_cannot_be_converted(make, sentence, tmp_path):
    make(tmp_path / "model")
    with pytest.raises(ModelError, match=sentence) as error:
        convert(tmp_path / "model", ["arm"], tmp_path / "out", PaddleLite(Path("opt"), Path("python")))
    assert str(error.value).startswith(str(tmp_path / "model"))
    assert not (tmp_path / "out").exists()


def test_a_prior_channel_is_refused():
    with pytest.raises(ModelError, match="does not give it; train one without --prior_channel"):
        demo_rules(Path("model"), ModelConfig("PortraitNet", "Infer", PORTRAITNET, prior_channel=True))


@pytest.mark.parametrize("file", ["__model__", "__params__"])
def test_a_truncated_model(shipped, tmp_path, file, capsys):
    model = shutil.copytree(shipped, tmp_path / "model")
    (model / file).write_bytes((shipped / file).read_bytes()[:50000])
    python = scripts(tmp_path / "bin", "echo v2.12", "echo v2.12")
    flags = ["--model_dir", str(model), "--python", str(python), "--save_dir", str(tmp_path / "out")]
    assert run_command("lite", flags) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"error: {model / file}: ")
    assert errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_paddle_lite_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match=r"in a Python 3\.7 run: pip install paddlelite==2\.12, .* --python"):
        find_paddle_lite()
    python = scripts(
        tmp_path / "bin", "echo v2.12", "echo \"ModuleNotFoundError: No module named 'paddlelite'\" >&2; exit 1"
    )
    with pytest.raises(
        DeviceError, match=r"does not start there \(No module named 'paddlelite'\); in a Python 3\.7 run"
    ):
        find_paddle_lite(python)
    python.unlink()
    with pytest.raises(DeviceError, match=r"does not start there \(\[Errno 2\] No such file"):
        find_paddle_lite(python)


def test_opt_of_another_version_is_refused(tmp_path, monkeypatch):
    python = scripts(tmp_path / "bin", "echo v2.11", "echo v2.12")
    with pytest.raises(DeviceError, match=r"opt is of the version v2\.11 and the runtime of \S+ of v2\.12.*--python"):
        find_paddle_lite(python)
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\necho v2.11\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_paddle_lite() == PaddleLite(tmp_path / "bin" / "paddle_lite_opt", python)


def test_an_unknown_target(capsys):
    with pytest.raises(SystemExit) as error:
        run_command("lite", ["--valid_targets", "mips"])
    assert error.value.code == 2
    assert "invalid choice: 'mips' (choose from" in capsys.readouterr().err
