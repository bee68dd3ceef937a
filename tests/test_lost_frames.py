"""Frames that damage takes away, or delivers too late, are counted, and those behind them stay in step."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from clips import copy, frames, index_of, read, sound_span, spoil, write_clip

from human_segmentation.video.media import Media, Span
from human_segmentation.video.track import Track


def blank(path: Path, at: float, size: int) -> Path:
    """Overwrites `size` bytes with zeros, from a share of the file on."""
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    return path


def write_noise(path: Path, codec: str) -> Path:
    noise = np.random.default_rng(0).integers(60, 200, (96, 128, 3), dtype=np.uint8)
    return write_clip(path, [np.roll(noise, 3 * i, 1) for i in range(150)], codec=codec)


@pytest.mark.parametrize(
    ("name", "codec", "at", "size"),
    [
        ("a.mkv", "libx264", 0.45, 20000),
        ("a.mkv", "libx265", 0.45, 20000),
        ("a.mkv", "libx265", 0.4, 8000),
        ("a.webm", "libvpx-vp9", 0.45, 20000),
        ("a.flv", "libx264", 0.45, 20000),
        ("a.ts", "libx264", 0.45, 20000),
        ("a.ts", "libx265", 0.45, 20000),
        ("a.mp4", "libx265", 0.4, 8000),
    ],
)
def test_frames_in_bytes_that_cannot_be_read_are_counted(
    tmp_path: Path, name: str, codec: str, at: float, size: int
) -> None:
    path = blank(write_noise(tmp_path / name, codec), at, size)
    source, read_frames = read(path)
    numbers = [round(frame.time * 25) for frame in read_frames]
    assert set(numbers) < set(range(150))
    assert numbers[-1] == 149
    (note,) = source.notes()
    assert note.startswith(f"{path}: damaged frames: {150 - len(numbers)} left out, ")


def test_frames_of_a_part_that_are_lost_are_counted(tmp_path: Path) -> None:
    path = blank(write_noise(tmp_path / "a.webm", "libvpx-vp9"), 0.45, 20000)
    whole = [round(frame.time * 25) for frame in read(path)[1]]
    source, read_frames = read(path, Span(Fraction(1), Fraction(5)))
    numbers = [25 + round(frame.time * 25) for frame in read_frames]
    assert numbers == [number for number in whole if 25 <= number < 125]
    assert source.notes() == [f"{path}: damaged frames: {100 - len(numbers)} left out, 0 repaired as well as can be"]
    source, _ = read(path, Span(Fraction(5)))
    assert source.notes() == []


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts", "a.flv"])
@pytest.mark.parametrize(
    "times",
    [
        [*range(60), *range(200, 260)],  # the picture stands still
        [i + i * i // 8 for i in range(80)],
        [i + i // 3 for i in range(90)],  # every fourth frame is left out
    ],
)
def test_nothing_is_missing_where_the_rate_varies(tmp_path: Path, name: str, times: list[int]) -> None:
    source, read_frames = read(write_clip(tmp_path / name, len(times), times=times))
    assert [round(frame.time * 25) for frame in read_frames] == times
    assert source.notes() == []


def test_damage_where_the_rate_varies(tmp_path: Path) -> None:
    times = [i + i // 3 for i in range(90)]
    path = spoil(write_clip(tmp_path / "a.mkv", 90, times=times, gop=1), [20, 50])
    source, read_frames = read(path)
    assert len(read_frames) == 88
    assert source.notes() == [f"{path}: damaged frames: 2 left out, 0 repaired as well as can be"]


def as_decoded(path: Path) -> list[int]:
    """The numbers of the frames in the order in which the decoder gives them."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "NONE"
        track = Track(Media(path), container, container.streams.video[0])
        return [round(frame.time * 25) for frame in track.frames()]


@pytest.mark.parametrize("numbers", [range(40, 60), range(33, 60)])
def test_frames_that_come_too_late_are_left_out(tmp_path: Path, numbers: range) -> None:
    path = spoil(write_clip(tmp_path / "a.mp4", 100, gop=25), numbers)
    decoded = as_decoded(path)
    late = [number for before, number in pairwise(decoded) if number < before]
    assert late  # the decoder keeps pictures back until those behind the damage have come
    source, read_frames = read(path)
    assert [round(frame.time * 25) for frame in read_frames] == [n for n in decoded if n not in late]
    assert [index_of(frame.image, 100) for frame in read_frames[-25:]] == list(range(75, 100))
    assert source.notes() == [
        f"{path}: damaged frames: {100 - len(read_frames)} left out, 0 repaired as well as can be"
    ]


def test_sound_stays_in_step_behind_damaged_pictures(tmp_path: Path) -> None:
    path = spoil(write_clip(tmp_path / "a.mp4", 100, sound="aac", gop=25), range(40, 60))
    copy(path, tmp_path / "b.mp4")
    assert frames(tmp_path / "b.mp4")[0][-1] == pytest.approx(3.96)
    assert sound_span(tmp_path / "b.mp4")[1] == pytest.approx(4, abs=0.05)


@pytest.mark.parametrize("kind", [8, 9])
@pytest.mark.parametrize("seconds", [0, 4000])
def test_one_wrong_time_moves_nothing(tmp_path: Path, kind: int, seconds: int) -> None:
    path = write_clip(tmp_path / "a.flv", 100, sound="aac")
    whole = [frame.time for frame in read(path)[1]]
    data = bytearray(path.read_bytes())
    tags, at = [], 13
    while at < len(data):
        tags += [at] if data[at] == kind else []  # 8 is sound, 9 a picture
        at += 15 + int.from_bytes(data[at + 1 : at + 4], "big")
    stamp = (seconds * 1000).to_bytes(4, "big")
    data[tags[50] + 4 : tags[50] + 8] = stamp[1:] + stamp[:1]
    path.write_bytes(data)
    source, read_frames = read(path)
    assert [frame.time for frame in read_frames] == whole
    assert [index_of(frame.image, 100) for frame in read_frames] == list(range(100))
    assert source.notes() == []
    copy(path, tmp_path / "b.mp4")
    assert frames(tmp_path / "b.mp4")[0][-1] == pytest.approx(whole[-1])
    assert sound_span(tmp_path / "b.mp4")[1] == pytest.approx(4, abs=0.05)
