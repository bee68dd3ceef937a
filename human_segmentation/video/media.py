"""Video files and addresses as FFmpeg opens them."""

import math
import os
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from human_segmentation.errors import DataError

PATIENCE = 10.0
"""Seconds that a server may say nothing."""
_ADDRESS = re.compile(r"(https?|rtsps?|rtmps?|rtp|srt|tcp|udp)://", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Whether a text is the address of a video and not the path of a file, which may well be "12:30.mp4"."""
    return _ADDRESS.match(text) is not None


@dataclass(frozen=True)
class Span:
    """A part of a source.

    Attributes:
        start: Where it begins, in seconds.
        end: The first moment behind it, in seconds; None where the source ends.
    """

    start: Fraction = Fraction(0)
    end: Fraction | None = None

    def units(self, time_base: Fraction) -> tuple[int, int | None]:
        """The first moment of the part and the first one behind it, counted in units of `time_base` seconds."""
        return math.ceil(self.start / time_base), None if self.end is None else math.ceil(self.end / time_base)


WHOLE = Span()


@dataclass(frozen=True)
class Media:
    """A part of a video file, or of the video at an address.

    Attributes:
        place: The path, or the address as text.
        span: The part.
    """

    place: Path | str
    span: Span = WHOLE

    @property
    def pipe(self) -> bool:
        """Whether its bytes come once, as those on standard input do."""
        return isinstance(self.place, Path) and not self.place.is_file()

    def open(self) -> InputContainer:
        """Opens it with FFmpeg, from its beginning.

        Raises:
            DataError: It is missing or no video, or the server does not answer.
        """
        try:
            if isinstance(self.place, str):
                # Like OpenCV for cameras: over UDP, which is FFmpeg's first choice, packets get lost.
                options = {"rtsp_transport": "tcp"} if self.place.startswith("rtsp") else {}
                return av.open(self.place, options=options, timeout=PATIENCE, metadata_errors="replace")
            # FFmpeg takes "12:30.mp4" for an address.
            return av.open(os.fspath(self.place.absolute()), metadata_errors="replace")
        except av.error.ExitError as error:
            raise DataError(f"{self.place}: the server says nothing for {PATIENCE:g} seconds; try again") from error
        except (av.FFmpegError, OSError) as error:
            remedy = "give the path of a whole video file" if isinstance(self.place, Path) else "check the address"
            raise DataError(f"{self.place}: the video cannot be opened ({error.strerror}); {remedy}") from error


def pictures(container: InputContainer) -> list[Any]:
    """The video streams that can be decoded; the cover picture of a song is stored as one too, and is none."""
    cover = av.stream.Disposition.attached_pic
    return [s for s in container.streams.video if s.codec_context is not None and not s.disposition & cover]


def sounds(container: InputContainer) -> list[Any]:
    """The sound tracks that can be decoded."""
    return [s for s in container.streams.audio if s.codec_context is not None]
