"""Where composites go: a photo, a video file, a window. Each is a context manager with `write`."""

import math
import os
import subprocess
import sys
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.errors import DeviceError, OutputError
from human_segmentation.files import whole_file
from human_segmentation.photos import write_photo
from human_segmentation.video.audio import AudioCopy
from human_segmentation.video.frames import Source

WINDOW = "HumanSegmentation"
X264 = {"preset": "veryfast", "crf": "20"}


class Sink:
    """What the loop writes to: a context manager that takes composites."""

    def __enter__(self) -> "Sink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def write(self, image: NDArray[np.uint8], pts: int) -> bool:
        """Takes one composite.

        Args:
            image: uint8 [H, W, 3] BGR.
            pts: Its time in units of the source's time base.

        Returns:
            Whether the loop is to go on.
        """
        raise NotImplementedError


class PhotoSink(Sink):
    """Writes one composite as a photo."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, image: NDArray[np.uint8], pts: int) -> bool:
        """See `Sink`. Raises `OutputError` where the photo cannot be written."""
        write_photo(self._path, image)
        return True


class WindowSink(Sink):
    """Shows composites in a window; `q` or closing it ends the loop.

    Raises:
        DeviceError: There is no display.
    """

    def __init__(self) -> None:
        # OpenCV's toolkit ends the whole process where there is no display, so another process tries first.
        probe = f"import cv2; cv2.namedWindow('{WINDOW}'); cv2.destroyAllWindows()"
        if subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False).returncode:
            raise DeviceError("there is no display for a window; use --output FILE to write a file instead")

    def __enter__(self) -> "Sink":
        cv2.namedWindow(WINDOW, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        return self

    def __exit__(self, *_: object) -> None:
        cv2.destroyWindow(WINDOW)

    def write(self, image: NDArray[np.uint8], pts: int) -> bool:
        """See `Sink`."""
        cv2.imshow(WINDOW, image)
        pressed = cv2.waitKey(1) & 0xFF == ord("q")
        return not pressed and cv2.getWindowProperty(WINDOW, cv2.WND_PROP_VISIBLE) >= 1


class VideoSink(Sink):
    """Writes composites as H.264 in MP4, MOV or MKV, with the sound of the source.

    The file appears when the sink is closed, also after Ctrl-C; it does not appear when an error ends the loop.

    Args:
        path: The file.
        source: Where the frames come from: their time base, rate and sound.

    Raises:
        OutputError: The file cannot be written.
    """

    def __init__(self, path: Path, source: Source) -> None:
        self._path = path
        self._source = source
        self._rate = source.rate or Fraction(30)
        self._audio: AudioCopy | None = None

    def __enter__(self) -> "Sink":
        with ExitStack() as stack:
            partial = stack.enter_context(whole_file(self._path))
            try:
                self._container = av.open(os.fspath(partial), "w", options={"movflags": "+faststart"})
            except (av.FFmpegError, ValueError) as error:
                raise OutputError(
                    f"{self._path}: the video cannot be written ({error}); use .mp4, .mov or .mkv"
                ) from error
            stack.callback(self._container.close)
            self._stream = self._container.add_stream("libx264", rate=self._rate, options=X264)
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = self._source.time_base
            if self._source.audio is not None:
                self._audio = stack.enter_context(AudioCopy(self._source.audio, self._container))
            self._end: float | None = None
            self._stack = stack.pop_all()
        return self

    def write(self, image: NDArray[np.uint8], pts: int) -> bool:
        """See `Sink`. The first composite sets the size; sides that H.264 cannot have odd grow by one pixel."""
        height, width = image.shape[:2]
        if height % 2 or width % 2:
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._end is None:
            self._stream.width, self._stream.height = image.shape[1::-1]
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        frame.pts, frame.time_base = pts, self._source.time_base
        seconds = float(pts * self._source.time_base)
        if self._audio is not None:
            self._audio.copy_until(seconds)
        self._end = seconds + float(1 / self._rate)
        self._container.mux(self._stream.encode(frame))
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if error is not None:
                raise error
            if self._end is not None:
                self._container.mux(self._stream.encode(None))
                if self._audio is not None:
                    self._audio.copy_until(math.inf if self._source.ended else self._end)
