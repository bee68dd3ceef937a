"""Videos are written whole, with the right pictures at the right times and their sound, or not at all."""

import resource
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import color, copy, frames, index_of, plain, read, sound_packets, sound_span, write_clip
from conftest import names
from numpy.typing import NDArray

from human_segmentation.errors import DataError, OutputError
from human_segmentation.photos import write_photo
from human_segmentation.video import audio
from human_segmentation.video.encoding import choose_encoding
from human_segmentation.video.frames import Source
from human_segmentation.video.sinks import PhotoSink, PhotosSink
from human_segmentation.video.video_sink import VideoSink


def seconds(path: Path, kind: str) -> float:
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return float(stream.duration * stream.time_base)


def write_pictures(target: Path, images: list[NDArray[np.uint8]], times: list[int], time_base: Fraction) -> None:
    source = Source()
    source.time_base = time_base
    with VideoSink(target, source) as sink:
        for image, time in zip(images, times, strict=True):
            sink.write(image, time)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".MP4"])
@pytest.mark.parametrize("time_base", [Fraction(1, 1000), Fraction(1, 90000), Fraction(1, 25)])
def test_pictures_at_their_times(tmp_path: Path, suffix: str, time_base: Fraction) -> None:
    steps = [0, 1, 2, 3, 8, 9, 20, 21, 22, 23, 24, 60]  # a variable rate
    times = [round(step / 25 / time_base) for step in steps]
    write_pictures(tmp_path / f"a{suffix}", [plain(i) for i in range(12)], times, time_base)
    written, images = frames(tmp_path / f"a{suffix}")
    assert written == pytest.approx([step / 25 for step in steps], abs=1e-6)
    assert [index_of(image, 12) for image in images] == list(range(12))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_the_last_picture_stays_as_long_as_that_of_the_source(tmp_path: Path, suffix: str) -> None:
    source = Source()
    source.time_base, source.end = Fraction(1, 1000), 12.0
    for complete in (True, False):
        path = tmp_path / f"{complete}{suffix}"
        with VideoSink(path, source) as sink:
            for time in (0, 40, 80, 2000):
                sink.write(plain(time), time)
            if complete:
                sink.complete()
        assert shown_seconds(path) == pytest.approx(12 if complete else 2, abs=0.05)
    assert shown_seconds(copy(tmp_path / f"True{suffix}", tmp_path / f"copy{suffix}")) == pytest.approx(12, abs=0.05)


@pytest.mark.parametrize("count", [10, 13, 25])
@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", None), ("a.mov", None), ("a.mkv", None), ("a.webm", None), ("a.mp4", "libx265")]
)
def test_a_last_picture_that_stands_still(tmp_path: Path, name: str, codec: str | None, count: int) -> None:
    """Behind pictures that move, so that encoders decode the last ones in another order."""
    source = Source()
    source.time_base, source.rate, source.end = Fraction(1, 1000), Fraction(25), 12.0
    texture = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (96, 200, 3), np.uint8), (9, 9), 3)
    with VideoSink(tmp_path / name, source, choose_encoding(tmp_path / name, codec=codec)) as sink:
        for index in range(count):
            sink.write(np.ascontiguousarray(texture[:, 2 * index : 2 * index + 96]), 40 * index)
        sink.complete()
    times, images = frames(tmp_path / name)
    closing = [11.84, 11.88, 11.92, 11.96]
    assert times == pytest.approx([0.04 * index for index in range(count)] + closing, abs=1e-3)
    assert np.abs(images[-1].astype(int) - images[count - 1]).mean() < 1
    assert shown_seconds(tmp_path / name) == pytest.approx(12, abs=0.01)
    assert read(tmp_path / name)[0].end == pytest.approx(12, abs=0.05)


def shown_seconds(path: Path) -> float:
    """How long players show a file; FFmpeg counts how long decoding takes, where it is MP4."""
    data = path.read_bytes()
    if path.suffix in (".mp4", ".mov"):
        header = data.index(b"mvhd") + 16
        unit, length = struct.unpack(">II", data[header : header + 8])
        return float(length / unit)
    with av.open(str(path)) as container:
        assert container.duration is not None
        return float(container.duration / av.time_base)


