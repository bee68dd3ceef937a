"""Frames come from files and cameras whole, upright, at their times, or an error says why not."""

import http.server
import struct
import threading
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from clips import color, copy, frames, index_of, plain, quarters, read, write_clip, write_sound
from numpy.typing import NDArray

from human_segmentation.errors import DataError, DeviceError
from human_segmentation.video import camera_source
from human_segmentation.video.camera_source import CameraSource
from human_segmentation.video.look import Look
from human_segmentation.video.media import Media
from human_segmentation.video.photo_source import PhotoSource
from human_segmentation.video.pipeline import run_pipeline
from human_segmentation.video.track import SoundTrack
from human_segmentation.video.video_sink import ROUNDED, VideoSink


def assert_plain(image: NDArray[np.uint8], index: int) -> None:
    assert np.abs(image.astype(int) - color(index)).max() <= 8


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts", "a.avi", "a.h264"])
def test_every_frame_at_its_time_in_its_color(tmp_path: Path, name: str) -> None:
    codec = "ffv1" if name == "a.avi" else "libx264"  # without B-frames, which AVI has no times for
    source, read_frames = read(write_clip(tmp_path / name, 12, codec=codec))
    assert [round(frame.time, 6) for frame in read_frames] == [round(i / 25, 6) for i in range(12)]
    assert [frame.pts * source.time_base for frame in read_frames] == [Fraction(i, 25) for i in range(12)]
    for index, frame in enumerate(read_frames):
        assert frame.image.shape == (48, 64, 3)
        assert frame.image.dtype == np.uint8
        assert_plain(frame.image, index)
    assert source.rate == 25
    assert source.length == (None if name == "a.h264" else 12)
    assert source.audio == ()


def test_variable_frame_rate(tmp_path: Path) -> None:
    times = [0, 33, 50, 400, 401, 1000, 1033]
    _, read_frames = read(write_clip(tmp_path / "a.mkv", 7, times=times, time_base=Fraction(1, 1000)))
    assert [frame.time for frame in read_frames] == [time / 1000 for time in times]
    assert [index_of(frame.image, 7) for frame in read_frames] == list(range(7))


def test_time_0_is_the_start_of_the_sound_where_that_is_first(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 5, times=range(10, 15), sound="pcm_s16le", sound_seconds=0.6)
    source, read_frames = read(path)
    assert [round(frame.time, 3) for frame in read_frames] == [0.4, 0.44, 0.48, 0.52, 0.56]
    assert source.audio == (SoundTrack(Media(path), 0),)


def test_time_0_is_the_first_frame_where_nothing_is_before_it(tmp_path: Path) -> None:
    _, read_frames = read(write_clip(tmp_path / "a.mkv", 20, times=range(10, 30)))
    assert [round(frame.time, 3) for frame in read_frames] == [round(i / 25, 3) for i in range(20)]


def test_frames_rounded_to_the_same_time_stay_in_order(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", 6, times=range(6), time_base=Fraction(1, 4000))
    assert len(set(frames(path)[0])) < 6  # Matroska counts milliseconds
    _, read_frames = read(path)
    assert all(a.pts < b.pts for a, b in pairwise(read_frames))
    assert [index_of(frame.image, 6) for frame in read_frames] == list(range(6))


def test_channels_are_blue_green_red(tmp_path: Path) -> None:
    colors = [(250, 10, 20), (10, 240, 20), (10, 20, 230), (250, 250, 250), (5, 5, 5)]
    _, read_frames = read(write_clip(tmp_path / "a.mp4", [np.full((48, 64, 3), c, np.uint8) for c in colors]))
    for frame, expected in zip(read_frames, colors, strict=True):
        assert np.abs(frame.image.astype(int) - expected).max() <= 8


@pytest.mark.parametrize(
    ("size", "matrix", "tag"),
    [
        ((64, 48), Colorspace.ITU601, 2),  # 2 is: not said
        ((64, 48), Colorspace.ITU709, 1),
        ((96, 720), Colorspace.ITU709, 2),
        ((96, 720), Colorspace.ITU601, 6),
    ],
)
def test_color_matrix_is_the_named_one_or_that_of_the_height(
    tmp_path: Path, size: tuple[int, int], matrix: Colorspace, tag: int
) -> None:
    green = (64, 177, 0)
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height = size
        stream.codec_context.colorspace = tag
        frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), green, np.uint8), format="bgr24")
        container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=matrix)) + stream.encode(None))
    _, (first,) = read(tmp_path / "a.mp4")
    assert np.abs(first.image.astype(int) - green).max() <= 6


