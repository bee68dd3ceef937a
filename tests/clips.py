"""Small clips that the tests write, and plain readers of what the product wrote."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from human_segmentation.video.encoding import choose_encoding
from human_segmentation.video.frames import Frame
from human_segmentation.video.media import WHOLE, Span
from human_segmentation.video.video_sink import VideoSink
from human_segmentation.video.video_source import VideoSource

SIZE = (64, 48)
SOUND_RATE = 48000


def color(index: int) -> tuple[int, int, int]:
    """The BGR colour of frame `index`; neighbours differ by far more than a codec errs."""
    return (40 + 53 * index % 180, 40 + 97 * index % 180, 40 + 151 * index % 180)


def plain(index: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    return np.full((size[1], size[0], 3), color(index), np.uint8)


def quarters() -> NDArray[np.uint8]:
    """Four flat colours, one in each corner."""
    return np.kron(np.uint8([[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [1, 1, 1]]]), np.full((24, 32, 1), 220, np.uint8))


def index_of(image: NDArray[np.uint8], count: int) -> int:
    """Which of the first `count` frames a picture is."""
    middle = image[image.shape[0] // 2, image.shape[1] // 2].astype(int)
    return int(np.argmin([np.abs(middle - color(i)).max() for i in range(count)]))


def tone(seconds: float, start: float = 0.0, frequency: float = 440) -> av.AudioFrame:
    """A stereo tone in 16 bits."""
    t = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    wave = (12000 * np.sin(2 * np.pi * frequency * t)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None], format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, round(start * SOUND_RATE), Fraction(1, SOUND_RATE)
    return frame


def write_clip(
    path: Path,
    images: Sequence[NDArray[np.uint8]] | int = 10,
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    sound: str | None = None,
    sound_seconds: float | None = None,
    sound_start: float = 0.0,
    sound_rate: int = SOUND_RATE,
    pieces: Sequence[av.AudioFrame] | None = None,
    codec: str = "libx264",
    movflags: str = "",
    aspect: Fraction | None = None,
    gop: int = 12,
) -> Path:
    """Writes a clip; `images` may be a number of plain ones, `times` are in units of `time_base`.

    The sound is a tone, or these `pieces`. Every `gop` frames there is one that is decoded without those before it.
    """
    images = [plain(i) for i in range(images)] if isinstance(images, int) else images
    times = range(len(images)) if times is None else times
    with av.open(str(path), "w", options={"movflags": movflags} if movflags else {}) as container:
        video = container.add_stream(codec, rate=25, options={"crf": "5"} if codec == "libx264" else {})
        video.height, video.width = images[0].shape[:2]
        video.codec_context.time_base = time_base
        video.codec_context.gop_size = gop
        if aspect is not None:
            video.codec_context.sample_aspect_ratio = aspect
        if sound is not None:
            audio = container.add_stream(sound, rate=sound_rate, layout="stereo")
        packets = []
        for image, time in zip(images, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = time, time_base
            packets += video.encode(frame)
        packets += video.encode(None)
        if sound is not None:
            seconds = len(images) / 25 if sound_seconds is None else sound_seconds
            for piece in pieces or [tone(seconds, sound_start)]:
                packets += audio.encode(piece)
            packets += audio.encode(None)
        container.mux(sorted(packets, key=lambda packet: packet.dts * packet.time_base))
    return path


def write_sound(path: Path, codec: str = "aac", seconds: float = 1.0) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=SOUND_RATE, layout="stereo")
        container.mux(stream.encode(tone(seconds)) + stream.encode(None))
    return path


def places(path: Path, kind: str = "video") -> list[tuple[int, int]]:
    """Where in a file the packets of its pictures or its sound are: the first byte, and how many."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(**{kind: 0}) if packet.size]


def spoil(path: Path, numbers: Sequence[int], kind: str = "video") -> Path:
    """Overwrites packets, except for the length in front of each."""
    data, there = bytearray(path.read_bytes()), places(path, kind)
    for number in numbers:
        start, size = there[number]
        data[start + 4 : start + size] = np.random.default_rng(number).bytes(size - 4)
    path.write_bytes(data)
    return path


def read(place: Path | str, span: Span = WHOLE) -> tuple[VideoSource, list[Frame]]:
    with VideoSource(place, span) as source:
        return source, list(source)


def copy(path: Path | str, target: Path, last: int | None = None, span: Span = WHOLE, **settings: Any) -> Path:
    """Passes a video through source and sink, up to frame `last`, with settings of `choose_encoding`."""
    with VideoSource(path, span) as source, VideoSink(target, source, choose_encoding(target, **settings)) as sink:
        for index, frame in enumerate(source):
            assert sink.write(frame.image, frame.pts)
            if index == last:
                return target
        sink.complete()
    return target


def frames(path: Path) -> tuple[list[float], list[NDArray[np.uint8]]]:
    """Times and pictures of a video."""
    with av.open(str(path)) as container:
        decoded = [(frame.time, frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
    return [time for time, _ in decoded], [image for _, image in decoded]


def decoded(path: Path) -> list[NDArray[np.uint8]]:
    """The pictures of a video."""
    return frames(path)[1]


def sound_packets(path: Path, track: int = 0) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=track) if packet.size]


def sound_span(path: Path, track: int = 0) -> tuple[float, float]:
    """When a sound track is first and last louder than a tenth of full scale, in seconds."""
    loud = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=track):
            samples = frame.to_ndarray()
            samples = samples / 32768 if samples.dtype == np.int16 else samples
            step = 1 if frame.format.is_planar else frame.layout.nb_channels
            loud += [frame.time + i / frame.sample_rate for i in np.flatnonzero(np.abs(samples[0, ::step]) > 0.1)]
    return loud[0], loud[-1]
