"""What `--video_path` takes besides a file: numbered photos, raw frames and addresses."""

import argparse
import io
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from archive_server import Answer, Server
from clips import color, copy, frames, index_of, plain, read, sound_packets, sound_span, write_clip
from conftest import ROOT, names

from human_segmentation.cli.inputs import open_source
from human_segmentation.cli.replace import add_arguments
from human_segmentation.errors import DataError
from human_segmentation.video import media
from human_segmentation.video.media import Span, is_address
from human_segmentation.video.photo_source import PhotosSource
from human_segmentation.video.raw_source import RawSource
from human_segmentation.video.video_sink import VideoSink
from human_segmentation.video.video_source import VideoSource

BLUE = ("--background_color", "#0000ff")


def replace(*args: object, **options: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "bg_replace.py", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, **options)


def complaints(done: subprocess.CompletedProcess) -> list[str]:
    """What a command said, but for that the made clips show nobody."""
    return [line for line in done.stderr.decode().splitlines() if not line.endswith("nobody was found")]


def fails(*args: object, **options: object) -> str:
    done = replace(*args, **options)
    message = done.stderr.decode()
    assert done.returncode == 2, message
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    return message


def write_photos(folder: Path, numbers: range, name: str = "%05d.png") -> Path:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        cv2.imwrite(str(folder / (name % number)), plain(number))
    return folder / name


@pytest.mark.parametrize("name", ["%05d.png", "%d.png", "shot_%03d.b.webp"])
def test_numbered_photos_are_frames(tmp_path: Path, name: str) -> None:
    path = write_photos(tmp_path, range(98, 103), name)
    for other in ("000101.png", "0099.png", "shot_0099.b.webp", "shot_100xb.webp", "letter.txt"):
        (tmp_path / other).write_text("something else")
    source = PhotosSource(path, Fraction(10))
    read_frames = list(source)
    assert [index_of(frame.image, 110) for frame in read_frames] == [98, 99, 100, 101, 102]
    assert [frame.time for frame in read_frames] == [0, 0.1, 0.2, 0.3, 0.4]
    assert [frame.pts * source.time_base for frame in read_frames] == [Fraction(i, 10) for i in range(5)]
    assert (source.length, source.rate, source.audio, source.notes()) == (5, 10, (), [])


def test_part_of_numbered_photos(tmp_path: Path) -> None:
    source = PhotosSource(write_photos(tmp_path, range(50)), Fraction(10), Span(Fraction(1), Fraction("1.35")))
    assert [(frame.pts, index_of(frame.image, 50)) for frame in source] == [(0, 10), (1, 11), (2, 12), (3, 13)]
    assert source.length == 4
    with pytest.raises(DataError, match=r"%05d.png: there are no photos between --start and --end; leave them out"):
        PhotosSource(tmp_path / "%05d.png", Fraction(10), Span(Fraction(5)))


def test_photo_of_another_size_is_fitted_into_the_first_one(tmp_path: Path) -> None:
    path = write_photos(tmp_path, range(1, 4))
    cv2.imwrite(str(tmp_path / "00002.png"), plain(2, (48, 96)))
    source = PhotosSource(path, Fraction(25))
    second = list(source)[1].image
    assert second.shape == (48, 64, 3)
    assert (second[:, 20:44] == color(2)).all()  # 24x48 with bars of 20 at the sides
    assert not second[:, :20].any()
    assert not second[:, 44:].any()
    assert source.notes() == [f"{path}: the size changes to 48x96 at 0.0 seconds; such pictures were fitted into 64x48"]


def test_a_gap_or_no_photos(tmp_path: Path) -> None:
    path = write_photos(tmp_path, range(1, 9))
    (tmp_path / "00004.png").unlink()
    with pytest.raises(DataError, match=r"/00004.png: there is no such photo between 00001.png and 00008.png; put it"):
        PhotosSource(path, Fraction(25))
    with pytest.raises(DataError, match=r"/%05d.jpg: there are no such photos; give the name of numbered ones"):
        PhotosSource(tmp_path / "%05d.jpg", Fraction(25))
    with pytest.raises(DataError, match=r"nowhere/%05d.png: there are no such photos"):
        PhotosSource(tmp_path / "nowhere" / "%05d.png", Fraction(25))


@pytest.mark.parametrize("output", ["%03d.png", None])
def test_command_on_numbered_photos(tmp_path: Path, output: str | None) -> None:
    path = write_photos(tmp_path / "photos", range(7, 12))
    where = ("--save_dir", tmp_path / "out") if output is None else ("--output", tmp_path / "out" / output)
    done = replace("--video_path", path, "--fps", "30000/1001", *BLUE, *where)
    assert done.returncode == 0, done.stderr
    if output is None:
        assert names(tmp_path / "out") == ["photos.mp4"]
        times, images = frames(tmp_path / "out" / "photos.mp4")
        assert times == pytest.approx([i * 1001 / 30000 for i in range(5)], abs=1e-4)
        assert {image.shape for image in images} == {(48, 64, 3)}
    else:
        assert names(tmp_path / "out") == [f"{i:03d}.png" for i in range(1, 6)]


