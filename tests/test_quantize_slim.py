"""Quantisation through PaddleSlim; runs where that is installed."""

import numpy as np
import pytest
from conftest import ROOT

from human_segmentation.export import quantize_paddle
from human_segmentation.export.artifact import export_model
from human_segmentation.inference.engines import load_engine
from human_segmentation.training.checkpoint import load_network

quant = pytest.importorskip("paddleslim.quant")


def test_paddleslim_gives_what_paddle_gives(tmp_path, monkeypatch):
    network, config = load_network(ROOT / "pretrain_weights" / "humanseg_mobile_params")
    export_model(network, config, tmp_path / "float")
    tensors = list(np.random.default_rng(0).standard_normal((2, 1, 3, 192, 192), np.float32))
    calls = []
    slim = quant.quant_post_static

    def recorded(**options):
        calls.append(options["algo"])
        slim(**options)

    monkeypatch.setattr(quant, "quant_post_static", recorded)
    outputs = {}
    for name in ("slim", "paddle"):
        folder = tmp_path / name
        folder.mkdir()
        quantize_paddle.quantize_paddle(tmp_path / "float", folder, tensors, "hist", ["layer1_2.conv.weight"])
        outputs[name] = load_engine(folder, "paddle")(tensors[0])
        monkeypatch.setattr(quantize_paddle, "paddleslim", lambda: None)
    assert calls == ["hist"]
    assert (tmp_path / "slim" / "__params__").read_bytes() == (tmp_path / "paddle" / "__params__").read_bytes()
    np.testing.assert_array_equal(outputs["slim"], outputs["paddle"])
