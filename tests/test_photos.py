"""Photos are read right, whole and upright, and written whole or not at all."""

import io
import os
import resource
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import names
from numpy.typing import NDArray
from PIL import Image

from human_segmentation.errors import BusyError, DataError, OutputError
from human_segmentation.files import take_place, whole_file, whole_folder
from human_segmentation.photos import has_writer, is_photo, read_photo, write_photo

HEIGHT, WIDTH = 90, 140


def picture() -> NDArray[np.uint8]:
    """Smooth, so that JPEG keeps it, and different in all four corners."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.dstack([x * 255 // WIDTH, y * 255 // HEIGHT, 255 - (x + y) * 255 // (HEIGHT + WIDTH)]).astype(np.uint8)


def encoded(suffix: str, image: NDArray[np.generic]) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def pillow(image: NDArray[np.uint8], kind: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image[..., ::-1])).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def load(tmp_path: Path, data: bytes, name: str = "photo.jpg") -> NDArray[np.uint8]:
    path = tmp_path / name
    path.write_bytes(data)
    image = read_photo(path)
    assert image.dtype == np.uint8
    return image


def assert_close(image: NDArray[np.uint8], expected: NDArray[np.uint8], tolerance: int) -> None:
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).max() <= tolerance


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = picture()[..., 0]
    image = load(tmp_path, encoded(".png", grey))
    np.testing.assert_array_equal(image, np.dstack([grey] * 3))


def test_grey_with_alpha(tmp_path: Path) -> None:
    grey = np.asarray(Image.fromarray(picture()).convert("L"))
    data = io.BytesIO()
    Image.merge("LA", [Image.fromarray(grey), Image.new("L", (WIDTH, HEIGHT), 255)]).save(data, "PNG")
    np.testing.assert_array_equal(load(tmp_path, data.getvalue()), np.dstack([grey] * 3))


@pytest.mark.parametrize("opacity", [255, 128])
def test_alpha_is_dropped_and_colors_stay(tmp_path: Path, opacity: int) -> None:
    image = picture()
    data = encoded(".png", np.dstack([image, np.full((HEIGHT, WIDTH), opacity, np.uint8)]))
    np.testing.assert_array_equal(load(tmp_path, data), image)


def test_16_bits_become_8(tmp_path: Path) -> None:
    image = picture()
    np.testing.assert_array_equal(load(tmp_path, encoded(".png", image.astype(np.uint16) * 257)), image)


def test_cmyk_jpeg(tmp_path: Path) -> None:
    assert_close(load(tmp_path, pillow(picture(), "JPEG", "CMYK", quality=95)), picture(), 8)


ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
"""Linear RGB of that space to XYZ, with white at D50."""
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
GAMMA = 2.2


def icc_profile(matrix: NDArray[np.float64], name: bytes) -> bytes:
    """A display profile of version 2 with a matrix and one gamma (ICC.1:2001-04)."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(65536 * value) for value in values))

    parts = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + bytes(79)}
    parts |= {b"cprt": b"text\0\0\0\0none\0", b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)}
    for color, column in zip(b"rgb", matrix.T, strict=True):
        parts[bytes([color]) + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*column)
        parts[bytes([color]) + b"TRC"] = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * GAMMA))
    table, data = struct.pack(">I", len(parts)), b""
    start = 128 + 4 + 12 * len(parts)
    for key, part in parts.items():
        table += key + struct.pack(">II", start + len(data), len(part))
        data += part + bytes(-len(part) % 4)
    header = struct.pack(">I4xI4s4s4s12x4s28x", start + len(data), 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return header + fixed(0.9642, 1, 0.8249) + bytes(48) + table + data


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_colors_of_a_profile_become_srgb(tmp_path: Path, kind: str) -> None:
    image = picture()
    profile = icc_profile(ADOBE_RGB, b"wide")
    options = {"PNG": {}, "WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}[kind]
    data = pillow(image, kind, icc_profile=profile, **options)
    light = (image[..., ::-1] / 255) ** GAMMA @ (np.linalg.inv(SRGB) @ ADOBE_RGB).T
    light = light.clip(0, 1)
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    expected = np.rint(255 * expected[..., ::-1]).astype(np.uint8)
    assert np.abs(expected.astype(int) - image).mean() > 5
    found = load(tmp_path, data)
    assert np.abs(found - expected.astype(int)).mean() < 0.5
    if kind != "JPEG":  # whose rounding becomes large in what is nearly black
        assert_close(found, expected, 2)


def test_a_cut_out_with_a_profile_keeps_its_alpha(tmp_path: Path) -> None:
    image, profile = picture(), icc_profile(ADOBE_RGB, b"wide")
    alpha = np.ascontiguousarray(image[::-1, :, 0])
    data = io.BytesIO()
    Image.fromarray(np.dstack([image[..., ::-1], alpha])).save(data, "PNG", icc_profile=profile)
    (tmp_path / "a.png").write_bytes(data.getvalue())
    cut = read_photo(tmp_path / "a.png", cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(cut[..., 3], alpha)
    np.testing.assert_array_equal(cut[..., :3], load(tmp_path, pillow(image, "PNG", icc_profile=profile)))
    sixteen = cv2.imencode(".png", image.astype(np.uint16) * 257)[1].tobytes()
    chunk = b"iCCP" + b"wide\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "b.png").write_bytes(sixteen[:33] + chunk + sixteen[33:])
    np.testing.assert_array_equal(read_photo(tmp_path / "b.png", cv2.IMREAD_UNCHANGED), image.astype(np.uint16) * 257)


@pytest.mark.parametrize("profile", [icc_profile(ADOBE_RGB, b"like sRGB"), b"damaged", icc_profile(SRGB, b"x")[:200]])
def test_profiles_that_change_nothing(tmp_path: Path, profile: bytes) -> None:
    np.testing.assert_array_equal(load(tmp_path, pillow(picture(), "PNG", icc_profile=profile)), picture())


def test_grey_labels_stay_grey(tmp_path: Path) -> None:
    label = (picture()[..., 0] > 100).astype(np.uint8)
    (tmp_path / "label.png").write_bytes(encoded(".png", label))
    np.testing.assert_array_equal(read_photo(tmp_path / "label.png", cv2.IMREAD_GRAYSCALE), label)


# What has to be done to the stored picture, by EXIF orientation.
UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_turns_the_photo_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    data = pillow(picture(), "JPEG", quality=95, exif=exif)
    assert_close(load(tmp_path, data), UPRIGHT[orientation](picture()), 8)


def with_thumbnail(jpeg: bytes) -> bytes:
    """The JPEG with an EXIF segment in front that has a whole small JPEG in it."""
    thumbnail = encoded(".jpg", picture()[::8, ::8])
    segment = b"Exif\0\0" + thumbnail
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


JPEGS = {
    "baseline": pillow(picture(), "JPEG", quality=90),
    "progressive": pillow(picture(), "JPEG", quality=90, progressive=True),
    "restarts": pillow(picture(), "JPEG", quality=90, restart_marker_blocks=4),
    "thumbnail": with_thumbnail(pillow(picture(), "JPEG", quality=90)),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_whole_jpegs_load(tmp_path: Path, kind: str) -> None:
    assert_close(load(tmp_path, JPEGS[kind]), picture(), 12)


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("share", [0.05, 0.4, 0.7, 0.98])
def test_truncated_jpeg(tmp_path: Path, kind: str, share: float) -> None:
    with pytest.raises(DataError, match=r"cut.jpg: .*(truncated|damaged)"):
        load(tmp_path, JPEGS[kind][: int(len(JPEGS[kind]) * share)], "cut.jpg")


def test_what_phones_append_to_a_jpeg_is_no_damage(tmp_path: Path) -> None:
    # A clip behind the photo has every pair of bytes in it, the start of a scan (FF DA) too.
    clip = np.random.default_rng(0).integers(0, 256, 50_000, dtype=np.uint8).tobytes() + b"\xff\xda"
    assert_close(load(tmp_path, JPEGS["baseline"] + clip), picture(), 12)


@pytest.mark.parametrize("suffix", [".png", ".webp"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.98])
def test_truncated_png_and_webp(tmp_path: Path, suffix: str, share: float) -> None:
    data = encoded(suffix, np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    with pytest.raises(DataError, match=f"cut{suffix}: .*(damaged|truncated)"):
        load(tmp_path, data[: int(len(data) * share)], f"cut{suffix}")


@pytest.mark.parametrize(("name", "data"), [("empty.jpg", b""), ("text.jpg", b"a shopping list\n" * 40)])
def test_no_photo(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(DataError, match=f"{name}: .*; give"):
        load(tmp_path, data, name)


def test_missing_photo(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing.jpg: .*No such file"):
        read_photo(tmp_path / "missing.jpg")


def test_damage_is_told_by_us_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError):
        load(tmp_path, encoded(".webp", picture())[:-100])
    write_photo(tmp_path / "new.png", picture())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "tolerance"), [("a.png", 0), ("A.PNG", 0), ("new/folder/a.bmp", 0), ("a.jpg", 12)])
def test_written_photo_reads_back(tmp_path: Path, name: str, tolerance: int) -> None:
    write_photo(tmp_path / name, picture())
    assert_close(cv2.imread(str(tmp_path / name)), picture(), tolerance)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [Path(name).name]


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    write_photo(path, picture())
    np.testing.assert_array_equal(read_photo(path), picture())
    note = tmp_path / os.fsdecode(b"caf\xe9.txt")
    note.write_text("a note")
    assert (is_photo(path), is_photo(note)) == (True, False)
    odd = os.fsdecode(b"a.caf\xe9")
    assert (has_writer(path.name), has_writer(odd)) == (True, False)
    with pytest.raises(OutputError, match="cannot be written"):
        write_photo(tmp_path / odd, picture())


@pytest.mark.parametrize("name", ["a.xyz", "a", ".png", "a.pbm"])
def test_photo_of_a_type_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=rf"{name}: .*cannot be written.*; use"):
        write_photo(tmp_path / name, picture())
    assert not list(tmp_path.iterdir())


def test_photo_larger_than_its_format(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a.webp: a photo of 17000x2 pixels"):
        write_photo(tmp_path / "a.webp", np.zeros((2, 17000, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["file/a.png", "file/folder/a.png", "folder.png"])
def test_photo_in_an_impossible_place(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match=f"{name}: cannot be written .*; choose another place"):
        write_photo(tmp_path / name, picture())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


def test_full_disk_leaves_the_old_photo(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_photo(path, picture())
    noise = np.random.default_rng(0).integers(0, 256, (99, 99, 3), dtype=np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"a.png: cannot be written"):
            write_photo(path, noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    np.testing.assert_array_equal(cv2.imread(str(path)), picture())
    assert list(tmp_path.iterdir()) == [path]


def test_two_runs_do_not_write_one_folder(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with whole_folder(path) as partial:
        (partial / "weights").write_bytes(b"first")
        with pytest.raises(BusyError, match=r"model: another run is writing this folder"), whole_folder(path):
            pass
    assert (path / "weights").read_bytes() == b"first"
    (tmp_path / ".model.partial" / "deep").mkdir(parents=True)  # by a run that was killed
    (tmp_path / ".model.partial" / "deep" / "weights").write_bytes(b"half")
    with whole_folder(path) as partial:
        assert not list(partial.iterdir())
        (partial / "weights").write_bytes(b"second")
    assert (path / "weights").read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with whole_file(path) as partial:
        partial.write_bytes(b"first")
        with pytest.raises(BusyError, match=r"a.mp4: another run is writing this file"), whole_file(path):
            pass
    assert path.read_bytes() == b"first"
    with whole_file(path) as partial:
        partial.write_bytes(b"second")
    assert path.read_bytes() == b"second"
    assert names(tmp_path) == ["a.mp4"]


def test_folder_replaces_the_one_before(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with whole_folder(tmp_path / "model") as partial:
            (partial / "model.yml").write_text(text)
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "model") as partial:
        (partial / "model.yml").write_text(str(1 / 0))
    assert (tmp_path / "model" / "model.yml").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_file_is_no_place_for_a_folder(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    (tmp_path / "new").mkdir()
    with pytest.raises(OutputError, match=r"notes\.txt: there is a file of this name"), whole_folder(notes):
        pytest.fail("nothing is to be made")
    with pytest.raises(OutputError, match=r"notes\.txt: there is a file of this name"):
        take_place(tmp_path / "new", notes)
    assert names(tmp_path) == ["new", "notes.txt"]
    assert notes.read_text() == "mine"


@pytest.mark.parametrize("deep", ["mine.txt", "masks/drawn by hand.png"])
def test_files_of_others_at_any_depth(tmp_path: Path, deep: str) -> None:
    for name in ("list.txt", "masks/1.png", deep):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_text("old")
    with pytest.raises(OutputError, match=f"holds other files, such as {deep}"), whole_folder(tmp_path / "set") as new:
        (new / "masks").mkdir()
        for name in ("list.txt", "masks/1.png", "masks/2.png"):
            (new / name).write_text("new")
    assert (tmp_path / "set" / deep).read_text() == (tmp_path / "set" / "list.txt").read_text() == "old"
    assert not (tmp_path / "set" / "masks" / "2.png").exists()


@pytest.mark.parametrize("again", [False, True])
def test_stopped_between_the_old_folder_and_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """By Ctrl-C, or by kill -9, after which the next run finds what the first one left."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.yml").write_text("old")
    if again:
        (tmp_path / "model").rename(tmp_path / ".model.old")
        with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "model"):
            print(1 / 0)
    else:
        move, moves = Path.replace, []

        def interrupted(self: Path, target: Path) -> Path:
            moves.append(self)
            if len(moves) == 2:
                raise KeyboardInterrupt
            return move(self, target)

        monkeypatch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt), whole_folder(tmp_path / "model") as partial:
            (partial / "model.yml").write_text("new")
    assert (tmp_path / "model" / "model.yml").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_move_that_fails_after_one_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / ".data.old").mkdir()
    (tmp_path / ".data.old" / "mine").write_text("kept")
    with pytest.raises(FileNotFoundError):
        take_place(tmp_path / "not there", tmp_path / "data")
    assert (tmp_path / "data" / "mine").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("name", ["home", "home/."])
def test_folder_with_other_files_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    monkeypatch.chdir(tmp_path / "home")
    path = Path() if name == "home/." else tmp_path / name
    with pytest.raises(OutputError, match=r"holds other files, such as letter.txt"), whole_folder(path) as partial:
        (partial / "model.yml").write_text("new")
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
