"""A window shows the mirrored picture, a virtual camera the picture as it is."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import pyvirtualcam
from conftest import ROOT

from human_segmentation.errors import DeviceError
from human_segmentation.video.frames import Source
from human_segmentation.video.live import VirtualCameraSink, preview
from human_segmentation.video.pictures import opaque


def noise(channels, height=120, width=160):
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [3, 4])
def test_preview_is_mirrored_with_the_rate_in_a_corner(channels):
    image = noise(channels)
    before = image.copy()
    seen = preview(image, 24.96)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(seen[40:], opaque(image)[40:, ::-1])


def test_the_rate_can_be_read_on_any_picture():
    text = cv2.putText(np.zeros((40, 160, 3), np.uint8), "25.0 fps", (10, 23), 0, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    assert (text > 0).sum() > 500
    for picture in (noise(3, 40), np.zeros_like(text), np.full_like(text, 255)):
        seen = preview(picture, 24.96)
        assert (seen[text == 255] == 255).all()
        assert seen[:34, :112][text[:34, :112] == 0].max() <= 85


@pytest.fixture
def device():
    """A virtual camera that keeps what it shows, by the interface that pyvirtualcam has for other ones."""
    cameras = []

    class Device:
        def __init__(self, *, width, height, fps, fourcc, device):
            self.size, self.rate, self.images, self.closed = (height, width), fps, [], False
            self.fourcc = fourcc
            cameras.append(self)

        def device(self):
            return "kept"

        def native_fourcc(self):
            return None

        def send(self, image):
            self.images.append(image.reshape(*self.size, 3).copy())

        def close(self):
            self.closed = True

    pyvirtualcam.register_backend("kept", Device)
    yield cameras
    del pyvirtualcam.camera.BACKENDS["kept"]


@pytest.mark.parametrize("channels", [3, 4])
def test_virtual_camera_shows_the_picture_as_it_is(device, channels):
    image = noise(channels)
    with VirtualCameraSink(Source()) as sink:
        assert not device
        for shift in range(3):
            assert sink.write(np.roll(image, shift, 1), 40 * shift)
        assert not device[0].closed
    assert len(device) == 1
    camera = device[0]
    assert (camera.size, camera.rate, camera.closed) == ((120, 160), 30.0, True)
    assert camera.fourcc == pyvirtualcam.util.encode_fourcc(pyvirtualcam.PixelFormat.BGR.value)
    for shift, shown in enumerate(camera.images):
        np.testing.assert_array_equal(shown, opaque(np.roll(image, shift, 1)))


def test_no_virtual_camera():
    if list(Path("/dev").glob("video*")):
        pytest.skip("there are cameras here")
    words = "no virtual camera that is free; on Linux run 'sudo modprobe v4l2loopback"
    with pytest.raises(DeviceError, match=words), VirtualCameraSink(Source()) as sink:
        sink.write(noise(3), 0)


def said(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", f"from human_segmentation.errors import DeviceError\n{code}"],
        env={"PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


SAYING = """
from human_segmentation.video.frames import Source
from human_segmentation.video.live import {sink}
try:
    {sink}({arguments})
except DeviceError as error:
    print(error)
"""


def test_pyvirtualcam_is_not_installed():
    hidden = "import sys; sys.modules['pyvirtualcam'] = None  # importing it raises ImportError"
    code = hidden + SAYING.format(sink="VirtualCameraSink", arguments="Source()")
    assert said(code) == "--virtual_camera needs pyvirtualcam; run: pip install pyvirtualcam\n"


def test_window_without_a_display():
    code = SAYING.format(sink="WindowSink", arguments="Source(), print")
    assert said(code).startswith("there is no display for a window; use --output FILE")