@pytest.mark.parametrize("size", [(65, 47), (641, 3), (1, 50), (50, 1), (1, 1)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_clip(tmp_path / "a.mkv", [plain(i, size) for i in range(4)], codec="libvpx-vp9")
    _, read_frames = read(path)
    assert [frame.image.shape for frame in read_frames] == [(size[1], size[0], 3)] * 4
    assert [index_of(frame.image, 4) for frame in read_frames] == [0, 1, 2, 3]
    written = frames(copy(path, tmp_path / "b.mp4"))[1]
    assert [image.shape for image in written] == [(size[1] + size[1] % 2, size[0] + size[0] % 2, 3)] * 4
    assert [index_of(image, 4) for image in written] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "full"),
    [
        ("a.mp4", "libx264", "yuv420p", False),
        ("a.mp4", "libx264", "yuv420p", True),
        ("a.mp4", "libx264", "yuv420p10le", False),
        ("a.mp4", "libx264", "yuv420p10le", True),
        ("a.mp4", "libx265", "yuv420p10le", False),
        ("a.mp4", "libx265", "yuv420p10le", True),
        ("a.mkv", "libx265", "yuv444p12le", False),
        ("a.mov", "prores_ks", "yuv422p10le", False),
        ("a.avi", "mjpeg", "yuvj420p", True),
    ],
)
def test_depth_and_range_of_the_source_do_not_change_its_colors(
    tmp_path: Path, name: str, codec: str, pixels: str, full: bool
) -> None:
    colors = [(220, 220, 220), (40, 40, 40), (128, 128, 128), (64, 177, 0), (30, 20, 220), (200, 60, 90)]
    options = {"libx264": {"crf": "1"}, "libx265": {"x265-params": "log-level=none:crf=1"}, "mjpeg": {"qmin": "1"}}
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options.get(codec, {}))
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        stream.codec_context.color_range = ColorRange.JPEG if full else ColorRange.MPEG
        for bgr in colors:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), bgr, np.uint8), format="bgr24")
            tags = {"dst_color_range": ColorRange.JPEG if full else ColorRange.MPEG, "interpolation": ROUNDED}
            frame = frame.reformat(format=pixels, **tags)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    _, read_frames = read(tmp_path / name)
    for images in ([frame.image for frame in read_frames], frames(copy(tmp_path / name, tmp_path / "b.mp4"))[1]):
        for image, bgr in zip(images, colors, strict=True):
            assert np.abs(image.astype(int) - bgr).max() <= 4


def test_oblong_pixels_become_square(tmp_path: Path) -> None:
    _, read_frames = read(write_clip(tmp_path / "a.mp4", 3, aspect=Fraction(4, 3)))
    assert [frame.image.shape for frame in read_frames] == [(48, 85, 3)] * 3
    assert [index_of(frame.image, 3) for frame in read_frames] == [0, 1, 2]


