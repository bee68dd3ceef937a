"""A video that is damaged is worked on as far as it goes, and `notes` says what was wrong."""

import re
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from clips import color, copy, frames, index_of, places, plain, read, sound_span, spoil, write_clip
from numpy.typing import NDArray

from human_segmentation.errors import DataError
from human_segmentation.video.frames import Frame
from human_segmentation.video.video_sink import VideoSink
from human_segmentation.video.video_source import VideoSource


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def noisy(count: int, size: tuple[int, int] = (320, 240)) -> list[NDArray[np.uint8]]:
    image = np.random.default_rng(0).integers(60, 200, (size[1], size[0], 3), dtype=np.uint8)
    return [np.roll(image, 3 * i, 1) for i in range(count)]


def assert_are(read_frames: list[Frame], numbers: Sequence[int], total: int) -> None:
    """Whether frames are those plain ones of 25 a second."""
    assert [frame.time for frame in read_frames] == pytest.approx([number / 25 for number in numbers])
    assert [index_of(frame.image, total) for frame in read_frames] == list(numbers)


def assert_begin(read_frames: list[Frame], total: int) -> None:
    """Whether frames are the first ones; what the last ones are predicted from may be lost."""
    count = len(read_frames) - 3
    assert 10 < count < total
    assert_are(read_frames[:count], range(count), total)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_truncated_mp4_that_begins_with_its_index(tmp_path: Path, share: float) -> None:
    path = cut(write_clip(tmp_path / "cut.mp4", 100, sound="aac", movflags="+faststart"), share)
    source, read_frames = read(path)
    assert_begin(read_frames, 100)
    (note,) = source.notes()
    assert note.startswith(f"{path}: the video ends early, at {read_frames[-1].time + 0.04:.1f} of 4.0 seconds")


@pytest.mark.parametrize("movflags", ["+faststart", ""])
def test_truncated_mp4_without_its_index_or_frames(tmp_path: Path, movflags: str) -> None:
    path = cut(write_clip(tmp_path / "cut.mp4", 50, sound="aac", movflags=movflags), 0.02)
    with pytest.raises(DataError, match=r"cut.mp4: the video (cannot be opened .*|has no frames)"):
        read(path)


@pytest.mark.parametrize("sound", ["aac", None])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_truncated_mkv(tmp_path: Path, share: float, sound: str | None) -> None:
    path = cut(write_clip(tmp_path / "cut.mkv", 100, sound=sound), share)
    source, read_frames = read(path)
    assert_begin(read_frames, 100)
    assert source.notes() == [f"{path}: the video ends early, at {read_frames[-1].time + 0.04:.1f} of 4.0 seconds"]


def test_truncated_avi(tmp_path: Path) -> None:
    path = cut(write_clip(tmp_path / "cut.avi", 50, codec="ffv1"), 0.6)
    source, read_frames = read(path)
    assert_begin(read_frames, 50)
    assert source.notes()[0].startswith(f"{path}: the video ends early, at {len(read_frames) / 25:.1f} of ")