def test_numbered_photos_are_never_overwritten(tmp_path: Path) -> None:
    path = write_photos(tmp_path, range(3, 6))
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    assert "overwrite" in fails("--video_path", path, *BLUE, "--output", tmp_path / "." / "%05d.png")
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        ("29.97002997002997", Fraction(30000, 1001)),
        ("23.976023976", Fraction(24000, 1001)),
        ("29.97", Fraction(2997, 100)),
        ("1/100", Fraction(1, 100)),
    ],
)
def test_rate_of_numbered_photos(tmp_path: Path, given: str, rate: Fraction) -> None:
    path = write_photos(tmp_path, range(3))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with open_source(parser.parse_args(["--video_path", str(path), "--fps", given])) as source:
        assert source.rate == rate
    done = replace("--video_path", path, "--fps", given, *BLUE, "--output", tmp_path / "o.mp4")
    assert (done.returncode, complaints(done)) == (0, [])
    assert frames(tmp_path / "o.mp4")[0] == pytest.approx([i / rate for i in range(3)], rel=1e-4)


def raw(count: int) -> bytes:
    return b"".join(plain(i).tobytes() for i in range(count))


def test_raw_frames_are_exact(tmp_path: Path) -> None:
    images = [np.random.default_rng(i).integers(0, 256, (31, 17, 3), dtype=np.uint8) for i in range(4)]
    source = RawSource(io.BytesIO(b"".join(map(bytes, images))), (17, 31), Fraction(50))
    read_frames = list(source)
    assert [frame.time for frame in read_frames] == [0, 0.02, 0.04, 0.06]
    assert [frame.pts * source.time_base for frame in read_frames] == [Fraction(i, 50) for i in range(4)]
    for frame, image in zip(read_frames, images, strict=True):
        np.testing.assert_array_equal(frame.image, image)
    assert source.notes() == []


def test_part_of_raw_frames() -> None:
    source = RawSource(io.BytesIO(raw(60)), (64, 48), Fraction(25), Span(Fraction(1), Fraction("1.2")))
    assert [(frame.pts, index_of(frame.image, 60)) for frame in source] == [(i, 25 + i) for i in range(5)]
    assert source.length == 5
    source = RawSource(io.BytesIO(raw(20)), (64, 48), Fraction(25), Span(Fraction(1)))
    with pytest.raises(DataError, match="standard input: no frame of 64x48 pixels came; check --raw_size and --start"):
        list(source)


def test_command_on_raw_frames_without_their_size(tmp_path: Path) -> None:
    message = fails("--video_path", "-", "--save_dir", tmp_path / "out", *BLUE, input=raw(2))
    assert message == "error: --video_path -: raw frames do not tell their size; add --raw_size W H\n"
    assert not (tmp_path / "out").exists()


def test_command_on_closed_standard_input(tmp_path: Path) -> None:
    arguments = ["--video_path", "-", "--raw_size", 64, 48, "--save_dir", tmp_path / "out", *BLUE]
    message = fails(*arguments, preexec_fn=lambda: os.close(0))
    assert message == "error: --video_path -: standard input is closed; let a program write raw frames to it\n"
    assert not (tmp_path / "out").exists()


