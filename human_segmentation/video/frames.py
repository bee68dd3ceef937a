"""Where frames come from: a photo, a video file, a camera. Each is a context manager and an iterable of `Frame`."""

import os
import re
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
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from human_segmentation.errors import DataError, DeviceError
from human_segmentation.photos import read_photo

MILLISECOND = Fraction(1, 1000)
UNSPECIFIED = 2
"""FFmpeg's number for a colour matrix that the file does not name; players then go by the height."""
SD_HEIGHT = 576
"""Up to this height the matrix is BT.601, above it BT.709."""


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
        live: Whether frames come in their own time and are lost where nobody takes them.
    """

    time_base: Fraction = MILLISECOND
    rate: Fraction | None = None
    length: int | None = None
    audio: Path | None = None
    live: bool = False

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
        self._capture = cv2.VideoCapture(camera)
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


class VideoSource(Source):
    """Frames of a video file, turned upright and brought to square pixels as its metadata say.

    Args:
        path: The file.

    Raises:
        DataError: The file is missing, no video, or damaged; from the iterator, when it ends early, its frames change
            in size or its time runs backwards.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._container = av.open(os.fspath(path.absolute()))  # FFmpeg takes "12:30.mp4" for an address
        except (av.FFmpegError, OSError) as error:
            raise DataError(
                f"{path}: the video cannot be opened ({error.strerror}); give the path of a whole video file"
            ) from error
        # The cover picture of a song is a video stream too, and so is a text file to FFmpeg's "tty" reader.
        streams = [
            s
            for s in self._container.streams.video
            if s.codec_context is not None and not s.disposition & av.stream.Disposition.attached_pic
        ]
        if not streams or self._container.format.name == "tty":
            self._container.close()
            raise DataError(f"{path}: the file has no video stream that can be decoded; give a video")
        self._stream = streams[0]
        self._stream.thread_type = "AUTO"
        self.time_base = self._stream.time_base or MILLISECOND
        self.rate = self._stream.average_rate or self._stream.guessed_rate
        self.length = self._stream.frames or None
        if self.length is not None and "mp4" in self._container.format.name:
            # The count in the header of a trimmed MP4 has the frames that are cut away.
            self.length = sum(not entry.is_discard for entry in self._stream.index_entries)
        self.audio = path if any(s.codec_context is not None for s in self._container.streams.audio) else None
        # Time 0 is the start of whatever starts first, picture or sound.
        self._start = Fraction(self._container.start_time or 0, av.time_base)

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[Frame]:
        size: tuple[int, int] | None = None
        count, last, end = 0, 0, 0.0
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
                if count:
                    if (last - pts) * self.time_base > 0.5:
                        raise DataError(
                            f"{self._path}: the time runs backwards at frame {count + 1}, as in files that were joined "
                            "byte by byte; convert it again"
                        )
                    pts = max(pts, last + 1)  # two frames may be rounded to the same time
                last = pts
                yield Frame(self._picture(decoded), pts, float(pts * self.time_base))
                count += 1
                end = float((pts + (decoded.duration or 0)) * self.time_base)
        except av.FFmpegError as error:
            raise DataError(
                f"{self._path}: the video is damaged after frame {count} ({error.strerror}); copy or convert it again"
            ) from error
        self._check_end(count, end)

    def _check_end(self, count: int, end: float) -> None:
        """A file that was cut off decodes without an error; its header still says how long it was."""
        if count == 0:
            raise DataError(f"{self._path}: the video has no frames that can be decoded; copy or convert it again")
        if self.length is not None and count < self.length - 2:
            raise DataError(
                f"{self._path}: the video ends early, after {count} of {self.length} frames; copy or convert it again"
            )
        duration = self._duration()
        if self.length is None and duration is not None and end < duration - max(0.5, 0.05 * duration):
            raise DataError(
                f"{self._path}: the video ends early, at {end:.1f} of {duration:.1f} seconds; copy or convert it again"
            )

    def _duration(self) -> float | None:
        """Seconds from the start of the file to the end of its last frame, as the header has it."""
        if self._stream.duration is not None:
            return float(((self._stream.start_time or 0) + self._stream.duration) * self.time_base - self._start)
        # Matroska's header proper has one duration for pictures and sound.
        tag = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", self._stream.metadata.get("DURATION", ""))
        if tag is not None:
            return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - float(self._start)
        if self._container.duration is not None and len(self._container.streams) == 1:
            return float(Fraction(self._container.duration, av.time_base) - self._start)
        return None

    def _picture(self, decoded: VideoFrame) -> NDArray[np.uint8]:
        """BGR picture of a decoded frame, with square pixels, turned by the file's rotation."""
        width = round(decoded.width * (self._stream.sample_aspect_ratio or 1))
        hd = decoded.colorspace == UNSPECIFIED and decoded.height > SD_HEIGHT
        matrix = Colorspace.ITU709 if hd else None
        image: NDArray[Any] = decoded.to_ndarray(format="bgr24", width=width, src_colorspace=matrix)
        turns = round(decoded.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
