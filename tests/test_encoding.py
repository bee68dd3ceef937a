"""Videos have the encoder, the quality and the colours that are asked for."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import copy, frames, index_of, plain, write_clip
from conftest import ROOT, names
from numpy.typing import NDArray

from human_segmentation.errors import DataError, OutputError
from human_segmentation.video.encoding import ENCODERS, choose_encoding
from human_segmentation.video.frames import Source
from human_segmentation.video.video_sink import VideoSink


def noisy(count: int = 10, size: tuple[int, int] = (96, 64)) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return [rng.integers(60, 200, (size[1], size[0], 3), dtype=np.uint8) for _ in range(count)]


def encoder_of(path: Path) -> str:
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.codec.canonical_name


@pytest.mark.parametrize(
    ("codec", "name", "kind"),
    [
        (None, "b.mp4", "h264"),
        (None, "b.webm", "vp9"),
        ("h264", "b.mp4", "h264"),
        ("libx265", "b.mp4", "hevc"),
        ("libvpx-vp9", "b.mp4", "vp9"),
        ("mpeg4", "b.mp4", "mpeg4"),
        ("prores_aw", "b.mov", "prores"),
        ("ffv1", "b.mkv", "ffv1"),
    ],
)
@pytest.mark.parametrize("time_base", [Fraction(1, 25), Fraction(1, 90000)])
def test_encoders(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], codec: str | None, name: str, kind: str, time_base: Fraction
) -> None:
    steps = [0, 1, 2, 5, 6, 9, 10, 11, 12, 19]  # a variable rate
    source = Source()
    source.time_base = time_base
    with VideoSink(tmp_path / name, source, choose_encoding(tmp_path / name, codec=codec)) as sink:
        for index, step in enumerate(steps):
            sink.write(plain(index), round(step / 25 / time_base))
    assert encoder_of(tmp_path / name) == kind
    times, images = frames(tmp_path / name)
    assert times == pytest.approx([step / 25 for step in steps], abs=1e-3)
    assert [index_of(image, 10) for image in images] == list(range(10))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["b.mp4", "b.mov"])
def test_h265_is_called_what_players_of_apple_know(tmp_path: Path, name: str) -> None:
    path = copy(write_clip(tmp_path / "a.mp4"), tmp_path / name, codec="libx265")
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


@pytest.mark.parametrize("name", ["b.mkv", "b.webm"])
def test_times_and_duration_of_a_variable_rate(tmp_path: Path, name: str) -> None:
    times = [0, 40, 80, 120, 320, 360, 800, 840, 880, 1600]
    path = write_clip(tmp_path / "a.mkv", 10, times, Fraction(1, 1000), sound="libopus", sound_seconds=1.0)
    with av.open(str(path)) as before, av.open(str(copy(path, tmp_path / name))) as after:
        assert after.duration == pytest.approx(before.duration, abs=40_000)
        assert [frame.time for frame in after.decode(video=0)] == pytest.approx([time / 1000 for time in times])


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9"])
def test_quality(tmp_path: Path, codec: str) -> None:
    path = write_clip(tmp_path / "a.mp4", noisy())
    sizes = [copy(path, tmp_path / f"{crf}.mkv", codec=codec, crf=crf).stat().st_size for crf in (10, 30, 50)]
    assert sizes[0] > 1.5 * sizes[1] > 2.25 * sizes[2]


@pytest.mark.parametrize(("codec", "preset"), [("libx264", "slower"), ("libx265", "ultrafast")])
def test_speed(tmp_path: Path, codec: str, preset: str) -> None:
    path = write_clip(tmp_path / "a.mp4", noisy())
    usual = copy(path, tmp_path / "b.mkv", codec=codec)
    assert copy(path, tmp_path / "c.mkv", codec=codec, preset=preset).read_bytes() != usual.read_bytes()


@pytest.mark.parametrize("codec", ["nonsense", "aac", "h264_nowhere"])
def test_an_encoder_that_is_not_there(codec: str) -> None:
    with pytest.raises(
        OutputError, match=rf"--codec {codec}: FFmpeg has no such video encoder here; there are libx264"
    ):
        choose_encoding(Path("a.mp4"), codec=codec)


@pytest.mark.parametrize("codec", ["libx264rgb", "png", "qtrle"])
def test_encoders_without_yuv_keep_the_colors(tmp_path: Path, codec: str) -> None:
    images = [np.full((48, 64, 3), bgr, np.uint8) for bgr in ((255, 0, 0), (0, 255, 0), (30, 60, 200))]
    path = tmp_path / "a.mov"
    with VideoSink(path, Source(), choose_encoding(path, codec=codec)) as sink:
        for index, image in enumerate(images):
            sink.write(image, 40 * index)
    for written, image in zip(frames(path)[1], images, strict=True):
        assert np.abs(written.astype(int) - image).max() <= (2 if codec == "libx264rgb" else 0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"preset": "nonsense"}, "--preset nonsense: libx264 has no such preset; use one of ultrafast, "),
        ({"crf": 52}, "--crf 52: libx264 takes numbers from 0 to 51; 20 is usual"),
        ({"crf": -1}, "--crf -1: libx264 takes numbers from 0 to 51"),
        ({"codec": "mpeg4", "crf": 20}, "--crf 20: the encoder mpeg4 has no such setting; leave it out"),
        ({"codec": "libvpx-vp9", "preset": "fast"}, "--preset fast: the encoder libvpx-vp9 has no such setting"),
    ],
)
def test_settings_that_are_not_there(settings: dict, words: str) -> None:
    with pytest.raises(OutputError, match=words):
        choose_encoding(Path("a.mp4"), **settings)


@pytest.mark.parametrize(
    ("name", "settings", "error", "words"),
    [
        ("b.webm", {"codec": "libx264"}, OutputError, "b.webm: '.webm' cannot hold what the encoder libx264 makes; l"),
        ("b.mp4", {"codec": "prores_aw"}, OutputError, "b.mp4: '.mp4' cannot hold what the encoder prores_aw makes"),
        ("b.mkv", {"codec": "huffyuv"}, OutputError, "the encoder huffyuv makes; leave --codec out$"),
        ("b.mp4", {"codec": "huffyuv"}, OutputError, "the encoder huffyuv makes; leave --codec out, or use .mkv"),
        ("b.mkv", {"codec": "libx265", "crf": 99}, DataError, "b.mkv: the encoder libx265 does not start"),
    ],
)
def test_what_does_not_fit_leaves_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, settings: dict, error: type[Exception], words: str
) -> None:
    path = write_clip(tmp_path / "a.mp4")
    with pytest.raises(error, match=words):
        copy(path, tmp_path / name, **settings)
    assert names(tmp_path) == ["a.mp4"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (33, 1), (63, 47)])
@pytest.mark.parametrize("codec", ENCODERS)
def test_small_pictures_are_encoded_or_refused(tmp_path: Path, codec: str, size: tuple[int, int]) -> None:
    source = Source()
    path = tmp_path / "b.mov" if codec == "prores_aw" else tmp_path / "b.mkv"
    try:
        with VideoSink(path, source, choose_encoding(path, codec=codec)) as sink:
            for index in range(3):
                sink.write(plain(index, size), 40 * index)
    except DataError as error:
        assert codec == "libx265" and min(size) < 4
        assert f"the encoder {codec} does not start with " in str(error)
        assert not names(tmp_path)
    else:
        images = frames(path)[1]
        assert [index_of(image, 3) for image in images] == [0, 1, 2]
        assert images[0].shape == (size[1] + size[1] % 2, size[0] + size[0] % 2, 3)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("b.mp4", {}),
        ("b.mkv", {}),
        ("b.mkv", {"codec": "libx265"}),
        ("b.webm", {}),
        ("b.webm", {"transparent": True}),
        ("b.mov", {"transparent": True}),
    ],
)
def test_two_runs_give_the_same_bytes(tmp_path: Path, name: str, settings: dict) -> None:
    path = write_clip(tmp_path / "a.mp4", noisy(30), sound="aac")
    first = copy(path, tmp_path / name, **settings).read_bytes()
    assert copy(path, tmp_path / name, **settings).read_bytes() == first


@pytest.mark.parametrize("width", [96, 320, 640])
def test_what_is_in_memory_does_not_change_the_bytes(tmp_path: Path, width: int) -> None:
    picture = cv2.resize(noisy(1, (20, 12))[0], (width, 180), interpolation=cv2.INTER_CUBIC)
    path = write_clip(tmp_path / "a.mp4", [np.roll(picture, 2 * i, 1) for i in range(30)])
    code = f"from pathlib import Path; from clips import copy; copy(Path({str(path)!r}), Path(sys.argv[1]))"
    written = []
    for number in "1", "85", "255":  # what the C library fills new memory with
        target = tmp_path / f"{number}.mkv"
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); {code}", target]
        subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "MALLOC_PERTURB_": number})
        written.append(target.read_bytes())
    assert written[0] == written[1] == written[2]


# Shares of red and blue in the brightness, by FFmpeg's number of the matrix.
MATRICES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114)}


def write_planes(path: Path, matrix: int, full: bool) -> None:
    """Writes a smooth clip, given as brightness and colour differences."""
    width, height = 128, 96
    y, x = np.mgrid[:height, :width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        codec = stream.codec_context
        codec.colorspace = codec.color_primaries = codec.color_trc = matrix
        codec.color_range = 2 if full else 1
        for index in range(5):
            frame = av.VideoFrame(width, height, "yuv420p")
            planes = (40 + x + y / 2 + 2 * index, 80 + 0.75 * x[::2, ::2], 175 - y[::2, ::2])
            for plane, values in zip(frame.planes, planes, strict=True):
                rows = np.zeros((plane.height, plane.line_size), np.uint8)
                rows[:, : plane.width] = values
                plane.update(rows.tobytes())
            frame.colorspace, frame.color_range, frame.pts = matrix, 2 if full else 1, index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def colors(path: Path) -> list[NDArray[np.float64]]:
    """Pictures in RGB by the standards' own arithmetic, as the file says how to read it."""
    pictures = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            planes = [
                np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width].astype(float)
                for plane in frame.planes
            ]
            y, u, v = planes[0], *(plane.repeat(2, 0).repeat(2, 1) - 128 for plane in planes[1:])
            if frame.color_range == 1:
                y, u, v = (y - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
            red, blue = MATRICES[int(frame.colorspace)]
            r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
            pictures.append(np.dstack([r, (y - red * r - blue * b) / (1 - red - blue), b]).clip(0, 255))
    return pictures


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("name", ["b.mp4", "b.webm", "b.mov"])
def test_matrix_and_range_of_the_source_do_not_change_its_colors(
    tmp_path: Path, name: str, matrix: int, full: bool
) -> None:
    write_planes(tmp_path / "a.mp4", matrix, full)
    copy(tmp_path / "a.mp4", tmp_path / name)
    before, after = colors(tmp_path / "a.mp4"), colors(tmp_path / name)
    assert len(after) == 5
    for a, b in zip(before, after, strict=True):
        # Wrong by the matrix it would differ by 4.5 on average here, by the range by 6.3.
        assert np.abs(a - b).mean() < 2
        assert np.abs(a - b).max() < 12
