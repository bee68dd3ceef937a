"""Where pictures of a camera are seen: a window, and a virtual camera for calls."""

import subprocess
import sys
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import DeviceError
from human_segmentation.video.frames import Source
from human_segmentation.video.pictures import opaque
from human_segmentation.video.sinks import Sink

WINDOW = "HumanSegmentation"
LARGEST = 1280
"""Longest side at which the window opens, in pixels; one can drag it larger."""
RATE_FRAMES = 30
"""Frames over which the frame rate on the screen is averaged."""


class WindowSink(Sink):
    """Shows pictures in a window, mirrored, with their frame rate; `q` or closing it ends the loop.

    Args:
        source: Where the frames come from: their time base.
        press: Is told every other key.

    Raises:
        DeviceError: There is no display.
    """

    def __init__(self, source: Source, press: Callable[[str], None]) -> None:
        self._time_base = source.time_base
        self._press = press
        self._times: deque[int] = deque(maxlen=RATE_FRAMES)
        # OpenCV's toolkit ends the whole process where there is no display, so another process tries first.
        probe = f"import cv2; cv2.namedWindow('{WINDOW}'); cv2.destroyAllWindows()"
        if subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode:
            raise DeviceError("there is no display for a window; use --output FILE to write a file instead")

    def __enter__(self) -> "Sink":
        cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_open():
            cv2.destroyWindow(WINDOW)

    def write(self, image: NDArray[np.uint8], pts: int) -> bool:
        """See `Sink`."""
        if not self._times:
            zoom = min(1, LARGEST / max(image.shape[:2]))
            cv2.resizeWindow(WINDOW, *(max(1, round(zoom * side)) for side in image.shape[1::-1]))
        self._times.append(pts)
        cv2.imshow(WINDOW, preview(image, self._rate()))
        key = cv2.waitKey(1)
        if key == ord("q"):
            return False
        if key >= 0:
            self._press(chr(key & 0xFF))
        return self._is_open()

    def _is_open(self) -> bool:
        try:
            return cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # with the last window, OpenCV forgets that there were any
            return False

    def _rate(self) -> float:
        """Frames a second, of the last ones."""
        return float((len(self._times) - 1) / ((self._times[-1] - self._times[0]) * self._time_base or 1))


def preview(image: NDArray[np.uint8], rate: float) -> NDArray[np.uint8]:
    """A picture as one sees oneself in a mirror, with the frame rate in a corner.

    Args:
        image: uint8 [H, W, 3] BGR or [H, W, 4] BGRA.
        rate: Frames a second.

    Returns:
        uint8 [H, W, 3] BGR.
    """
    image = cv2.flip(opaque(image), 1)
    image[:34, :112] //= 3  # white can be read on that, whatever the picture
    cv2.putText(image, f"{rate:.1f} fps", (10, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA)
    return image


class VirtualCameraSink(Sink):
    """Gives pictures to programs for calls, as those of a camera.

    Args:
        source: Where the frames come from: their rate.

    Raises:
        DeviceError: pyvirtualcam is not installed; from `write`, when the system has no virtual camera.
    """

    def __init__(self, source: Source) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise DeviceError("--virtual_camera needs pyvirtualcam; run: pip install pyvirtualcam") from error
        self._cameras = pyvirtualcam
        self._rate = float(source.rate or 30)
        self._camera: Any = None

    def write(self, image: NDArray[np.uint8], pts: int) -> bool:
        """See `Sink`. The first picture sets the size."""
        image = opaque(image)
        if self._camera is None:
            height, width = image.shape[:2]
            try:
                self._camera = self._cameras.Camera(width, height, self._rate, fmt=self._cameras.PixelFormat.BGR)
            except RuntimeError as error:
                raise DeviceError(
                    "--virtual_camera: the system has no virtual camera that is free; on Linux run "
                    "'sudo modprobe v4l2loopback exclusive_caps=1', on Windows and macOS install OBS"
                ) from error
        self._camera.send(image)
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._camera is not None:
            self._camera.close()
