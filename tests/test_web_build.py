"""What the page for browsers is told of a model, and what cannot be made a page."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from commands import build_page
from conftest import ROOT, names

from human_segmentation.inference.model_config import ModelConfig
from human_segmentation.inference.preprocess import Preprocess

PAGE = ROOT / "deploy" / "web" / "page"
MODELS = ROOT / "pretrain_weights"


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """Files of ONNX Runtime's names."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"):
        (folder / name).write_text(name)
    return folder


@pytest.mark.parametrize(
    "rules",
    [
        Preprocess(96, 64, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)),
        Preprocess(64, 64, color="RGB", min_val=(10, 20, 30), padding=(7, 8, 9), centered=False),
        Preprocess(64, 64, padding=128, coarsest_stride=16),
    ],
)
def test_the_page_is_told_how_pictures_become_input(rules: Preprocess, tmp_path: Path, runtime: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(MODELS / "humanseg_mobile_quant", model)
    replace(ModelConfig.read(model), preprocess=rules).write(model)
    done = build_page("--model_dir", model, "--save_dir", tmp_path / "web", "--runtime", runtime)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'web'}\n")
    told = json.loads((tmp_path / "web" / "model" / "model.json").read_text())
    pixels = np.random.default_rng(0).integers(0, 256, (1, 5, 6, 3), np.uint8)
    rgb = pixels[0, ..., ::-1]
    tensor = [rgb[..., told["channels"][n]] * told["scale"][n] + told["offset"][n] for n in range(3)]
    np.testing.assert_allclose(rules.normalize(pixels)[0], tensor, atol=1e-5)
    assert (told["width"], told["height"], told["centered"]) == (rules.width, rules.height, rules.centered)
    assert told["coarsest_stride"] == rules.coarsest_stride
    assert told["border"] == (None if rules.padding is None else rules.border[::-1].tolist())
    assert (tmp_path / "web" / "model" / "model.onnx").read_bytes() == (model / "model.onnx").read_bytes()
    page = {path.name for path in (PAGE).iterdir()}
    assert set(names(tmp_path / "web")) == page | {path.name for path in runtime.iterdir()} | {
        "model",
        "background.jpg",
    }


def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path: Path, runtime: Path) -> None:
    page = names(PAGE)
    model, damaged, pairs = (tmp_path / name for name in ("model", "damaged", "pairs"))
    shutil.copytree(MODELS / "portraitnet_quant", model)
    cases: list[tuple[list[object], str]] = [
        (["--runtime", tmp_path], f"error: {tmp_path}/ort.wasm.min.mjs: the file is missing; run: npm install"),
        (["--model_dir", MODELS / "humanseg_mobile_inference"], "a browser reads model.onnx, which is not there"),
        (["--model_dir", MODELS / "portraitnet_params"], "a browser reads model.onnx, which is not there"),
        (["--model_dir", tmp_path / "none"], "the model folder does not exist"),
        (["--model_dir", model, "--save_dir", model / "web"], "would lie inside what it is made from"),
        (["--save_dir", PAGE], "would take the place of what it is made from"),
        (["--save_dir", PAGE / "out"], "would lie inside what it is made from"),
        (["--model_dir", damaged], "export or copy it again"),
        (["--model_dir", pairs], "the model takes 2 pictures at a time; export it without --fixed_batch_size"),
        (["--size", "3"], "unrecognized arguments: --size 3"),
    ]
    shutil.copytree(model, damaged)
    (damaged / "model.onnx").write_bytes((model / "model.onnx").read_bytes()[:1000])
    shutil.copytree(model, pairs)
    two = onnx.load(str(model / "model.onnx"))
    two.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(two, str(pairs / "model.onnx"))
    config = ModelConfig.read(model)
    for index, changed in enumerate(
        (
            replace(config, prior_channel=True),
            replace(config, preprocess=replace(config.preprocess, sides=(64.0, 64.0))),
        )
    ):
        other = tmp_path / f"other{index}"
        shutil.copytree(model, other)
        changed.write(other)
        cases.append((["--model_dir", other], "the page cannot run a model"))
    for arguments, message in cases:
        done = build_page("--runtime", runtime, "--save_dir", tmp_path / "web", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "web").exists()
    assert not (model / "web").exists()
    assert names(PAGE) == page