def test_trimmed_video_is_whole(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 50)
    data = bytearray(path.read_bytes())
    at = data.find(b"elst") + 4
    head, count, duration, start, rate = struct.unpack(">IIIiI", data[at : at + 20])
    # A phone that trims a video keeps all frames and says which part to show: here the last second.
    data[at : at + 20] = struct.pack(">IIIiI", head, count, duration // 2, start + 12800, rate)
    path.write_bytes(data)
    source, read_frames = read(path)
    assert len(read_frames) == source.length == 25
    assert_plain(read_frames[0].image, 25)
    assert read_frames[-1].time == pytest.approx(0.96)


def with_cover(mp3: bytes) -> bytes:
    """The song with a cover picture in an ID3 tag."""
    jpeg = cv2.imencode(".jpg", quarters())[1].tobytes()
    body = b"\0image/jpeg\0\x03\0" + jpeg
    tag = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    size = bytes(len(tag) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + tag + mp3


def test_sound_is_no_video(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "song.m4a")
    with pytest.raises(DataError, match=r"song.m4a: the file has no video stream.*; give a video"):
        read(path)


def test_song_with_a_cover_is_no_video(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "song.mp3", "mp3")
    path.write_bytes(with_cover(path.read_bytes()))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(DataError, match=r"song.mp3: the file has no video stream.*; give a video"):
        read(path)


def test_codec_that_nothing_decodes(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 5)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"xyz1"))
    with pytest.raises(DataError, match=r"a.mp4: the file has no video stream that can be decoded; give"):
        read(path)


@pytest.mark.parametrize(
    ("name", "data"), [("a.mp4", b""), ("a.mp4", b"a shopping list\n" * 40), ("a.txt", b"a shopping list\n" * 40)]
)
def test_no_video(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=f"{name}: the .*; give"):
        read(tmp_path / name)


def test_missing_video(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing.mp4: the video cannot be opened \(No such file or directory\); give"):
        read(tmp_path / "missing.mp4")


def test_photo_is_a_source_of_one_frame(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), quarters())
    source = PhotoSource(tmp_path / "a.png")
    (frame,) = list(source)
    np.testing.assert_array_equal(frame.image, quarters())
    assert (frame.pts, frame.time, source.length) == (0, 0.0, 1)


def test_camera_ends_cleanly(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "camera.mp4", 8)
    with CameraSource(str(path)) as source:
        read_frames = list(source)
    assert [index_of(frame.image, 8) for frame in read_frames] == list(range(8))
    assert read_frames[0].pts == 0
    assert all(a.pts < b.pts for a, b in pairwise(read_frames))
    assert [frame.time for frame in read_frames] == [frame.pts / 1000 for frame in read_frames]


def test_camera_that_is_disconnected_leaves_a_playable_video(tmp_path: Path) -> None:
    def person(image: NDArray[np.uint8]) -> Look:
        return Look(np.ones(image.shape[:2], np.float32))

    path = write_clip(tmp_path / "camera.mp4", 8)
    with CameraSource(str(path)) as source, VideoSink(tmp_path / "b.mp4", source) as sink:
        summary = run_pipeline(source, person, lambda frame, alpha: frame.image, [sink])
    assert source.notes() == [f"camera {path}: it gives no more pictures; plug it in again"]
    images = frames(tmp_path / "b.mp4")[1]
    assert len(images) == summary.frames > 0
    assert index_of(images[-1], 8) == 7
    assert not summary.interrupted


def test_camera_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeviceError, match="camera 99: there is no such camera"):
        CameraSource(99)
    assert capfd.readouterr().err == ""


def test_camera_in_the_network_that_falls_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_source, "PATIENCE", 0.5)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    picture = cv2.imencode(".jpg", plain(3))[1].tobytes()
    over = threading.Event()
    ended: list[object] = []

    class Silent(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            part = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
            for _ in range(20):
                self.wfile.write(part + picture + b"\r\n")
            self.wfile.flush()
            over.wait(10)
            ended.append(self)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with CameraSource(f"http://127.0.0.1:{server.server_port}/") as source:
            images = [frame.image for frame in source]
        assert not ended
        over.set()
        server.shutdown()
    assert len(images) >= 10
    assert all(index_of(image, 8) == 3 for image in images)