@pytest.mark.parametrize("bgr", [(255, 255, 255), (0, 0, 0), (200, 200, 200), (64, 177, 0), (0, 0, 255), (255, 0, 0)])
def test_color_is_the_one_asked_for_and_players_are_told_how_to_read_it(
    tmp_path: Path, bgr: tuple[int, int, int]
) -> None:
    write_pictures(tmp_path / "a.mp4", [np.full((48, 64, 3), bgr, np.uint8)] * 5, list(range(5)), Fraction(1, 25))
    for image in frames(tmp_path / "a.mp4")[1]:
        assert np.abs(image.astype(int) - bgr).max() <= 2
    with av.open(str(tmp_path / "a.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range) == (1, 1, 1, 1)


@pytest.mark.parametrize("size", [(63, 47), (64, 47), (63, 48), (5, 3), (1, 1)])
def test_odd_sizes_grow_by_one_pixel(tmp_path: Path, size: tuple[int, int]) -> None:
    write_pictures(tmp_path / "a.mp4", [plain(i, size) for i in range(4)], [0, 1, 2, 3], Fraction(1, 25))
    _, images = frames(tmp_path / "a.mp4")
    assert [image.shape for image in images] == [(size[1] + size[1] % 2, size[0] + size[0] % 2, 3)] * 4
    for index, image in enumerate(images):
        assert np.abs(image.astype(int) - color(index)).max() <= 12


def test_size_duration_and_rate_of_a_copied_video(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 30, sound="aac")
    copy(path, tmp_path / "b.mp4")
    assert frames(tmp_path / "b.mp4")[0] == frames(path)[0]
    assert seconds(tmp_path / "b.mp4", "video") == pytest.approx(seconds(path, "video"), abs=0.04)
    assert seconds(tmp_path / "b.mp4", "audio") == pytest.approx(seconds(path, "audio"), abs=0.04)


def test_index_stands_in_front(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a.mp4", [plain(i) for i in range(4)], [0, 1, 2, 3], Fraction(1, 25))
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("name", ["12:30.mp4", "http:b.mp4", "-%d.mp4", "fünf uhr.mp4"])
def test_names_that_look_like_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "a.mp4", 5, sound="aac").rename(name)
    target = Path(name).with_suffix(".mov")
    copy(Path(name), target)
    assert sound_packets(target.absolute()) == sound_packets(Path(name).absolute())
    assert len(frames(target.absolute())[0]) == 5


@pytest.mark.parametrize(
    ("name", "sound", "target"),
    [
        ("a.mp4", "aac", "b.mp4"),
        ("a.mp4", "aac", "b.mov"),
        ("a.mp4", "aac", "b.mkv"),
        ("a.mkv", "mp3", "b.mp4"),
        ("a.avi", "mp3", "b.mp4"),
        ("a.mkv", "ac3", "b.mov"),
        ("a.mkv", "libopus", "b.mp4"),
        ("a.mkv", "flac", "b.mp4"),
        ("a.mov", "pcm_s16le", "b.mov"),
        ("a.avi", "pcm_s16le", "b.mov"),
        ("a.mov", "pcm_s16le", "b.mkv"),
        ("a.mkv", "libopus", "b.webm"),
    ],
)
def test_sound_is_copied_packet_for_packet(tmp_path: Path, name: str, sound: str, target: str) -> None:
    path = write_clip(tmp_path / name, 30, sound=sound, codec="ffv1" if name == "a.avi" else "libx264")
    copy(path, tmp_path / target)
    assert sound_packets(tmp_path / target) == sound_packets(path)
    assert len(sound_packets(path)) > 10
    assert sound_span(tmp_path / target) == pytest.approx(sound_span(path), abs=0.03)


@pytest.mark.parametrize(
    ("name", "sound", "target"),
    [
        ("a.mov", "pcm_s16le", "b.mp4"),
        ("a.mkv", "pcm_s16le", "b.mp4"),  # does not say which channel is which
        ("a.mkv", "libopus", "b.mov"),
        ("a.mkv", "flac", "b.mov"),
        ("a.mp4", "aac", "b.webm"),
        ("a.mkv", "pcm_s16le", "b.webm"),
    ],
)
def test_other_sound_is_encoded(tmp_path: Path, name: str, sound: str, target: str) -> None:
    path = write_clip(tmp_path / name, 30, sound=sound, codec="ffv1" if name == "a.avi" else "libx264")
    copy(path, tmp_path / target)
    with av.open(str(tmp_path / target)) as container:
        codec = container.streams.audio[0].codec_context
        name = "opus" if target == "b.webm" else "aac"
        assert (codec.name, codec.sample_rate, codec.layout.name) == (name, 48000, "stereo")
    assert sound_span(path)[1] == pytest.approx(1.2, abs=0.03)
    assert sound_span(tmp_path / target) == pytest.approx(sound_span(path), abs=0.01)


def test_mp3_of_few_samples_is_encoded_for_mp4(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 30, sound="mp3", sound_rate=11025)
    copy(path, tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        codec = container.streams.audio[0].codec_context
        assert (codec.name, codec.sample_rate) == ("aac", 11025)
    assert sound_span(tmp_path / "b.mp4") == pytest.approx(sound_span(path), abs=0.05)
    copy(path, tmp_path / "b.mkv")
    assert sound_packets(tmp_path / "b.mkv") == sound_packets(path)


def test_what_a_container_refuses_is_no_fault_of_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "SLOWEST_MP3", 0)
    path = write_clip(tmp_path / "a.mkv", 30, sound="mp3", sound_rate=11025)
    with pytest.raises(DataError, match=r"b.mp4: the video cannot be written .* does not go into it"):
        copy(path, tmp_path / "b.mp4")
    assert names(tmp_path) == ["a.mkv"]


@pytest.mark.parametrize("sound", ["aac", "pcm_s16le"])
@pytest.mark.parametrize("target", ["b.mp4", "b.mkv", "b.webm"])
def test_sound_that_begins_late_keeps_its_offset(tmp_path: Path, sound: str, target: str) -> None:
    path = write_clip(tmp_path / "a.mov", 50, sound=sound, sound_start=0.6, sound_seconds=1.0)
    copy(path, tmp_path / target)
    first, last = sound_span(tmp_path / target)
    # MKV moves pictures and sound together to make room for what AAC needs before its first sample.
    shift = frames(tmp_path / target)[0][0]
    assert 0 <= shift < 0.025
    assert (first - shift, last - shift) == pytest.approx((0.6, 1.6), abs=0.025)


def test_pictures_that_begin_late_keep_their_offset(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 20, times=list(range(15, 35)), sound="aac", sound_seconds=1.4)
    copy(path, tmp_path / "b.mp4")
    # What AAC needs before its first sample may count as the start of the file.
    shift = frames(tmp_path / "b.mp4")[0][0] - 0.6
    assert -0.001 <= shift < 0.025
    assert [time - shift for time in frames(tmp_path / "b.mp4")[0]] == pytest.approx(frames(path)[0], abs=1e-3)
    assert [time - shift for time in sound_span(tmp_path / "b.mp4")] == pytest.approx(sound_span(path), abs=0.025)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.mov"])
def test_stopping_early_stops_the_sound(tmp_path: Path, name: str) -> None:
    sound = "pcm_s16le" if name == "a.mov" else "aac"
    copy(write_clip(tmp_path / name, 100, sound=sound), tmp_path / "b.mp4", last=24)
    _, images = frames(tmp_path / "b.mp4")
    assert [index_of(image, 25) for image in images] == list(range(25))
    assert seconds(tmp_path / "b.mp4", "video") == pytest.approx(1, abs=0.04)
    assert 0.9 <= seconds(tmp_path / "b.mp4", "audio") <= 1.1


def test_sound_longer_than_the_pictures_is_kept(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 10, sound="aac", sound_seconds=2.0)
    copy(path, tmp_path / "b.mp4")
    assert sound_packets(tmp_path / "b.mp4") == sound_packets(path)


@pytest.mark.parametrize("target", ["b.mp4", "b.mkv", "b.webm"])
def test_sound_shorter_than_the_pictures(tmp_path: Path, target: str) -> None:
    path = write_clip(tmp_path / "a.mp4", 50, sound="aac", sound_seconds=0.5)
    copy(path, tmp_path / target)
    assert len(frames(tmp_path / target)[0]) == 50
    assert sound_span(tmp_path / target)[1] == pytest.approx(0.5, abs=0.05)


def test_sound_that_nothing_decodes_is_left_out(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 10, sound="aac")
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"xyz1").replace(b"esds", b"free"))
    copy(path, tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    assert len(frames(tmp_path / "b.mp4")[0]) == 10


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, DataError])
@pytest.mark.parametrize("written", [0, 3])
def test_an_exception_leaves_nothing(tmp_path: Path, error: type[BaseException], written: int) -> None:
    with pytest.raises(error), VideoSink(tmp_path / "a.mp4", Source()) as sink:
        for index in range(written):
            sink.write(plain(index), index)
        raise error
    assert not list(tmp_path.iterdir())


