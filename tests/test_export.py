import numpy as np
import paddle
import pytest

import human_segmentation as hs
from human_segmentation.errors import ModelError
from human_segmentation.export import artifact
from human_segmentation.export.artifact import export_model
from human_segmentation.inference.engines import ENGINES
from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.models.hrnet import HumanSegMobile
from human_segmentation.training.engine import NetworkEngine

CONFIG = ModelConfig("HumanSegMobile", "Normal", Preprocess(64, 48))


@pytest.fixture(scope="module")
def network():
    paddle.seed(1)
    return HumanSegMobile()


def test_every_engine_computes_what_the_network_does(network, tmp_path):
    pytest.importorskip("paddle2onnx")
    differences = export_model(network, CONFIG, tmp_path / "out")
    assert set(differences) == set(ENGINES)
    assert max(differences.values()) < 1e-4
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


def test_a_wrong_conversion_is_not_left_behind(network, tmp_path, monkeypatch):
    before = artifact.to_onnx
    scores = artifact._Scores(HumanSegMobile())
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
