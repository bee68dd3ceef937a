"""Video files and addresses as FFmpeg opens them: once for the pictures, and once for each sound track."""

import contextlib
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from human_segmentation.errors import DataError
from human_segmentation.video.timeline import Timeline

PATIENCE = 10.0
"""Seconds that a server may say nothing."""
SIDE_BY_SIDE = ("matroska,webm", "flv")
"""FFmpeg's names of formats that have next to nothing between two packets."""
UNREAD = 1000
"""So many bytes between them were packets before they were damaged."""
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


@dataclass(frozen=True)
class SoundTrack:
    """One sound track of a file or address.

    Attributes:
        media: The file or address, and the part that is wanted.
        number: Its place among the sound tracks that can be decoded, from 0.
    """

    media: Media
    number: int


def pictures(container: InputContainer) -> list[Any]:
    """The video streams that can be decoded; the cover picture of a song is stored as one too, and is none."""
    cover = av.stream.Disposition.attached_pic
    return [s for s in container.streams.video if s.codec_context is not None and not s.disposition & cover]


def sounds(container: InputContainer) -> list[Any]:
    """The sound tracks that can be decoded."""
    return [s for s in container.streams.audio if s.codec_context is not None]


class Track:
    """One stream of an open file, from the start of the part that is wanted; damaged packets are skipped and counted.

    Time 0 of a file is the start of whatever starts first, picture or sound.

    Args:
        media: The file or address, and the part.
        container: The same, open and at its beginning.
        stream: The stream.

    Attributes:
        beginning: Time 0 of the file, in seconds.
        damaged: Packets that were skipped.
        incomplete: Whether packets are missing, or bytes that belong to one.
        joints: See `Timeline`.
        broken: Why the file could not be read on, where that ended it.
    """

    def __init__(self, media: Media, container: InputContainer, stream: Any) -> None:
        self._container = container
        self._stream = stream
        self._media = media
        self.beginning = Fraction(container.start_time or 0, av.time_base)
        self.damaged = 0
        self.incomplete = False
        self._timeline = Timeline()
        self.joints = self._timeline.joints
        self.broken: str | None = None
        if media.span.start > 0:
            self._wind()

    def _wind(self) -> None:
        """Goes to a key frame before the start; where that is not possible, the file is read from its beginning."""
        start = self.beginning + self._media.span.start
        # Some formats do not find key frames, and where others fail to go, they are lost: so another one tries first.
        with contextlib.suppress(av.FFmpegError), self._media.open() as scout:
            for back in (1, 10, 100):  # frames may come much earlier in a file than they are shown
                moment = round((start - back) * av.time_base)
                if back < self._media.span.start and self._finds_key(moment, start, scout):
                    self._container.seek(moment)
                    break

    def _finds_key(self, moment: int, start: Fraction, scout: InputContainer) -> bool:
        """Whether a key frame at or before `start` comes after going to a moment, which is in microseconds."""
        scout.seek(moment)
        for packet in scout.demux(scout.streams[self._stream.index]):
            if packet.pts is not None and packet.pts * self._stream.time_base > start:
                return False
            if packet.pts is not None and packet.is_keyframe:
                return True
        return False

    def moments(self, time_base: Fraction) -> tuple[int, int | None]:
        """The time stamps at which the part begins, and those at which it is over."""
        beginning = round(self.beginning / time_base)
        start, end = self._media.span.units(time_base)
        return beginning + start, None if end is None else beginning + end

    def packets(self) -> Iterator[av.Packet]:
        """Packets up to the end of the file, or to where it cannot be read on."""
        return (packet for packet in self._timeline(self._all_packets()) if packet.stream is self._stream)

    def _all_packets(self) -> Iterator[av.Packet]:
        """Those of both the pictures and the sound, which have one time."""
        streams = pictures(self._container)[:1] + sounds(self._container)
        end = math.inf
        try:
            for packet in self._container.demux():
                if not packet.size:
                    continue
                if packet.pos is not None:
                    skipped = self._container.format.name in SIDE_BY_SIDE and packet.pos > end + UNREAD
                    self.incomplete |= skipped or packet.is_corrupt
                    end = packet.pos + packet.size
                if packet.stream in streams:
                    yield packet
        except av.error.ExitError:
            self.broken = "the server says nothing any more"
        except av.FFmpegError as error:
            self.broken = error.strerror

    def decoded(self, packet: av.Packet | None) -> list[Any] | None:
        """The frames that a packet gives, or that the decoder held back; None where it is damaged."""
        try:
            return self._stream.codec_context.decode(packet)
        except av.FFmpegError:
            self.damaged += 1
            return None

    def frames(self) -> Iterator[Any]:
        """Frames, decoded; what is before the start is among them."""
        for packet in chain(self.packets(), [None]):
            for frame in self.decoded(packet) or ():
                frame.time_base = self._stream.time_base  # which what is held back comes without
                yield frame
