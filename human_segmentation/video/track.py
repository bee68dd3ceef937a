"""Streams of opened videos: a file is opened once for the pictures and once for each sound track, others once."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import av
from av.container import InputContainer

from human_segmentation.video.media import Media, pictures, sounds
from human_segmentation.video.timeline import Timeline

SIDE_BY_SIDE = ("matroska,webm", "flv")
"""FFmpeg's names of formats that have next to nothing between two packets."""
SOUND_BEHIND = 10
"""Seconds of pictures by which their sound may come later in a file; it may also be over before them."""
UNREAD = 1000
"""So many bytes between them were packets before they were damaged."""


class Later:
    """Stands for what has not come yet."""


LATER = Later()


class Track:
    """One stream of an open file, from the start of the part that is wanted; damaged packets are skipped and counted.

    Time 0 of a file is the start of whatever starts first, picture or sound.

    Args:
        media: The file or address, and the part.
        container: The same, open and at its beginning.
        stream: The stream.

    Attributes:
        stream: The stream.
        beginning: Time 0 of the file, in seconds.
        damaged: Packets that were skipped.
        incomplete: Whether packets are missing, or bytes that belong to one.
        joints: See `Timeline`.
        broken: Why the file could not be read on, where that ended it.
    """

    def __init__(self, media: Media, container: InputContainer, stream: Any) -> None:
        self._container = container
        self.stream = stream
        self.media = media
        self._beside: dict[int, SimpleQueue[av.Packet | None]] = {}
        self._heard: dict[int, Fraction] = {}
        self._reading: Iterator[Any] = iter(())
        self.beginning = Fraction(container.start_time or 0, av.time_base)
        self.damaged = 0
        self.incomplete = False
        self._timeline = Timeline()
        self.joints = self._timeline.joints
        self.broken: str | None = None
        if media.span.start > 0 and not media.pipe:
            self._wind()

    def _wind(self) -> None:
        """Goes to a key frame before the start; where that is not possible, the file is read from its beginning."""
        start = self.beginning + self.media.span.start
        # Some formats do not find key frames, and where others fail to go, they are lost: so another one tries first.
        with contextlib.suppress(av.FFmpegError), self.media.open() as scout:
            for back in (1, 10, 100):  # frames may come much earlier in a file than they are shown
                moment = round((start - back) * av.time_base)
                if back < self.media.span.start and self._finds_key(moment, start, scout):
                    self._container.seek(moment)
                    break

    def _finds_key(self, moment: int, start: Fraction, scout: InputContainer) -> bool:
        """Whether a key frame at or before `start` comes after going to a moment, which is in microseconds."""
        scout.seek(moment)
        for packet in scout.demux(scout.streams[self.stream.index]):
            if packet.pts is not None and packet.pts * self.stream.time_base > start:
                return False
            if packet.pts is not None and packet.is_keyframe:
                return True
        return False

    def moments(self, time_base: Fraction) -> tuple[int, int | None]:
        """The first time stamp of the part and the first one behind it (None: no end), in units of `time_base`."""
        beginning = round(self.beginning / time_base)
        start, end = self.media.span.units(time_base)
        return beginning + start, None if end is None else beginning + end

    def packets(self) -> Iterator[av.Packet | Later]:
        """Packets up to the end of the file, or to where it cannot be read on."""
        try:
            for packet in self._timeline(self._all_packets()):
                if packet.stream is self.stream:
                    yield packet
                elif packet.stream.index in self._beside:
                    self._beside[packet.stream.index].put(packet)
                    if packet.pts is not None:
                        self._heard[packet.stream.index] = packet.pts * packet.time_base
        finally:
            for queue in self._beside.values():
                queue.put(None)

    def read_on(self, end: Fraction) -> None:
        """Reads on without decoding until all sound beside the pictures has come up to a time, in seconds."""
        while any(self._heard.get(index, -math.inf) < end for index in self._beside):
            packet = next(self._reading, None)
            if packet is None or (packet.pts is not None and packet.pts * packet.time_base > end + SOUND_BEHIND):
                return

    def beside(self, stream: Any) -> "Track":
        """Another stream of the same container, whose packets come as this one is read."""
        arrived = self._beside[stream.index] = SimpleQueue()
        return BesideTrack(self, stream, arrived)

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
            return self.stream.codec_context.decode(packet)
        except av.FFmpegError:
            self.damaged += 1
            return None

    def frames(self) -> Iterator[Any]:
        """Frames, decoded; what is before the start is among them."""
        self._reading = self.packets()
        for packet in chain(self._reading, [None]):
            if isinstance(packet, Later):
                yield packet
                continue
            for frame in self.decoded(packet) or ():
                frame.time_base = self.stream.time_base  # which what is held back comes without
                yield frame

    def close(self) -> None:
        """Closes the file."""
        self._container.close()


class BesideTrack(Track):
    """A stream beside the one that is read. `packets` and `frames` give `LATER` where nothing came yet.

    Args:
        read: The one that is read.
        stream: The stream.
        arrived: Where its packets come, and None behind the last one.
    """

    def __init__(self, read: Track, stream: Any, arrived: "SimpleQueue[av.Packet | None]") -> None:
        self.media, self.stream, self.beginning = read.media, stream, read.beginning
        self.damaged = 0
        self._arrived = arrived

    def packets(self) -> Iterator[av.Packet | Later]:
        """See `Track`."""
        while True:
            try:
                packet = self._arrived.get_nowait()
            except Empty:
                yield LATER
                continue
            if packet is None:
                return
            yield packet

    def close(self) -> None:
        """The file is closed by the one who reads it."""


class Sound(Protocol):
    """A sound track that can be decoded."""

    def open(self) -> Track:
        """Gives its packets, once."""
        ...


@dataclass(frozen=True)
class SoundTrack:
    """One of a file, or of an address that can be opened again.

    Attributes:
        media: The file or address, and the part that is wanted.
        number: Its place among the sound tracks that can be decoded, from 0.
    """

    media: Media
    number: int

    def open(self) -> Track:
        """See `Sound`. Raises `DataError` where the file or address can no longer be opened."""
        container = self.media.open()
        return Track(self.media, container, sounds(container)[self.number])


@dataclass(frozen=True)
class SoundBeside:
    """One of a pipe, or of an address without an end, whose beginning would be gone if it were opened again.

    Attributes:
        read: The stream that is read.
        stream: The sound.
    """

    read: Track
    stream: Any

    def open(self) -> Track:
        """See `Sound`."""
        return self.read.beside(self.stream)
