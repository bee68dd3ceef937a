"""Videos that are stored turned or mirrored come out as players show them."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import copy, frames, quarters, read, write_clip
from numpy.typing import NDArray

STORED = quarters()
# The display matrix of an MP4's track header: where a step to the right leads, right and down, and a step down.
SHOWN = {
    (1, 0, 0, 1): STORED,
    (0, 1, -1, 0): np.rot90(STORED, -1),
    (-1, 0, 0, -1): np.rot90(STORED, 2),
    (0, -1, 1, 0): np.rot90(STORED, 1),
    (-1, 0, 0, 1): np.fliplr(STORED),
    (1, 0, 0, -1): np.flipud(STORED),
    (0, 1, 1, 0): STORED.transpose(1, 0, 2),
    (0, -1, -1, 0): np.rot90(STORED, 2).transpose(1, 0, 2),
}


def write_turned(path: Path, matrix: tuple[int, ...]) -> Path:
    a, b, c, d = (number << 16 for number in matrix)
    data = bytearray(write_clip(path, [STORED] * 3).read_bytes())
    at = data.find(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def assert_shown(image: NDArray[np.uint8], matrix: tuple[int, ...]) -> None:
    assert image.shape == SHOWN[matrix].shape
    difference = np.abs(image.astype(int) - SHOWN[matrix])
    for rows in (slice(4, 20), slice(-20, -4)):
        for columns in (slice(4, 20), slice(-20, -4)):
            assert difference[rows, columns].max() <= 12


@pytest.mark.parametrize("matrix", SHOWN)
def test_frames_are_upright(tmp_path: Path, matrix: tuple[int, ...]) -> None:
    _, read_frames = read(write_turned(tmp_path / "a.mp4", matrix))
    for frame in read_frames:
        assert frame.image.flags["C_CONTIGUOUS"]
        assert_shown(frame.image, matrix)


@pytest.mark.parametrize("matrix", SHOWN)
@pytest.mark.parametrize("target", ["b.mp4", "b.webm"])
def test_result_is_stored_as_it_is_shown(tmp_path: Path, matrix: tuple[int, ...], target: str) -> None:
    for image in frames(copy(write_turned(tmp_path / "a.mp4", matrix), tmp_path / target))[1]:
        assert np.abs(image.astype(int) - SHOWN[matrix]).mean() < 4


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, -1), (8, 1)])
def test_photos_in_a_video_are_upright(tmp_path: Path, orientation: int, turns: int) -> None:
    jpeg = cv2.imencode(".jpg", STORED, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    tag = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHHI", 0x112, 3, 1, orientation, 0, 0)
    path = tmp_path / "a.mjpeg"
    path.write_bytes((jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(tag) + 2) + tag + jpeg[2:]) * 3)
    _, read_frames = read(path)
    for frame in read_frames:
        assert np.abs(frame.image.astype(int) - np.rot90(STORED, turns)).mean() < 4
