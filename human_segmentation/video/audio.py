"""The sound of a video, carried over to another file."""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
from av.container import OutputContainer

# What MP4, MOV and MKV all take as it is; anything else is encoded as AAC.
COPIED_CODECS = {"aac", "mp3", "ac3", "eac3", "alac", "flac", "opus"}


class AudioCopy:
    """Copies the first sound track of a file, in step with the pictures.

    Args:
        path: The file with the sound.
        target: The container that takes it, before anything was written to it.
    """

    def __init__(self, path: Path, target: OutputContainer) -> None:
        self._target = target
        self._container = av.open(os.fspath(path))
        self._source = self._container.streams.audio[0]
        codec = self._source.codec_context
        self._copies = codec.name in COPIED_CODECS
        if self._copies:
            self._stream = target.add_stream_from_template(self._source)
        else:
            self._stream = target.add_stream("aac", rate=codec.sample_rate, layout=codec.layout)
        self._packets = self._read()
        self._next = next(self._packets, None)

    def _read(self) -> Iterator[tuple[float, av.Packet]]:
        """Packets for the target with their times in seconds."""
        time_base = self._source.time_base or Fraction(1, self._source.codec_context.sample_rate)
        shift = round(Fraction(self._container.start_time or 0, av.time_base) / time_base)
        if self._copies:
            for packet in self._container.demux(self._source):
                if packet.pts is None or packet.dts is None:  # the empty one that ends a stream
                    continue
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = self._stream
                yield float(packet.dts * time_base), packet
            return
        for frame in self._container.decode(self._source):
            seconds = frame.time or 0.0
            if frame.pts is not None:
                frame.pts -= shift
            for packet in self._stream.encode(frame):
                yield seconds, packet
        for packet in self._stream.encode(None):
            yield float("inf"), packet

    def copy_until(self, seconds: float) -> None:
        """Copies the sound up to a time."""
        while self._next is not None and self._next[0] <= seconds:
            self._target.mux(self._next[1])
            self._next = next(self._packets, None)

    def __enter__(self) -> "AudioCopy":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()