def test_a_video_before_survives_an_exception(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a.mp4", [plain(7)] * 3, [0, 1, 2], Fraction(1, 25))
    before = (tmp_path / "a.mp4").read_bytes()
    with pytest.raises(ZeroDivisionError), VideoSink(tmp_path / "a.mp4", Source()) as sink:
        sink.write(plain(0), 0)
        raise ZeroDivisionError
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_no_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a.mp4: nothing was written.*no frames"):
        write_pictures(tmp_path / "a.mp4", [], [], Fraction(1, 25))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.avi", "a.gif", "a.png", "a"])
def test_video_of_a_type_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=rf"{name}: .*cannot be written; use .mp4"):
        VideoSink(tmp_path / name, Source())


def test_video_in_an_impossible_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"file/a.mp4: cannot be written .*; choose another place"):
        write_pictures(tmp_path / "file" / "a.mp4", [plain(0)], [0], Fraction(1, 25))


def test_full_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (120, 160, 3), dtype=np.uint8) for _ in range(60)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"a.mp4: .*cannot be written .*; choose another place or make room"):
            write_pictures(tmp_path / "a.mp4", images, list(range(60)), Fraction(1, 25))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_full_disk_keeps_what_a_camera_gave(disk: Path, name: str) -> None:
    class Camera(Source):
        live = True

    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (120, 160, 3), dtype=np.uint8) for _ in range(300)]
    with (
        pytest.raises(OutputError, match=rf"{name}: the video ends early \(No space left on device\); make room"),
        VideoSink(disk / name, Camera()) as sink,
    ):
        for index, image in enumerate(images):
            sink.write(image, 40 * index)
    assert names(disk) == [name]
    kept = [frame.image for frame in read(disk / name)[1]]  # but for the last one, of which a part is there
    assert 20 < len(kept) < 300
    for image, written in zip(kept, images, strict=False):
        grays = (cv2.cvtColor(x, cv2.COLOR_BGR2GRAY).ravel() for x in (image, written))
        assert np.corrcoef(*grays)[0, 1] > 0.8
    (disk / name).unlink()
    with VideoSink(disk / name, Camera()) as sink:
        for index in range(3):
            sink.write(plain(index), 40 * index)
    if name != "a.mkv":  # a whole one has one index, as editors want it
        assert b"moof" not in (disk / name).read_bytes()


