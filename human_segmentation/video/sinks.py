"""Where composites go: a photo, a video file, a window. Each is a context manager with `write`."""

import contextlib
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from human_segmentation.errors import DeviceError, OutputError
from human_segmentation.files import whole_file
from human_segmentation.photos import write_photo
from human_segmentation.video.audio import AudioCopy
from human_segmentation.video.frames import Source

WINDOW = "HumanSegmentation"
CONTAINERS = (".mp4", ".mov", ".mkv")
X264 = {"preset": "veryfast", "crf": "20"}
BT709 = 1
"""FFmpeg's number for the colours of HD video."""
ROUNDED = 0x2 | 0x40000
"""FFmpeg's numbers for bilinear scaling with exact rounding; without it white comes out as light yellow."""


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

    def complete(self) -> None:
        """Says that the source has no more frames, after all of them were written."""


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
        OutputError: The suffix is none of these; from the methods, when the file cannot be written.
    """

    def __init__(self, path: Path, source: Source) -> None:
        if path.suffix.lower() not in CONTAINERS:
            raise OutputError(f"{path}: videos of the type '{path.suffix}' cannot be written; use .mp4, .mov or .mkv")
        self._path = path
        self._source = source
        self._rate = source.rate or Fraction(30)
        self._audio: AudioCopy | None = None

    def __enter__(self) -> "Sink":
        # Players read an MP4 from the web while it loads when its index stands in front.
        options = {} if self._path.suffix.lower() == ".mkv" else {"movflags": "+faststart"}
        with contextlib.ExitStack() as stack:
            partial = stack.enter_context(whole_file(self._path))
            stack.enter_context(self._explained())
            self._container = av.open(os.fspath(partial.absolute()), "w", options=options)
            stack.callback(self._container.close)
            self._stream = self._container.add_stream("libx264", rate=self._rate, options=X264)
            self._stream.pix_fmt = "yuv420p"
            codec = self._stream.codec_context
            codec.time_base = self._source.time_base
            # Without these, players take small videos for BT.601 and large ones for BT.709.
            codec.colorspace = codec.color_primaries = codec.color_trc = BT709
            codec.color_range = ColorRange.MPEG
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
        frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, interpolation=ROUNDED
        )
        frame.pts, frame.time_base = pts, self._source.time_base
        seconds = float(pts * self._source.time_base)
        if self._audio is not None:
            self._audio.copy_until(seconds)
        self._end = seconds + float(1 / self._rate)
        self._container.mux(self._stream.encode(frame))
        return True

    def complete(self) -> None:
        """See `Sink`. Sound that goes on behind the last frame is kept."""
        if self._end is not None:
            self._end = math.inf

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if error is not None:
                raise error
            if self._end is None:
                raise OutputError(f"{self._path}: nothing was written, since there were no frames; try again")
            self._container.mux(self._stream.encode(None))
            if self._audio is not None:
                self._audio.copy_until(self._end)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Names the file in FFmpeg's errors."""
        try:
            yield
        except av.FFmpegError as error:
            raise OutputError(
                f"{self._path}: the video cannot be written ({error.strerror}); choose another place or make room"
            ) from error
