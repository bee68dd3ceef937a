"""The window of a camera: its keys, its button, and a camera that says nothing any more."""

import ctypes
import os
import shutil
import subprocess
import time

import cv2
import numpy as np
import pytest
from clips import decoded
from commands import started

pytestmark = pytest.mark.skipif(not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs Xvfb and xdotool")


@pytest.fixture
def screen():
    """The environment of a program that shows windows."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "800x600x24"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        yield {**os.environ, "DISPLAY": f":{server.stdout.readline().strip()}"}  # written when it is ready
        server.terminate()


def window(screen):
    """Waits for the window, and gives its number."""
    search = ["xdotool", "search", "--sync", "--onlyvisible", "--name", "HumanSegmentation"]
    found = subprocess.run(search, env=screen, capture_output=True, text=True, timeout=60, check=True)
    time.sleep(2)
    return found.stdout.split()[-1]


def press(keys, screen):
    """Presses one key after the other in the window."""
    command = ["xdotool", "windowfocus", window(screen), "key", "--delay", "400", *keys]
    for _ in range(20):  # a window that is being mapped cannot have the focus yet
        if subprocess.run(command, env=screen).returncode == 0:
            break
        time.sleep(0.5)


class ClientMessage(ctypes.Structure):
    """Xlib's XClientMessageEvent."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("rest_of_the_union", ctypes.c_long * 12),
    ]


def press_close_button(number, screen):
    """Does what a window manager does then; xdotool cannot."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = ctypes.c_void_p(x11.XOpenDisplay(screen["DISPLAY"].encode()))
    protocols, delete = (x11.XInternAtom(display, name, False) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    client_message = 33
    event = ClientMessage(type=client_message, window=int(number), message_type=protocols, format=32)
    event.data[0] = delete
    x11.XSendEvent(display, ctypes.c_ulong(int(number)), False, ctypes.c_long(0), ctypes.byref(event))
    x11.XCloseDisplay(display)


def output_of(process):
    """What a process printed that ends well."""
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert errors == ""
    return output


def test_keys_in_the_window_of_a_camera(tmp_path, long_clip, screen):
    names = {"red": (0, 0, 255), "green": (0, 255, 0), "mask": (0, 0, 0)}
    (tmp_path / "rooms").mkdir()
    for number, name in enumerate(["red", "green"]):
        cv2.imwrite(str(tmp_path / "rooms" / f"{number}.png"), np.full((64, 64, 3), names[name], np.uint8))
    (tmp_path / "rooms" / "list.txt").write_text("no photo")
    arguments = [
        "bg_replace.py", "--camera", long_clip, "--background_image_path", tmp_path / "rooms",
        "--output", tmp_path / "o.mp4",
    ]  # fmt: skip
    with started(*arguments, env=screen, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        press("nmmrbnq", screen)
        output = output_of(process)
    assert output.startswith("n: next background, b: blur, m: mask, r: reset, q: quit\n")
    seen = []
    for frame in decoded(tmp_path / "o.mp4"):
        corner = frame[:20, :20].mean((0, 1))
        near = [name for name, color in names.items() if np.abs(corner - color).max() < 30]
        seen += near or ["blur"]  # the sky of the clip
    changes = [name for name, before in zip(seen, [None, *seen], strict=False) if name != before]
    assert changes == ["red", "green", "mask", "green", "blur", "red"]


def test_closing_the_window_ends_the_run_and_keeps_the_recording(tmp_path, long_clip, screen):
    arguments = ["--camera", long_clip, "--background_color", "#0000ff", "--output", tmp_path / "o.mp4"]
    with started("bg_replace.py", *arguments, env=screen, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        number = window(screen)
        geometry = ["xdotool", "getwindowgeometry", number]
        size = subprocess.run(geometry, env=screen, capture_output=True, text=True, check=True).stdout
        press_close_button(number, screen)
        output_of(process)
    assert "Geometry: 640x360" in size  # the camera's
    assert len(decoded(tmp_path / "o.mp4")) > 10
