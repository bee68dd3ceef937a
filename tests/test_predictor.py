"""The Python interface refuses what would give nonsense, and nobody is told that it is used."""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

import human_segmentation as hs
from human_segmentation.errors import DataError, DeviceError


@pytest.fixture(scope="module")
def model():
    return hs.load_model()


@pytest.mark.parametrize(
    ("frame", "given"),
    [
        (np.zeros((48, 64, 3), np.float32), r"float32 \[48, 64, 3\]"),
        (np.zeros((48, 64, 3), np.uint16), r"uint16 \[48, 64, 3\]"),
        (np.zeros((48, 64), np.uint8), r"uint8 \[48, 64\]"),
        (np.zeros((48, 64, 4), np.uint8), r"uint8 \[48, 64, 4\]"),
        (np.zeros((1, 48, 64, 3), np.uint8), r"uint8 \[1, 48, 64, 3\]"),
        (np.zeros((0, 64, 3), np.uint8), r"uint8 \[0, 64, 3\]"),
        (None, "NoneType"),
        ("data/human_image.jpg", "str"),
    ],
)
@pytest.mark.parametrize("method", ["alpha", "segment"])
def test_what_is_no_frame(model, frame, given, method):
    with pytest.raises(DataError, match=rf"a frame is uint8 \[H, W, 3\], BGR, and not {given}; cv2.imread"):
        getattr(model, method)(frame)


def test_part_of_a_frame_in_any_order_of_memory(model):
    frame = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    part = frame[::2, 20:110, ::-1]
    np.testing.assert_array_equal(model.alpha(part), model.alpha(np.ascontiguousarray(part)))


@pytest.mark.parametrize("engine", ["OpenVINO", "tensorrt", ""])
def test_unknown_engine(engine):
    with pytest.raises(DeviceError, match=f"^{engine}: there is no such engine; choose auto, openvino, onnxruntime"):
        hs.load_model(engine=engine)


@pytest.mark.parametrize("threads", [0, -1])
def test_impossible_number_of_threads(threads):
    with pytest.raises(DeviceError, match=f"threads {threads}: the number must be 1 or more"):
        hs.load_model(threads=threads)


def test_nobody_is_told(tmp_path):
    """OpenVINO's telemetry would keep the user's number in the home folder."""
    code = """
import numpy, human_segmentation, openvino
human_segmentation.load_model().alpha(numpy.zeros((48, 64, 3), numpy.uint8))
"""
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    assert not list(tmp_path.rglob("*ga*"))