def test_photo_sink_is_exact(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    with PhotoSink(tmp_path / "a.png") as sink:
        assert sink.write(image, 0)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png")), image)


def test_numbered_photos_are_exact_and_leave_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    write_photo(tmp_path / "00002.png", plain(9))
    write_photo(tmp_path / "00009.png", plain(9))
    images = [np.random.default_rng(i).integers(0, 256, (31, 17, 4), dtype=np.uint8) for i in range(3)]
    with PhotosSink(tmp_path / "%05d.png") as sink:
        for image in images:
            assert sink.write(image, 0)
    assert sink.notes() == [f"{tmp_path}/%05d.png: 1 photos with higher numbers were there before"]
    assert names(tmp_path) == ["00001.png", "00002.png", "00003.png", "00009.png", "letter.txt"]
    for index, image in enumerate(images, 1):
        np.testing.assert_array_equal(cv2.imread(str(tmp_path / f"{index:05d}.png"), cv2.IMREAD_UNCHANGED), image)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "00009.png")), plain(9))


@pytest.mark.parametrize(
    ("name", "tenth"), [("%d.png", "10.png"), ("a_%03d.jpg", "a_010.jpg"), ("a%b%02d.png", "a%b10.png")]
)
def test_names_of_numbered_photos(tmp_path: Path, name: str, tenth: str) -> None:
    with PhotosSink(tmp_path / "new" / name) as sink:
        for index in range(10):
            sink.write(plain(index), index)
    assert sink.notes() == []
    assert len(names(tmp_path / "new")) == 10
    assert (tmp_path / "new" / tenth).exists()


def test_full_disk_leaves_whole_photos(tmp_path: Path, disk: Path) -> None:
    images = [np.random.default_rng(i).integers(0, 256, (200, 300, 3), dtype=np.uint8) for i in range(9)]
    with (
        pytest.raises(OutputError, match=r"\d.png: cannot be written \(No space left on device\)"),
        PhotosSink(disk / "%d.png") as sink,
    ):
        for index, image in enumerate(images):
            sink.write(image, index)
    written = names(disk)
    assert written == [f"{i}.png" for i in range(1, len(written) + 1)]
    assert 0 < len(written) < 9
    for image, name in zip(images, written, strict=False):
        np.testing.assert_array_equal(cv2.imread(str(disk / name)), image)
