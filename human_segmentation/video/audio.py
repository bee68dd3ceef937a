"""The sound of a video, carried over to another file."""

import math
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import TypeVar, cast

import av
from av import AudioCodecContext, AudioFrame, AudioStream
from av.container import OutputContainer

from human_segmentation.video.timeline import Rising
from human_segmentation.video.track import Later, Sound

T = TypeVar("T", av.Packet, AudioFrame)
COPIED = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "alac", "flac", "opus"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"},
    "webm": {"opus", "vorbis"},
}
"""Sound that players know in each container, which is copied as it is; MKV takes what FFmpeg says."""
SLOWEST_MP3 = 16_000
"""Samples a second; MP4 knows no MP3 with fewer."""
LEAST_HOLE = Fraction(1, 50)
"""Seconds of missing sound; less comes of rounded time stamps."""
ENCODED = {"webm": "libopus"}
"""What any other sound becomes, where it is not AAC."""
KEPT = ("language", "title")
"""What is known of a track, and kept."""
QUICKTIME = {
    **{"fre": "fra", "deu": "ger", "nld": "dut", "zho": "chi", "cze": "ces", "ell": "gre", "swe": "sve", "isl": "ice"},
    **{"slo": "slk", "rum": "ron", "sqi": "alb", "mkd": "mac", "hye": "arm", "kat": "geo", "mya": "bur", "msa": "may"},
    **{"bod": "tib", "cym": "wel", "eus": "baq"},
}
"""Of the two codes that ISO 639-2 has for a language, the one that FFmpeg knows in MOV."""
LEAD_IN = Fraction(1, 10)
"""Seconds; decoders need so much of what is before the start."""
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


def _can_copy(codec: AudioCodecContext, target: OutputContainer) -> bool:
    """Whether sound goes into a container as it is."""
    name = codec.codec.canonical_name
    if (target.format.name, name) == ("mp4", "mp3") and codec.sample_rate < SLOWEST_MP3:
        return False
    return name in COPIED.get(target.format.name, target.supported_codecs)


class AudioCopy:
    """Copies a sound track of a video, in step with the pictures; what is damaged is left out, and `notes` tells of it.

    Sound is cut between packets: it begins with the first one at or after the start of the part, and packets of the
    usual formats last 20 to 100 ms.

    Args:
        sound: The sound track.
        target: The container that takes it, before anything was written to it.

    Raises:
        DataError: The file or address can no longer be opened.
    """

    def __init__(self, sound: Sound, target: OutputContainer) -> None:
        self._target = target
        self._track = sound.open()
        self._source = self._track.stream
        codec = self._source.codec_context
        if _can_copy(codec, target):
            self._stream = target.add_stream_from_template(self._source)
            self._packets = self._copied()
        else:
            encoder = ENCODED.get(target.format.name, "aac")
            rates = av.Codec(encoder, "w").audio_rates or ()
            rate = codec.sample_rate if codec.sample_rate in rates else 48000
            # PCM often does not say which channel is which, which encoders must know.
            layout = LAYOUTS.get(codec.layout.nb_channels, "stereo")
            self._stream = cast(AudioStream, target.add_stream(encoder, rate=rate, layout=layout))
            # An encoder left alone takes over the source's unit, which may be too coarse for its packets.
            self._stream.codec_context.time_base = Fraction(1, rate)
            self._packets = self._encoded()
        self._stream.metadata.update({key: value for key, value in self._source.metadata.items() if key in KEPT})
        if target.format.name == "mov" and (language := self._source.language) is not None:
            self._stream.metadata["language"] = QUICKTIME.get(language, language)
        self._stream.disposition = self._source.disposition
        # MP4 and MOV can say that what is before time 0 is not to be heard.
        self._lead_in = LEAD_IN if target.format.name in ("matroska", "webm") else None
        self._next = next(self._packets, None)

    def _part(self, items: Iterator[T | Later]) -> Iterator[T | Later]:
        """The packets or frames that belong to the part, with times from its start."""
        time_base = self._source.time_base or Fraction(1, self._source.sample_rate)
        start, behind = self._track.moments(time_base)
        rising = Rising(time_base, least=0)
        first: float | Fraction = start
        if self._track.media.span.start == 0:
            first = -math.inf if self._lead_in is None else start - self._lead_in / time_base
        following: int | None = None
        for item in items:
            if isinstance(item, Later):
                yield item
                continue
            if isinstance(item, AudioFrame) and item.pts is None:  # which the decoder held back
                item.pts = following
            stamp = None if item.pts is None else rising(item.pts)
            if stamp is None:
                self._track.damaged += 1
                continue
            if isinstance(item, AudioFrame):
                following = stamp + round(Fraction(item.samples, item.sample_rate) / time_base)
            if behind is not None and stamp >= behind:
                return
            if stamp >= first:
                item.pts = stamp - start
                yield item

    def _copied(self) -> Iterator[av.Packet | Later]:
        # MOV has the time of PCM's first sample alone, and counts from there.
        counted = self._target.format.name == "mov" and self._stream.codec_context.name.startswith("pcm")
        behind = None
        for packet in self._part(self._track.packets()):
            if isinstance(packet, Later):
                yield packet
            elif (frames := self._track.decoded(packet)) is not None:
                packet.dts = packet.pts
                packet.stream = self._stream
                if counted and frames:
                    start = (packet.pts or 0) * packet.time_base
                    behind = start if behind is None else behind
                    samples, rate = sum(frame.samples for frame in frames), frames[0].sample_rate
                    while start - behind >= LEAST_HOLE:
                        missing = min(rate, round((start - behind) * rate))
                        yield self._silence(missing * packet.size // samples, behind, packet.time_base)
                        behind += Fraction(missing, rate)
                    behind += Fraction(samples, rate)
                yield packet

    def _silence(self, size: int, seconds: Fraction, time_base: Fraction) -> av.Packet:
        """PCM of 0 in so many bytes, at a time."""
        packet = av.Packet(bytes(size))
        packet.time_base = time_base
        packet.pts = packet.dts = round(seconds / time_base)
        packet.stream = self._stream
        return packet

    def _encoded(self) -> Iterator[av.Packet | Later]:
        for frame in self._part(self._track.frames()):
            if isinstance(frame, Later):
                yield frame
                continue
            try:
                packets = self._stream.encode(frame)
            except ValueError:  # the kind of samples changes midway
                self._track.damaged += 1
            else:
                yield from packets
        yield from self._stream.encode(None)

    def copy_until(self, seconds: float) -> None:
        """Copies the sound up to a time, as far as it has come."""
        if isinstance(self._next, Later):
            self._next = next(self._packets, None)
        while not isinstance(packet := self._next, Later | None):
            if (packet.dts or 0) * (packet.time_base or 0) > seconds:
                break
            try:
                self._target.mux(packet)
            except (av.InvalidDataError, av.error.PatchWelcomeError):  # some containers look into packets
                self._track.damaged += 1
            self._next = next(self._packets, None)

    def notes(self) -> list[str]:
        """What was wrong with the sound up to here, each in one sentence."""
        if not self._track.damaged:
            return []
        return [f"{self._track.media.place}: damaged packets of sound: {self._track.damaged} left out"]

    def __enter__(self) -> "AudioCopy":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._track.close()
