"""Writes pictures and sound as a video file."""

import contextlib
import math
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import cv2
import numpy as np
from av import VideoStream
from av.codec.context import Flags
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from human_segmentation.errors import DataError, OutputError
from human_segmentation.files import whole_file
from human_segmentation.video.audio import AudioCopy
from human_segmentation.video.encoding import Encoding, choose_encoding
from human_segmentation.video.frames import Source
from human_segmentation.video.sinks import Sink

RGB, BT709 = 0, 1
"""FFmpeg's numbers for colours without a matrix, and for those of HD video."""
ROUNDED = 0x2 | 0x40000
"""FFmpeg's numbers for bilinear scaling with exact rounding; without it white comes out as light yellow."""
REORDERED = 4
"""Encoders decode the last so many pictures in another order than they are shown."""
MPEG4_UNITS = 65535
"""MPEG-4 can divide a second no finer."""


class VideoSink(Sink):
    """Writes pictures as a video in MP4, MOV, MKV or WebM, with the sound of the source.

    The file appears when the sink is closed, also after Ctrl-C; it does not appear when an error ends the loop, unless
    the source is live, of which nothing could be made again, and the disk is full.

    Args:
        path: The file.
        source: Where the frames come from: their time base, rate and sound.
        encoding: How to encode; None takes what is usual for the suffix.

    Raises:
        OutputError: The suffix is none of these; from the methods, when the file cannot be written.
        DataError: From `write`, when the encoder does not take pictures of this size; from the methods, when the
            container does not take what the source has.
    """

    def __init__(self, path: Path, source: Source, encoding: Encoding | None = None) -> None:
        self._path = path
        self._source = source
        self._encoding = encoding or choose_encoding(path)
        self._rate = source.rate or Fraction(30)
        self._audio: list[AudioCopy] = []

    def __enter__(self) -> "Sink":
        # Without this, Matroska numbers its files at random.
        options = {"fflags": "+bitexact"}
        if self._path.suffix.lower() in (".mp4", ".mov"):
            # Players read it from the web while it loads when its index stands in front. What was recorded can be read
            # without an end.
            options["movflags"] = "+hybrid_fragmented" if self._source.live else "+faststart"
        with contextlib.ExitStack() as stack:
            partial = stack.enter_context(whole_file(self._path))
            stack.enter_context(self._explained())
            self._container = av.open(os.fspath(partial.absolute()), "w", options=options)
            stack.callback(self._close)
            self._cut_off = False
            self._add_stream()
            self._audio = [stack.enter_context(AudioCopy(track, self._container)) for track in self._source.audio]
            self._end: float | None = None
            self._complete = False
            self._waiting: av.VideoFrame | None = None
            self._waiting_pts = 0
            self._stack = stack.pop_all()
        return self

    def _add_stream(self) -> None:
        encoding, time_base = self._encoding, self._source.time_base
        kind = av.Codec(encoding.codec, "w").canonical_name
        if kind not in self._container.supported_codecs:
            other = "" if self._path.suffix.lower() == ".mkv" else ", or use .mkv"
            raise OutputError(
                f"{self._path}: '{self._path.suffix}' cannot hold what the encoder {encoding.codec} makes; leave "
                f"--codec out{other}"
            )
        stream = self._container.add_stream(encoding.codec, rate=self._rate)
        self._stream = cast(VideoStream, stream)
        self._stream.pix_fmt = encoding.pixel_format
        codec = self._stream.codec_context
        codec.thread_type = "AUTO"
        codec.flags |= Flags.frame_duration
        codec.time_base = time_base.limit_denominator(MPEG4_UNITS) if kind == "mpeg4" else time_base
        if kind == "hevc":
            codec.codec_tag = "hvc1"  # the name that Apple's players know
        # Without these, players take small videos for BT.601 and large ones for BT.709.
        codec.color_primaries = codec.color_trc = BT709
        self._rgb = av.VideoFormat(encoding.pixel_format).is_rgb
        codec.colorspace = RGB if self._rgb else BT709
        codec.color_range = ColorRange.JPEG if self._rgb else ColorRange.MPEG

    def write(self, image: NDArray[np.uint8], pts: int) -> bool:
        """See `Sink`. The first picture sets the size; sides that H.264 cannot have odd grow by one pixel."""
        height, width, channels = image.shape
        if height % 2 or width % 2:
            image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        if self._end is None:
            self._open(image.shape[1], image.shape[0])
        frame = av.VideoFrame.from_ndarray(image, format="bgra" if channels == 4 else "bgr24").reformat(
            format=self._encoding.pixel_format,
            dst_colorspace=None if self._rgb else Colorspace.ITU709,
            interpolation=ROUNDED,
        )
        seconds = float(pts * self._source.time_base)
        for audio in self._audio:
            audio.copy_until(seconds)
        self._end = seconds + float(1 / self._rate)
        self._encode(frame, pts)
        return True

    def _encode(self, frame: av.VideoFrame, pts: int) -> None:
        """Encodes the frame before, as it is known now how long that one lasts."""
        self._finish(pts)
        frame.pts, frame.time_base = pts, self._source.time_base
        self._waiting, self._waiting_pts = frame, pts

    def _finish(self, behind: int) -> None:
        """Encodes the frame that waits, which ends at `behind`, in units of the time base."""
        if self._waiting is not None:
            self._waiting.duration = behind - self._waiting_pts
            self._container.mux(self._stream.encode(self._waiting))

    def _open(self, width: int, height: int) -> None:
        self._stream.width, self._stream.height = width, height
        self._stream.codec_context.options = self._encoding.options_at(width)
        try:
            self._stream.codec_context.open()
        except av.FFmpegError as error:
            raise DataError(
                f"{self._path}: the encoder {self._encoding.codec} does not start with {width}x{height} pixels and "
                f"these settings ({error.strerror}); choose another --codec, --crf or --preset"
            ) from error

    def complete(self) -> None:
        """See `Sink`. Sound that goes on behind the last frame is kept."""
        self._complete = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cut_off = self._source.live and self._end is not None and isinstance(error, OSError)
        with self._stack:
            if error is None:
                self._finish_all()
            elif not self._cut_off:
                raise error
        if self._cut_off and error is not None:
            reason = getattr(error, "strerror", error)
            raise OutputError(f"{self._path}: the video ends early ({reason}); make room for more") from error

    def _finish_all(self) -> None:
        if self._end is None:
            raise OutputError(f"{self._path}: nothing was written, since there were no frames; try again")
        self._finish(self._last_end())
        self._container.mux(self._stream.encode(None))
        for audio in self._audio:
            audio.copy_until(math.inf if self._complete else self._end)

    def _close(self) -> None:
        with contextlib.suppress(*[OSError] if self._cut_off else []):
            self._container.close()

    def _last_end(self) -> int:
        """When the last picture ends, in units of the time base; of a source that is complete, as it does there.

        A picture that stands still is written again at its end: MP4 ends where the picture does that is decoded last,
        which may be another than the one that is shown last.
        """
        last, pts = self._waiting, self._waiting_pts
        step = max(1, round(1 / self._rate / self._source.time_base))
        if last is None or not self._complete or self._source.end is None:
            return pts + step
        behind = round(self._source.end / self._source.time_base)
        for again in range(behind - REORDERED * step, behind, step):
            if again >= pts + step:
                self._encode(last, again)
        return max(behind, pts + 1)

    def notes(self) -> list[str]:
        """See `Sink`."""
        return [note for audio in self._audio for note in audio.notes()]

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Names the file in FFmpeg's errors."""
        try:
            yield
        except av.FFmpegError as error:
            said = f"{self._path}: the video cannot be written ({error.strerror})"
            if isinstance(error, OSError):
                raise OutputError(f"{said}; choose another place or make room") from error
            raise DataError(f"{said}; what is in this input does not go into it, try .mkv") from error
