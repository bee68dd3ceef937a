import subprocess
import sys
import zipfile

from conftest import ROOT

from human_segmentation.shipped import default_model_dir


def test_wheel_carries_the_default_model(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        for name in ("model.onnx", "model.yml", "__model__", "__params__"):
            packed = content.read(f"human_segmentation/default_model/{name}")
            assert packed == (default_model_dir() / name).read_bytes()
        assert content.read("human_segmentation/human_image.jpg") == (ROOT / "data" / "human_image.jpg").read_bytes()
        assert not [name for name in content.namelist() if name.startswith(("tests", "data"))]