def test_truncated_video_is_copied_with_its_sound_as_far_as_it_goes(tmp_path: Path) -> None:
    path = cut(write_clip(tmp_path / "cut.mkv", 100, sound="aac"), 0.6)
    times, _ = frames(copy(path, tmp_path / "b.mp4"))
    assert 1 < times[-1] < 3.5
    assert sound_span(tmp_path / "b.mp4")[1] == pytest.approx(times[-1], abs=0.3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("numbers", [[20, 21, 30], [39], [0]])
def test_damaged_packets_are_skipped_and_counted(tmp_path: Path, name: str, numbers: list[int]) -> None:
    path = spoil(write_clip(tmp_path / name, 40, gop=1), numbers)
    source, read_frames = read(path)
    assert_are(read_frames, [i for i in range(40) if i not in numbers], 40)
    assert source.notes() == [f"{path}: damaged frames: {len(numbers)} left out, 0 repaired as well as can be"]


def test_packets_of_which_a_part_is_damaged_are_repaired_and_counted(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", noisy(40))
    data, there = bytearray(path.read_bytes()), places(path)
    for number in (20, 30):
        start, size = there[number]
        behind = start + size * 3 // 4  # nothing can be repaired without the head
        data[behind : behind + 60] = bytes(60)
    whole = [frame.image for frame in read(path)[1]]
    path.write_bytes(data)
    source, read_frames = read(path)
    assert [round(frame.time * 25) for frame in read_frames] == list(range(40))
    match = re.fullmatch(rf"{path}: damaged frames: 0 left out, (\d) repaired as well as can be", source.notes()[0])
    assert match is not None and 1 <= int(match[1]) <= 2
    same = [np.array_equal(frame.image, image) for frame, image in zip(read_frames, whole, strict=True)]
    assert sum(same) >= 20
    assert not all(same)


def test_lost_packets_of_a_broadcast(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", noisy(60), sound="aac")
    before, _ = frames(path)
    data = path.read_bytes()
    packets = [data[i : i + 188] for i in range(0, len(data), 188)]
    for number in (len(packets) * 3 // 4, len(packets) // 2, len(packets) // 4):
        del packets[number : number + 2]
    path.write_bytes(b"".join(packets))
    source, read_frames = read(path)
    times = [round(time - before[0], 6) for time in before]
    shown = [round(frame.time - read_frames[0].time, 6) for frame in read_frames]
    assert set(shown) <= set(times)
    assert 50 <= len(shown) <= 60
    assert re.fullmatch(rf"{path}: damaged frames: \d left out, [1-9] repaired as well as can be", source.notes()[0])
    again = read(path)[1]
    assert all(np.array_equal(one.image, two.image) for one, two in zip(read_frames, again, strict=True))


@pytest.mark.parametrize(("name", "target"), [("a.mp4", "b.webm"), ("a.mkv", "b.webm"), ("a.ts", "b.mp4")])
def test_damaged_sound_is_left_out_and_stays_in_step(tmp_path: Path, name: str, target: str) -> None:
    path = write_clip(tmp_path / name, 50, sound="aac")
    numbers = [20, 21, 40]
    if name == "a.ts":  # where several packets of AAC are in one: the checks look at the mark of each
        data = path.read_bytes()
        marks = [match.start() for match in re.finditer(rb"\xff\xf1\x4c", data)]
        for number in numbers:
            data = data[: marks[number]] + b"\0\0\0" + data[marks[number] + 3 :]
        path.write_bytes(data)
    else:
        spoil(path, numbers, "audio")
    with VideoSource(path) as source, VideoSink(tmp_path / target, source) as sink:
        for frame in source:
            sink.write(frame.image, frame.pts)
        sink.complete()
    assert source.notes() == []
    (note,) = sink.notes()
    assert re.fullmatch(rf"{path}: damaged packets of sound: \d left out", note)
    assert len(frames(tmp_path / target)[0]) == 50
    assert sound_span(tmp_path / target)[1] == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("suffix", [".h264", ".ts"])
def test_frames_of_another_size_are_fitted_into_the_first_one(tmp_path: Path, suffix: str) -> None:
    first = write_clip(tmp_path / f"1{suffix}", 6)
    second = write_clip(tmp_path / f"2{suffix}", [plain(i, (96, 36)) for i in range(6, 12)], range(6, 12))
    path = tmp_path / f"both{suffix}"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    source, read_frames = read(path)
    assert [index_of(frame.image, 12) for frame in read_frames] == list(range(12))
    assert {frame.image.shape for frame in read_frames} == {(48, 64, 3)}
    for index, frame in enumerate(read_frames[6:], 6):  # 64x24 with bars of 12 above and below
        assert np.abs(frame.image[12:36].astype(int) - color(index)).max() <= 8
        assert not frame.image[:12].any()
        assert not frame.image[36:].any()
    assert source.notes() == [f"{path}: the size changes to 96x36 at 0.2 seconds; such pictures were fitted into 64x48"]


def test_video_without_frames(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 5, sound="aac")
    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mkv"), "w") as target:
        streams = {stream.type: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = streams["audio"]
                target.mux(packet)
    with pytest.raises(DataError, match=r"b.mkv: the video has no frames that can be decoded; copy or convert"):
        read(tmp_path / "b.mkv")