def test_command_on_raw_frames_of_which_the_last_is_incomplete(tmp_path: Path) -> None:
    arguments = ["--video_path", "-", "--raw_size", 64, 48, "--fps", 10, "--save_dir", tmp_path, *BLUE]
    done = replace(*arguments, input=raw(5) + bytes(1000))
    assert done.returncode == 0, done.stderr
    (complaint,) = complaints(done)
    assert complaint == (
        "warning: standard input: 1000 bytes at the end are no whole frame and were left out; check --raw_size"
    )
    times, images = frames(tmp_path / "video.mp4")
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert images[0].shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--video_path", "-"], "--video_path -: raw frames do not tell their size; add --raw_size W H"),
        (["--video_path", "-", "--raw_size", 64, 0], "--raw_size 64 0: both numbers must be from 1 to 16000"),
        (["--video_path", "-", "--raw_size", 16001, 1], "--raw_size 16001 1: both numbers must be from 1 to 16000"),
        (
            ["--video_path", "-", "--raw_size", 64, 48],
            "standard input: no frame of 64x48 pixels came; check --raw_size",
        ),
        (["--video_path", "-", "--raw_size", 64, 48, "--fps", "0"], "--fps 0: this is no rate; give frames a second"),
        (["--video_path", "-", "--raw_size", 64, 48, "--fps", "1/0"], "--fps 1/0: this is no rate"),
        (["--video_path", "-", "--raw_size", 64, 48, "--fps", "1/101"], "--fps 1/101: this is no rate"),
        (["--video_path", "-", "--raw_size", 64, 48, "--fps", "1000.1"], "a second, from 1/100 to 1000, such as 25 or"),
        (["--video_path", "-", "--raw_size", 64, 48, "--fps", "1e99999999"], "--fps 1e99999999: this is no rate"),
        (["--video_path", "data/video_test.mp4", "--fps", "30"], "--fps: it does not go with data/video_test.mp4"),
        (["--video_path", "data/video_test.mp4", "--raw_size", 64, 48], "--raw_size: it does not go with data/video"),
        (["--image_path", "data/human_image.jpg", "--start", "1"], "--start: it does not go with data/human_image.jpg"),
        (["--image_path", "data/human_image.jpg", "--temporal", "ema"], "--temporal: it does not go with data/human"),
        (["--camera", "data/video_test.mp4", "--end", "1"], "--end: it does not go with a camera; leave it out"),
        (
            ["--video_path", "data/video_test.mp4", "--start", "1:2:3:4"],
            "--start 1:2:3:4: this is no time; write it in",
        ),
        (["--video_path", "data/video_test.mp4", "--start", "99999999999"], "--start 99999999999: this is no time"),
        (["--video_path", "data/video_test.mp4", "--end", "soon"], "--end soon: this is no time; write it in seconds"),
        (["--video_path", "data/video_test.mp4", "--start", "2", "--end", "0:02"], "--end 0:02: this is not after --s"),
        (
            ["--video_path", "data/video_test.mp4", "--end", ".1", "--start", ".2"],
            "--end .1: this is not after --start .2",
        ),
        (["--video_path", "data/video_test.mp4", "--end", "."], "--end .: this is no time"),
        (["--video_path", "data/video_test.mp4", "--end", "0"], "--end 0: this is not after --start 0; give a later"),
        (["--video_path", "data/video_test.mp4", "--start", "1:00"], "the video ends at 4.0 seconds"),
    ],
)
def test_arguments_that_do_not_go(monkeypatch: pytest.MonkeyPatch, args: list, words: str) -> None:
    monkeypatch.chdir(ROOT)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parsed = parser.parse_args(map(str, args))
    with Path(os.devnull).open() as nothing, pytest.raises(DataError, match=re.escape(words)):
        monkeypatch.setattr("sys.stdin", nothing)
        with open_source(parsed) as source:
            list(source)


@pytest.mark.parametrize(("start", "end", "count"), [("1.5", "0:02.1", 15), ("00:00:03", "1:00:00", 25)])
def test_command_on_a_part(tmp_path: Path, start: str, end: str, count: int) -> None:
    done = replace("--video_path", "data/video_test.mp4", "--start", start, "--end", end, "--save_dir", tmp_path, *BLUE)
    assert (done.returncode, complaints(done)) == (0, [])
    with av.open(str(tmp_path / "video_test.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == count
        container.seek(0)
        sound = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert sound == pytest.approx(count / 25, abs=0.06)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://a/b.mp4", True), ("https://a/b.mp4", True), ("rtsp://user:pass@10.0.0.1:554/live", True),
        ("12:30.mp4", False), ("http:b.mp4", False), ("/a/http://b.mp4", False), ("file.mp4", False), ("-", False),
    ],
)  # fmt: skip
def test_what_is_an_address(text: str, address: bool) -> None:
    assert is_address(text) == address


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_video_from_a_server_is_like_a_file(tmp_path: Path, server: Server, name: str) -> None:
    path = write_clip(tmp_path / name, 50, sound="aac", movflags="+faststart" if name == "a.mp4" else "")
    server.content = path.read_bytes()
    address = f"http://127.0.0.1:{server.server_port}/clips/{name}?quality=high"
    copy(address, tmp_path / "b.mp4")
    copy(path, tmp_path / "c.mp4")
    times, images = frames(tmp_path / "b.mp4")
    assert times == frames(tmp_path / "c.mp4")[0]
    assert [index_of(image, 50) for image in images] == list(range(50))
    assert sound_packets(tmp_path / "b.mp4") == sound_packets(tmp_path / "c.mp4")
    span = Span(Fraction(1), Fraction("1.2"))
    (_, part), (_, same_part) = read(address, span), read(path, span)
    assert [index_of(frame.image, 50) for frame in part] == [index_of(frame.image, 50) for frame in same_part]
    assert len(part) == 5


