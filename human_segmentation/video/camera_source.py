"""Frames from a camera."""

import time
from collections.abc import Iterator

import cv2

from human_segmentation.errors import DeviceError
from human_segmentation.video.frames import MILLISECOND, Frame, Source
from human_segmentation.video.media import is_address

PATIENCE = 5.0
"""Seconds that a camera in the network may say nothing; then it counts as disconnected."""


class CameraSource(Source):
    """Frames from a camera until it is disconnected.

    Args:
        camera: The camera's number, device or address.

    Raises:
        DeviceError: There is no such camera; from the iterator, when it gives no picture.
    """

    live = True

    def __init__(self, camera: int | str) -> None:
        self._camera = camera
        self._gone = False
        patience = []
        if isinstance(camera, str) and is_address(camera):  # of devices, OpenCV takes no such settings
            milliseconds = round(1000 * PATIENCE)
            patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
        self._capture = cv2.VideoCapture(camera, cv2.CAP_ANY, patience)
        if not self._capture.isOpened():
            raise DeviceError(
                f"camera {camera}: there is no such camera, or another program uses it; "
                "plug it in, choose another with --camera, or give --video_path or --image_path"
            )

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def __iter__(self) -> Iterator[Frame]:
        there, image = self._capture.read()
        if not there:
            raise DeviceError(f"camera {self._camera}: it gives no pictures; plug it in again or choose another")
        start = time.monotonic()  # a camera can take a second to wake up
        pts = 0
        while there:
            yield Frame(image, pts, float(pts * MILLISECOND))
            there, image = self._capture.read()
            pts = max(pts + 1, round((time.monotonic() - start) / MILLISECOND))
        self._gone = True

    def notes(self) -> list[str]:
        """See `Source`."""
        return [f"camera {self._camera}: it gives no more pictures; plug it in again"] if self._gone else []
