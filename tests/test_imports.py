"""The layers of the package import downwards only."""

import ast
import subprocess
import sys

import pytest
from conftest import ROOT

from human_segmentation.cli import COMMANDS

PACKAGE = ROOT / "human_segmentation"
BASE = {"archives", "download", "errors", "files", "paddle_files", "photos", "shipped"}
# Layer -> the layers that it may import besides itself and the base.
ALLOWED = {
    "cli": {"video", "training", "export", "inference", "datasets", "models"},
    "video": {"inference"},
    "training": {"inference", "datasets", "models"},
    "export": {"training", "inference", "datasets", "models"},
    "inference": set(),
    "datasets": set(),
    "models": set(),
}


def imports_of(path, top_level_only=False):
    tree = ast.parse(path.read_text())
    # What runs a module as a command lies above all layers.
    tree.body = [node for node in tree.body if not ast.unparse(node).startswith("if __name__ == '__main__'")]
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module


def layer(module):
    parts = module.split(".")
    return parts[1] if parts[0] == PACKAGE.name and len(parts) > 1 else None


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    relative = path.relative_to(PACKAGE)
    own = relative.parts[0] if len(relative.parts) > 1 else relative.stem
    if own == "__init__":
        return
    allowed = BASE | ALLOWED.get(own, set()) | {own}
    for module in imports_of(path):
        assert layer(module) in allowed | {None}, f"{relative} imports {module}"


@pytest.mark.parametrize("folder", ["models"])
def test_networks_know_no_opencv(folder):
    for path in (PACKAGE / folder).rglob("*.py"):
        assert "cv2" not in {module.split(".")[0] for module in imports_of(path)}


@pytest.mark.parametrize("folder", ["video", "inference", "datasets"])
def test_paddle_only_inside_its_engine(folder):
    for path in (PACKAGE / folder).rglob("*.py"):
        found = {module for module in imports_of(path) if module.split(".")[0] == "paddle"}
        assert not found or path.name == "engines.py", path
        assert not {m for m in imports_of(path, top_level_only=True) if m.split(".")[0] == "paddle"}


def test_model_runs_where_paddle_is_not_installed(tmp_path):
    script = f"""
import sys
sys.modules["paddle"] = None  # importing it raises ImportError
sys.path.insert(0, {str(ROOT)!r})
from human_segmentation.cli import run_command
code = run_command("replace", ["--image_path", "data/human_image.jpg", "--background_color", "#00b140",
                               "--output", {str(tmp_path / "out.png")!r}, "--engine", "openvino"])
assert code == 0 and "onnxruntime" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    assert (tmp_path / "out.png").stat().st_size > 1000


def test_commands_that_need_paddle_say_so_where_it_is_not_installed():
    script = f"""
import sys
sys.modules["paddle"] = None
sys.path.insert(0, {str(ROOT)!r})
from human_segmentation.cli import COMMANDS, run_command
for name in COMMANDS:
    try:
        print(name, run_command(name, ["--help"]), file=sys.stderr)
    except SystemExit as end:
        print(name, end.code, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    sentence = "error: this command needs paddle, which running a model does not; in the repository, run: "
    lines = [line.removesuffix("pip install '.[quant]'") for line in done.stderr.splitlines()]
    codes = dict(line.rsplit(" ", 1) for line in lines if not line.startswith(sentence))
    needing = {name for name, code in codes.items() if code == "2"}
    assert {name for name, code in codes.items() if code == "0"} == set(COMMANDS) - needing
    assert lines.count(sentence) == len(needing)
    assert "train" in needing
    assert not needing & {"replace", "video", "eval", "infer", "lite"}
