"""`--start` and `--end`: the right frames, from time 0, and the sound that belongs to them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import SOUND_RATE, copy, frames, index_of, plain, read, spoil, write_clip

from human_segmentation.errors import DataError
from human_segmentation.video.media import Span


def span(start: str, end: str | None = None) -> Span:
    return Span(Fraction(start), None if end is None else Fraction(end))


@pytest.mark.parametrize("gop", [12, 250])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.mov", "a.avi", "a.h264", "a.flv"])
@pytest.mark.parametrize(
    ("start", "end", "first", "behind"),
    [
        ("0.48", "1", 12, 25),
        ("2.8", None, 70, 100),
        ("0", "0.5", 0, 13),
        ("1.01", "1.05", 26, 27),
        ("3.96", "9", 99, 100),
        ("1.5", "1.54", 38, 39),
    ],
)
def test_exactly_the_frames_of_the_part(
    tmp_path: Path, name: str, gop: int, start: str, end: str | None, first: int, behind: int
) -> None:
    codec = "ffv1" if name == "a.avi" else "libx264"
    path = write_clip(tmp_path / name, 100, codec=codec, gop=gop)
    source, read_frames = read(path, span(start, end))
    assert [index_of(frame.image, 100) for frame in read_frames] == list(range(first, behind))
    late = 0 if name == "a.avi" else float(first / Fraction(25) - Fraction(start))  # AVI counts in frames
    times = [late + i / 25 for i in range(behind - first)]
    assert [frame.time for frame in read_frames] == pytest.approx(times, abs=2e-3)
    assert source.length == (None if name == "a.h264" else behind - first)
    assert source.notes() == []


def test_variable_rate(tmp_path: Path) -> None:
    times = [0, 33, 50, 400, 401, 1000, 1033]
    path = write_clip(tmp_path / "a.mkv", 7, times=times, time_base=Fraction(1, 1000))
    _, read_frames = read(path, span("0.05", "1.033"))
    assert [index_of(frame.image, 7) for frame in read_frames] == [2, 3, 4, 5]
    assert [frame.pts for frame in read_frames] == [0, 350, 351, 950]


@pytest.mark.parametrize(
    ("start", "end", "shown", "stamps", "over"),
    [
        ("0.5", None, [2, 3, 4], [0, 500, 540], 4.08),
        ("0.5", "0.9", [2], [0], 0.4),
        ("2", "3", [4], [0], 1.0),
        ("0.08", "0.6", [2], [0], 0.52),
        ("1.02", "1.5", [4], [20], 0.48),
    ],
)
def test_a_picture_that_stands_still_at_either_end(
    tmp_path: Path, start: str, end: str | None, shown: list[int], stamps: list[int], over: float
) -> None:
    """Screen recordings have such; the last picture here lasts to 4.58 seconds."""
    times = [0, 40, 80, 1000, 1040, 4540]
    whole = write_clip(tmp_path / "whole.mkv", 6, times=times, time_base=Fraction(1, 1000))
    source, read_frames = read(whole, span(start, end or "4.5"))
    assert [index_of(frame.image, 6) for frame in read_frames] == shown
    assert [frame.pts for frame in read_frames] == stamps
    assert source.end == pytest.approx(over if end else 4.0, abs=2e-3)


def clicks(seconds: float) -> av.AudioFrame:
    """Sound that is loud for 20 ms at every half second."""
    t = np.arange(round(seconds * SOUND_RATE))
    loud = (t % (SOUND_RATE // 2) < SOUND_RATE // 50) * np.sin(t * 0.2) * 20000
    frame = av.AudioFrame.from_ndarray(np.repeat(loud.astype(np.int16), 2)[None], format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
    return frame


def write_clicks(path: Path, codec: str) -> Path:
    """Four seconds in which picture and sound change together, every half second."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height = 64, 48
        audio = container.add_stream(codec, rate=SOUND_RATE, layout="stereo")
        packets = audio.encode(clicks(4)) + audio.encode(None)
        for index in range(100):
            # Frame 13 is the first one that is not before 0.5 seconds.
            frame = av.VideoFrame.from_ndarray(plain(0 if index % 25 in (0, 13) else 1), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode(None)
        container.mux(sorted(packets, key=lambda packet: packet.dts * packet.time_base))
    return path


def loud_moments(path: Path) -> list[float]:
    """When each of the loud pieces begins."""
    moments: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray()
            samples = samples / 32768 if samples.dtype == np.int16 else samples
            step = 1 if frame.format.is_planar else frame.layout.nb_channels
            for i in np.flatnonzero(np.abs(samples[0, ::step]) > 0.2):
                moment = frame.time + i / frame.sample_rate
                if not moments or moment > moments[-1] + 0.3:
                    moments.append(moment)
    return moments


@pytest.mark.parametrize("gop", [12, 250])
@pytest.mark.parametrize(
    ("name", "sound", "target"),
    [
        ("a.mp4", "aac", "b.mp4"),
        ("a.mkv", "aac", "b.mkv"),
        ("a.ts", "aac", "b.mp4"),
        ("a.mov", "pcm_s16le", "b.mov"),
        ("a.mov", "pcm_s16le", "b.mp4"),
        ("a.mkv", "libopus", "b.webm"),
        ("a.mp4", "aac", "b.webm"),
    ],
)
def test_sound_is_cut_with_the_pictures(tmp_path: Path, name: str, sound: str, target: str, gop: int) -> None:
    path = write_clicks(tmp_path / name, sound)
    copy(path, tmp_path / target, span=span("1.2", "2.7"))
    times, images = frames(tmp_path / target)
    shift = times[0]  # see `test_sound_that_begins_late_keeps_its_offset`
    assert 0 <= shift < 0.025
    assert len(times) == (37 if name == "a.ts" else 38)  # there, sound begins 21 ms before the pictures
    changes = [time - shift for time, image in zip(times, images, strict=True) if index_of(image, 2) == 0]
    assert changes == pytest.approx([0.32, 0.8, 1.32], abs=0.022)
    assert [moment - shift for moment in loud_moments(tmp_path / target)] == pytest.approx([0.3, 0.8, 1.3], abs=0.03)
    with av.open(str(tmp_path / target)) as container:
        sounds = [frame for frame in container.decode(audio=0) if frame.samples]
    assert 1.4 < sum(frame.samples for frame in sounds) / SOUND_RATE < 1.6


def test_a_part_within_a_picture_that_stands_still(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 3, times=[0, 25, 250])
    source, (frame,) = read(path, span("2", "5"))
    assert (index_of(frame.image, 3), frame.pts, source.end) == (1, 0, 3.0)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize(("start", "end"), [("4", None), ("100", "101"), ("1.01", "1.02")])
def test_parts_without_frames(tmp_path: Path, name: str, start: str, end: str | None) -> None:
    path = write_clip(tmp_path / name, 100, sound="aac")
    words = "give a longer part" if start == "1.01" else r"the video ends at [\d.]+ s"
    with pytest.raises(DataError, match=rf"{name}: no frames are between --start and --end; {words}"):
        read(path, span(start, end))


def test_damage_elsewhere_is_not_counted(tmp_path: Path) -> None:
    path = spoil(write_clip(tmp_path / "a.mp4", 100, gop=1), [26, 30, 70])
    source, read_frames = read(path, span("1.1", "2"))
    assert len(read_frames) == 50 - 28 - 1
    assert source.notes() == [f"{path}: damaged frames: 1 left out, 0 repaired as well as can be"]