@contextmanager
def once(content: bytes) -> Iterator[str]:
    """The address of a camera: what it sends has no end that is known, and comes a single time, piece by piece."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def send() -> None:
            connection, _ = listening.accept()
            with connection:
                for start in range(0, len(content), 4096):
                    connection.sendall(content[start : start + 4096])

        threading.Thread(target=send, daemon=True).start()
        yield f"tcp://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("name", ["b.mp4", "b.webm"])  # which copies the sound, and encodes it
def test_sound_of_a_stream_without_an_end(tmp_path: Path, name: str) -> None:
    path = write_clip(tmp_path / "a.ts", 100, sound="aac")
    with once(path.read_bytes()) as address, VideoSource(address) as source:
        assert len(source.audio) == 1
        with VideoSink(tmp_path / name, source) as sink:
            for frame in source:
                sink.write(frame.image, frame.pts)
            sink.complete()
        assert source.notes() + sink.notes() == []
    copy(path, tmp_path / f"c{name}")
    times, images = frames(tmp_path / name)
    assert times == frames(tmp_path / f"c{name}")[0]
    assert [index_of(image, 100) for image in images] == [index_of(plain(i), 100) for i in range(100)]
    assert sound_packets(tmp_path / name) == sound_packets(tmp_path / f"c{name}")
    first, last = sound_span(tmp_path / name)
    assert (first, last) == pytest.approx((0, 4), abs=0.05)


def test_command_on_a_stream_without_an_end(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", 30, sound="aac")
    with once(path.read_bytes()) as address:
        done = replace("--video_path", address, "--output", tmp_path / "b.mp4", *BLUE)
    assert done.returncode == 0
    assert len(frames(tmp_path / "b.mp4")[0]) == 30
    assert sound_span(tmp_path / "b.mp4") == pytest.approx((0, 1.2), abs=0.05)


def test_command_on_an_address(tmp_path: Path, server: Server) -> None:
    server.content = (ROOT / "data" / "video_test.mp4").read_bytes()
    address = f"HTTP://127.0.0.1:{server.server_port}/clips/video_test.mp4?quality=high"
    done = replace("--video_path", address, "--end", "0.4", "--save_dir", tmp_path, *BLUE)
    assert (done.returncode, complaints(done)) == (0, [])
    assert names(tmp_path) == ["video_test.mp4"]
    assert len(frames(tmp_path / "video_test.mp4")[0]) == 10


def test_server_without_ranges(tmp_path: Path, server: Server) -> None:
    path = write_clip(tmp_path / "a.mp4", 50, sound="aac", movflags="+faststart")
    server.content = path.read_bytes()
    server.answers = [Answer(ranges=False) for _ in range(9)]
    source, read_frames = read(f"http://127.0.0.1:{server.server_port}/a.mp4", Span(Fraction("1.4")))
    assert [index_of(frame.image, 50) for frame in read_frames] == list(range(35, 50))
    assert source.notes() == []


@pytest.mark.parametrize("ending", [{}, {"reset": True}, {"stall": True}])
def test_server_that_goes_away(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, ending: dict) -> None:
    monkeypatch.setattr(media, "PATIENCE", 1.0)
    path = write_clip(tmp_path / "a.mp4", 200, sound="aac", movflags="+faststart")
    server.content = path.read_bytes()
    address = f"http://127.0.0.1:{server.server_port}/a.mp4"
    server.answers = [Answer(cut=len(server.content) // 2, ranges=False, **ending) for _ in range(9)]
    source, read_frames = read(address)
    count = len(read_frames) - 3
    assert 50 < count < 150
    assert [index_of(frame.image, 180) for frame in read_frames[:count]] == list(range(count))
    (note,) = source.notes()
    assert note.startswith(f"{address}: the video ends early, at {read_frames[-1].time + 0.04:.1f} of 8.0 seconds")
    assert note.endswith(" (the server says nothing any more)") == ("stall" in ending)


def test_server_that_answers_with_an_error(server: Server) -> None:
    server.answers = [Answer(status=404)]
    address = f"http://127.0.0.1:{server.server_port}/a.mp4"
    assert f"{address}: the video cannot be opened (Server returned 404 Not Found); check the address" in fails(
        "--video_path", address, *BLUE
    )


@pytest.mark.parametrize("scheme", ["http", "rtsp", "tcp"])
def test_no_server(scheme: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"{scheme}://127.0.0.1:{free.getsockname()[1]}/a.mp4"
    with pytest.raises(DataError, match=rf"{address}: the video cannot be opened \(Connection refused\); check the"):
        read(address)


@pytest.mark.parametrize("scheme", ["http", "rtsp", "tcp"])
def test_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setattr(media, "PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}://127.0.0.1:{server.getsockname()[1]}/a.mp4"
        sentence = "the video cannot be opened" if scheme == "rtsp" else "the server says nothing for 0.5 seconds; try"
        with pytest.raises(DataError, match=f"{address}: {sentence}"):
            read(address)
