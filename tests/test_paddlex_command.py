"""The `paddlex` command, as it is installed."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import ROOT

TRAINED = ROOT / "pretrain_weights" / "humanseg_mobile_params"


@pytest.fixture
def paddlex():
    command = shutil.which("paddlex", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("the project is not installed")

    def run(*args):
        return subprocess.run([command, *map(str, args)], cwd=ROOT, capture_output=True, text=True, check=False)

    return run


def test_export_as_the_tutorial_prints_it(paddlex, tmp_path):
    done = paddlex("--export_inference", "--model_dir", TRAINED, "--save_dir", tmp_path / "export")
    assert done.returncode == 0, done.stderr[-1000:]
    shipped = ROOT / "pretrain_weights" / "humanseg_mobile_inference"
    assert (tmp_path / "export" / "__params__").read_bytes() == (shipped / "__params__").read_bytes()


def test_short_flags_and_a_fixed_shape(paddlex, tmp_path):
    done = paddlex("-e", "-m", TRAINED, "-s", tmp_path / "export", "--fixed_input_shape=[96,64]")
    assert done.returncode == 0, done.stderr[-1000:]
    assert "target_size:\n    - 96\n    - 64" in (tmp_path / "export" / "model.yml").read_text()
    assert paddlex("-e", "-m", TRAINED, "--fixed_input_shape=[96]").returncode == 2


def test_a_flag_that_takes_no_value(paddlex, tmp_path):
    done = paddlex("--export_inference=1", "--model_dir", TRAINED, "--save_dir", tmp_path / "export")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "error: argument --export_inference/-e: ignored explicit argument '1'; paddlex --help"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(find_spec("paddlex") is not None, reason="PaddleX is installed")
def test_everything_else_is_paddlex_3(paddlex):
    done = paddlex("--pipeline", "image_classification")
    assert done.returncode == 2
    assert (
        done.stderr
        == "error: of paddlex, only --export_inference is here; for everything else run: pip install paddlex\n"
    )
