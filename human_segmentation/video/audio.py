"""The sound of a video, carried over to another file."""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
from av import AudioStream
from av.container import OutputContainer

from human_segmentation.errors import DataError

COPIED = {
    "mp4": {"aac", "mp3", "ac3", "eac3", "alac", "flac", "opus"},
    "mov": {"aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"},
    "webm": {"opus", "vorbis"},
}
"""Sound that players know in each container, which is copied as it is; MKV takes what FFmpeg says."""
ENCODED = {"webm": "libopus"}
"""What any other sound becomes, where it is not AAC."""
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


class AudioCopy:
    """Copies the first sound track of a file, in step with the pictures.

    Args:
        path: The file with the sound.
        target: The container that takes it, before anything was written to it.

    Raises:
        DataError: The sound is damaged, also from `copy_until`.
    """

    def __init__(self, path: Path, target: OutputContainer) -> None:
        self._path = path
        self._target = target
        self._container = av.open(os.fspath(path.absolute()))
        self._source = next(s for s in self._container.streams.audio if s.codec_context is not None)
        codec = self._source.codec_context
        # Time 0 is the start of whatever starts first, as in `VideoSource`.
        self._start = Fraction(self._container.start_time or 0, av.time_base)
        name = codec.codec.canonical_name
        if name in COPIED.get(target.format.name, target.supported_codecs):
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
        self._next = self._read()

    def _copied(self) -> Iterator[av.Packet]:
        last: int | None = None
        for packet in self._container.demux(self._source):
            if packet.pts is None or packet.dts is None:  # the empty one that ends a stream
                continue
            shift = round(self._start / packet.time_base)
            # Containers insist on an order that damaged sources do not have.
            last = packet.dts - shift if last is None else max(packet.dts - shift, last)
            packet.pts, packet.dts = max(packet.pts - shift, last), last
            packet.stream = self._stream
            yield packet

    def _encoded(self) -> Iterator[av.Packet]:
        for frame in self._container.decode(self._source):
            if frame.pts is not None:
                frame.pts -= round(self._start / (frame.time_base or Fraction(1, frame.sample_rate)))
            yield from self._stream.encode(frame)
        yield from self._stream.encode(None)

    def _read(self) -> av.Packet | None:
        try:
            return next(self._packets, None)
        except (av.FFmpegError, ValueError) as error:  # ValueError: the kind of samples changes midway
            raise DataError(f"{self._path}: the sound is damaged ({error}); convert the file again") from error

    def copy_until(self, seconds: float) -> None:
        """Copies the sound up to a time."""
        while self._next is not None and (self._next.dts or 0) * (self._next.time_base or 0) <= seconds:
            self._target.mux(self._next)
            self._next = self._read()

    def __enter__(self) -> "AudioCopy":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()
