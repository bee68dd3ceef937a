"""Where frames come from: a photo, a video file, a camera. Each is a context manager and an iterable of `Frame`."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from human_segmentation.errors import DataError, DeviceError
from human_segmentation.photos import read_photo

MILLISECOND = Fraction(1, 1000)


@dataclass(frozen=True)
class Frame:
    """One picture and its time.

    Attributes:
        image: uint8 [H, W, 3], BGR.
        pts: Its time in units of the source's `time_base`.
        time: Its time in seconds.
    """

    image: NDArray[np.uint8]
    pts: int
    time: float


class Source:
    """What the loop reads from: a context manager and an iterable of frames.

    Attributes:
        time_base: Unit of the frames' `pts`, in seconds.
        rate: Frames a second, where known.
        length: Number of frames, where known.
        audio: The file that has the sound, where there is any.
        ended: Whether the last frame was read.
    """

    time_base: Fraction = MILLISECOND
    rate: Fraction | None = None
    length: int | None = None
    audio: Path | None = None
    ended: bool = False

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        raise NotImplementedError


class PhotoSource(Source):
    """One frame from a photo. Raises what `read_photo` raises."""

    def __init__(self, path: Path) -> None:
        self._image = read_photo(path)
        self.length = 1

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(self._image, 0, 0.0)
        self.ended = True


class CameraSource(Source):
    """Frames from a camera until it is disconnected.

    Args:
        camera: The camera's number.

    Raises:
        DeviceError: There is no such camera.
    """

    def __init__(self, camera: int | str) -> None:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # OpenCV's own words about a missing camera help nobody
        self._capture = cv2.VideoCapture(camera)
        if not self._capture.isOpened():
            raise DeviceError(
                f"camera {camera}: there is no such camera, or another program uses it; "
                "plug it in, choose another with --camera, or give --video_path or --image_path"
            )

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def __iter__(self) -> Iterator[Frame]:
        start = time.monotonic()
        last = -1
        while True:
            there, image = self._capture.read()
            if not there:
                self.ended = True
                return
            seconds = time.monotonic() - start
            last = max(last + 1, round(seconds / MILLISECOND))
            yield Frame(image, last, seconds)


class VideoSource(Source):
    """Frames of a video file, turned upright as its metadata say.

    Args:
        path: The file.

    Raises:
        DataError: The file is missing, no video, or damaged; from the iterator, when it ends early or its frames change
            in size.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._container = av.open(os.fspath(path))
        except (av.FFmpegError, OSError) as error:
            raise DataError(
                f"{path}: the video cannot be opened ({error.strerror}); give the path of a whole video file"
            ) from error
        # The cover picture of a song is a video stream too.
        streams = [s for s in self._container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not streams:
            self._container.close()
            raise DataError(f"{path}: the file has no video stream; give a video")
        self._stream = streams[0]
        self._stream.thread_type = "AUTO"
        self.time_base = self._stream.time_base or MILLISECOND
        self.rate = self._stream.average_rate or self._stream.guessed_rate
        self.length = self._stream.frames or None
        self.audio = path if self._container.streams.audio else None
        # Time 0 is the start of whatever starts first, picture or sound.
        self._start = Fraction(self._container.start_time or 0, av.time_base)

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        size: tuple[int, int] | None = None
        count, seconds = 0, 0.0
        try:
            for decoded in self._container.decode(self._stream):
                if size not in (None, (decoded.width, decoded.height)):
                    raise DataError(
                        f"{self._path}: frame {count + 1} has {decoded.width}x{decoded.height} pixels and the frames "
                        f"before it {size[0]}x{size[1]}; split the video where its size changes"
                    )
                size = (decoded.width, decoded.height)
                if decoded.pts is None:
                    pts = round(count / (self.rate or 25) / self.time_base)
                else:
                    pts = round(decoded.pts - self._start / self.time_base)
                seconds = float(pts * self.time_base)
                yield Frame(_upright(decoded), pts, seconds)
                count += 1
        except av.FFmpegError as error:
            raise DataError(
                f"{self._path}: the video is damaged after frame {count} ({error.strerror}); copy or convert it again"
            ) from error
        self._check_end(count, seconds)
        self.ended = True

    def _check_end(self, count: int, seconds: float) -> None:
        """A file that was cut off decodes without an error; its header still says how long it was."""
        if count == 0:
            raise DataError(f"{self._path}: the video has no frames that can be decoded; copy or convert it again")
        if self.length is not None and count < self.length - 2:
            raise DataError(
                f"{self._path}: the video ends early, after {count} of {self.length} frames; copy or convert it again"
            )
        if self.length is None and self._stream.duration is not None:
            duration = float(self._stream.duration * self.time_base)
            if seconds < duration - max(0.5, 0.05 * duration):
                raise DataError(
                    f"{self._path}: the video ends early, at {seconds:.1f} of {duration:.1f} seconds; "
                    "copy or convert it again"
                )


def _upright(decoded: VideoFrame) -> NDArray[np.uint8]:
    """BGR picture of a decoded frame, turned by the file's rotation."""
    image: NDArray[Any] = decoded.to_ndarray(format="bgr24")
    turns = round(decoded.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
