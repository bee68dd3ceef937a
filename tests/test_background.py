"""Backgrounds have the frame's size, and keep their shape and their time."""

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import color as clip_color
from clips import index_of, plain, write_clip
from numpy.typing import NDArray

from human_segmentation.errors import DataError
from human_segmentation.video.background import AT_ONCE, VideoBackground, color, cover, image_file
from human_segmentation.video.frames import Frame

NOBODY = np.zeros((48, 64), np.float32)


def frame(image: NDArray[np.uint8], time: float = 0.0) -> Frame:
    return Frame(image, 0, time)


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_cover_crops_the_middle_exactly() -> None:
    image = noise(48, 100)
    np.testing.assert_array_equal(cover(image, (64, 48)), image[:, 18:82])
    image = noise(100, 64)
    np.testing.assert_array_equal(cover(image, (64, 48)), image[26:74])
    image = noise(48, 64)
    np.testing.assert_array_equal(cover(image, (64, 48)), image)


def test_cover_averages_when_it_shrinks() -> None:
    image = noise(96, 140)
    expected = image[:, 6:134].reshape(48, 2, 64, 2, 3).mean((1, 3))
    assert np.abs(cover(image, (64, 48)) - expected).max() <= 0.51


@pytest.mark.parametrize("height", [1, 2, 48, 333])
@pytest.mark.parametrize("width", [1, 3, 64, 500])
@pytest.mark.parametrize("size", [(64, 48), (1, 1), (7, 301)])
def test_cover_has_the_exact_size(height: int, width: int, size: tuple[int, int]) -> None:
    image = np.full((height, width, 3), (10, 20, 30), np.uint8)
    covering = cover(image, size)
    assert covering.shape == (size[1], size[0], 3)
    assert (covering == (10, 20, 30)).all()


@pytest.mark.parametrize("size", [(64, 48), (300, 100), (90, 400), (1000, 1000)])
def test_cover_leaves_a_circle_round(size: tuple[int, int]) -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    cv2.circle(image, (150, 100), 20, (255, 255, 255), -1)
    mask = cover(image, size)[..., 0] > 127
    across, down = mask.any(0).sum(), mask.any(1).sum()
    zoom = max(size[0] / 300, size[1] / 200)
    assert abs(across - 41 * zoom) <= 1 + zoom
    assert abs(across - down) <= 1
    for axis, side in enumerate(size):  # the circle is half a pixel off the middle, and pixels are whole
        assert abs(np.flatnonzero(mask.any(axis)).mean() - (side - 1) / 2) <= max(zoom, 0.5)


@pytest.mark.parametrize("text", ["#00b140", "00B140"])
def test_color(text: str) -> None:
    background = color(text)(frame(noise(48, 64)), NOBODY)
    assert background.shape == (48, 64, 3)
    assert (background == (0x40, 0xB1, 0x00)).all()


@pytest.mark.parametrize("text", ["", "#", "green", "#12345", "#1234567", "#12345g", "##12345", "#١٢٣٤٥٦"])
def test_no_color(text: str) -> None:
    with pytest.raises(DataError, match=r"--background_color .*: this is no colour; write it as #rrggbb"):
        color(text)


def test_photo_follows_the_size_of_the_frame(tmp_path: Path) -> None:
    image = noise(48, 100)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    background = image_file(tmp_path / "a.png")
    np.testing.assert_array_equal(background(frame(noise(48, 64)), NOBODY), image[:, 18:82])
    np.testing.assert_array_equal(background(frame(noise(48, 32)), NOBODY[:, :32]), image[:, 34:66])


def shown(background: VideoBackground, times: list[float], count: int) -> list[int]:
    """Which frames of the background are shown at these times."""
    return [index_of(background(frame(noise(24, 80), time), NOBODY), count) for time in times]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_video_loops_with_every_frame(tmp_path: Path, name: str) -> None:
    background = VideoBackground(write_clip(tmp_path / name, 7))
    assert shown(background, [i / 25 for i in range(210)], 7) == [i % 7 for i in range(210)]


def test_video_whose_last_picture_stands_still(tmp_path: Path) -> None:
    """At 25 frames a second, but for the last of them, which is there for five seconds."""
    write_clip(tmp_path / "short.mp4", 3, codec="mpeg4")
    with av.open(str(tmp_path / "short.mp4")) as short, av.open(str(tmp_path / "a.mp4"), "w") as held:
        stream = held.add_stream_from_template(short.streams.video[0])
        *packets, last = [packet for packet in short.demux() if packet.size]
        last.duration = round(5 / last.time_base)
        for packet in (*packets, last):
            packet.stream = stream
            held.mux(packet)
    background = VideoBackground(tmp_path / "a.mp4")
    assert shown(background, [0.0, 0.05, 0.09, 2.0, 5.05, 5.09, 5.13, 9.0, 10.18], 3) == [0, 1, 2, 2, 2, 0, 1, 2, 0]


def test_video_of_one_frame(tmp_path: Path) -> None:
    background = VideoBackground(write_clip(tmp_path / "a.mp4", [plain(3)]))
    (tmp_path / "a.mp4").unlink()  # it is not opened for each step of its time
    for time in (0.0, 0.04, 0.5, 7.0):
        image = background(frame(noise(24, 80), time), NOBODY)
        assert image.shape == (24, 80, 3)
        assert np.abs(image.astype(int) - clip_color(3)).max() <= 8


@pytest.mark.parametrize("rate", [10, 25, 60])
def test_video_has_a_time_of_its_own(tmp_path: Path, rate: int) -> None:
    background = VideoBackground(write_clip(tmp_path / "a.mp4", 10))
    times = [i / rate for i in range(2 * rate)]
    assert shown(background, times, 10) == [int(time * 25 + 0.01) % 10 for time in times]


def test_video_behind_a_camera_goes_on_where_it_was(tmp_path: Path) -> None:
    """After another background was shown for a minute, or where decoding cannot keep up with ten frames a step."""
    path = write_clip(tmp_path / "a.mp4", 10)
    background = VideoBackground(path, live=True)
    assert shown(background, [0.0, 0.04, 0.08], 10) == [0, 1, 2]
    last = 2 + AT_ONCE
    assert shown(background, [60.0, 60.04, 60.08, 60.1], 10) == [last, last + 1, last + 2, last + 2]
    background = VideoBackground(path, live=True)
    assert shown(background, [0.4 * i for i in range(4)], 10) == [AT_ONCE * i for i in range(4)]


def test_video_that_was_cut_off_begins_anew_where_it_ends(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "cut.mp4", 50, movflags="+faststart", gop=1)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    background = VideoBackground(path)
    first = shown(background, [i / 25 for i in range(100)], 50)
    count = first.index(0, 1)
    assert 10 < count < 40
    assert first == [i % count for i in range(100)]
    assert background.notes()[0].startswith(f"{path}: the video ends early, at {count / 25:.1f} of 2.0 seconds")


def test_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(DataError, match=r"a.mp4: "):
        VideoBackground(tmp_path / "a.mp4")


def test_no_video_from_a_pipe(tmp_path: Path) -> None:
    """Which could be shown once only."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(DataError, match=f"{path}: a background video begins again where it ends, which a pipe cannot"):
        VideoBackground(path)
