import numpy as np
import paddle
import pytest
from conftest import ROOT

import human_segmentation as hs
from human_segmentation.cli import run_command
from human_segmentation.errors import ModelError
from human_segmentation.export import artifact
from human_segmentation.export.artifact import ExportOptions, export_model
from human_segmentation.export.parity import Parity, compare
from human_segmentation.inference.engines import ENGINES, load_engine
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.hrnet import HumanSegMobile
from human_segmentation.models.zoo import build_network
from human_segmentation.training.engine import NetworkEngine

CONFIG = ModelConfig("HumanSegMobile", "Normal", Preprocess(64, 48))


@pytest.fixture(scope="module")
def network():
    paddle.seed(1)
    return HumanSegMobile()


def test_every_engine_computes_what_the_network_does(network, tmp_path):
    pytest.importorskip("paddle2onnx")
    parities = export_model(network, CONFIG, tmp_path / "out")
    assert set(parities) == set(ENGINES)
    assert max(parity.largest for parity in parities.values()) < 1e-4
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "__model__",
        "__params__",
        "model.yml",
        "model.onnx",
    }
    assert ModelConfig.read(tmp_path / "out").status == "Infer"
    # ... also at another size and for several photos at once
    tensor = np.random.default_rng(0).normal(size=(2, 3, 96, 80)).astype(np.float32)
    expected = NetworkEngine(network)(tensor)
    for name in ENGINES:
        assert np.abs(hs.load_model(tmp_path / "out", engine=name).engine(tensor) - expected).max() < 1e-4, name


@pytest.mark.parametrize("model", ["HumanSegMobile", "HumanSegServer", "PortraitNet"])
def test_openvino_computes_the_same_without_onnx(model, tmp_path):
    pytest.importorskip("paddle2onnx")
    paddle.seed(0)
    export_model(build_network(model), ModelConfig(model, "Normal", Preprocess(96, 96)), tmp_path / "out")
    tensor = np.random.default_rng(0).normal(size=(1, 3, 96, 64)).astype(np.float32)
    expected = load_engine(tmp_path / "out", "openvino")(tensor)
    (tmp_path / "out" / "model.onnx").unlink()
    np.testing.assert_array_equal(load_engine(tmp_path / "out", "openvino")(tensor), expected)


def test_size_batch_and_output_can_be_fixed(network, tmp_path):
    onnx = pytest.importorskip("onnx")
    photo = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    parities = export_model(network, CONFIG, tmp_path / "out", ExportOptions(True, 2, "argmax"), [photo])
    assert all(parity == Parity(0.0, 0.0, 1.0) for parity in parities.values())
    graph = onnx.load(str(tmp_path / "out" / "model.onnx")).graph
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [2, 3, 48, 64]
    assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.INT32
    for image_shape in (None, (96, 48)):  # two photos at once, and another size too
        with pytest.raises(ModelError, match=r"cannot run at .* on one photo"):
            hs.load_model(tmp_path / "out", engine="onnxruntime", image_shape=image_shape)


def test_a_fixed_input_has_its_whole_border(tmp_path):
    rules = Preprocess(96, 64, padding=128, coarsest_stride=32)
    portraitnet = build_network("PortraitNet", width=0.25)
    export_model(portraitnet, ModelConfig("PortraitNet", "Normal", rules, width=0.25), tmp_path, ExportOptions(True))
    model = hs.load_model(tmp_path)
    assert model.preprocess.resize(np.zeros((16, 96, 3), np.uint8)).shape == (64, 96, 3)
    assert model.alpha(np.zeros((16, 96, 3), np.uint8)).shape == (16, 96)


def test_a_model_that_gives_classes_gives_a_hard_alpha(network, tmp_path):
    pytest.importorskip("paddle2onnx")
    photo = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    export_model(network, CONFIG, tmp_path / "classes", ExportOptions(output="argmax"))
    export_model(network, CONFIG, tmp_path / "scores")
    expected = hs.load_model(tmp_path / "scores").score(photo) > 0.5
    assert 0 < expected.mean() < 1
    for engine in ENGINES:
        assert np.array_equal(hs.load_model(tmp_path / "classes", engine=engine).score(photo), expected), engine


def test_parity_is_measured_over_all_photos():
    person = np.array([[[0.1, 0.8]], [[0.4, 0.7]], [[0.6, 0.7]]], np.float32)
    first, second, third = np.stack([1 - person, person], axis=1)[:, None]
    scores, moved = [first, second], [first, third]
    found = compare(scores, moved)
    assert (found.largest, found.mean, found.iou) == pytest.approx((0.2, 0.05, 2 / 3))
    classes = compare(scores, [x.argmax(1) for x in moved])
    assert (classes.largest, classes.mean, classes.iou) == pytest.approx((0.2, 0.05, 2 / 3))


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_no_number_is_the_largest_difference(order):
    scores = [np.full((1, 2, 1, 1), 0.5, np.float32)] * 2
    assert np.isnan(compare(scores, [scores[0], scores[0] * np.nan][::order]).largest)


def test_weights_that_give_no_numbers_are_not_exported(network, tmp_path):
    """Each is a number, and the sums of its last layer are none."""
    wild = HumanSegMobile()
    wild.set_state_dict(network.state_dict() | {"conv_1.weight": network.conv_1.weight * 0 + 3e38})
    with pytest.raises(ModelError, match="the model's scores are no numbers, as its training ran away"):
        export_model(wild, CONFIG, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_wrong_conversion_is_not_left_behind(network, tmp_path, monkeypatch):
    before = artifact.to_onnx
    scores = artifact._Exported(HumanSegMobile(), "softmax")
    spec = paddle.static.InputSpec([None, 3, None, None], "float32", "image")

    def wrong(program, params, path):
        other = tmp_path / "other"
        with paddle.pir_utils.OldIrGuard():
            paddle.jit.save(scores, str(other), input_spec=[spec])
        before(other.with_suffix(".pdmodel"), other.with_suffix(".pdiparams"), path)

    pytest.importorskip("paddle2onnx")
    monkeypatch.setattr(artifact, "to_onnx", wrong)
    with pytest.raises(ModelError, match="differ by"):
        export_model(network, CONFIG, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / ".out.partial").exists()


def test_an_older_export_survives_a_failed_one(network, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("keep")
    monkeypatch.setattr(artifact, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="nothing was exported"):
        export_model(network, CONFIG, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "mine").read_text() == "keep"


@pytest.mark.parametrize(
    ("model", "flags", "sentence"),
    [
        ("portraitnet", ["--fixed_input_shape", "[100,100]"], "--fixed_input_shape 100 100: this network takes mult"),
        (
            "portraitnet",
            ["--fixed_input_shape", "[99999,32]"],
            "--fixed_input_shape 99999 32: both numbers must be fro",
        ),
        (
            "humanseg_mobile",
            ["--format", "paddlex3", "--output_op", "softmax"],
            "--output_op softmax: PaddleX 3 takes cl",
        ),
    ],
)
def test_flags_that_do_not_go(tmp_path, capsys, model, flags, sentence):
    trained = str(ROOT / "pretrain_weights" / f"{model}_params")
    assert run_command("export", ["--model_dir", trained, "--save_dir", str(tmp_path / "out"), *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {sentence}")
    assert not list(tmp_path.iterdir())
