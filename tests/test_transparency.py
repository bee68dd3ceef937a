"""What is transparent is so again when it is read: in WebM, MOV, numbered photos and photos."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import sound_packets
from conftest import ROOT, names
from numpy.typing import NDArray

from human_segmentation.errors import OutputError
from human_segmentation.photos import write_photo
from human_segmentation.video.encoding import choose_encoding
from human_segmentation.video.frames import Frame, Source
from human_segmentation.video.pictures import HEM, cutout, green_screen, matte, opaque
from human_segmentation.video.video_sink import VideoSink

PHOTO = ROOT / "data" / "human_image.jpg"
CLIP = ROOT / "data" / "video_test.mp4"


def disc(index: int, size: tuple[int, int] = (160, 120)) -> NDArray[np.uint8]:
    """A soft disc that moves, in colours that change smoothly."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    alpha = np.clip((height / 3 - np.hypot(x - width / 3 - index, y - height / 2)) / 6 + 0.5, 0, 1)
    colors = (60 + 120 * x / width, 200 - 100 * y / height, 80 + 0 * x)
    return np.rint(np.dstack([*colors, 255 * alpha])).astype(np.uint8)


def decoded(path: Path) -> list[NDArray[np.uint8]]:
    """Pictures of a video in BGRA; FFmpeg's own VP9 decoder leaves transparency out, that of libvpx does not."""
    images = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        webm = stream.codec_context.name == "vp9"
        decoder = av.CodecContext.create("libvpx-vp9", "r") if webm else stream.codec_context
        for packet in container.demux(stream):
            images += [frame.to_ndarray(format="bgra") for frame in decoder.decode(packet if packet.size else None)]
    return images


@pytest.mark.parametrize(("name", "most"), [("a.webm", 12), ("a.mov", 1)])
@pytest.mark.parametrize("size", [(160, 120), (63, 47), (1, 1)])
def test_video(tmp_path: Path, name: str, most: int, size: tuple[int, int]) -> None:
    images = [disc(index, size) for index in range(12)]
    source = Source()
    source.time_base = Fraction(1, 25)
    with VideoSink(tmp_path / name, source, choose_encoding(tmp_path / name, transparent=True)) as sink:
        for index, image in enumerate(images):
            sink.write(image, index)
    written = decoded(tmp_path / name)
    assert len(written) == 12
    for image, expected in zip(written, images, strict=True):
        image = image[: size[1], : size[0]].astype(int)
        error = np.abs(image - expected)
        assert error[..., 3].max() <= most and error[..., 3].mean() <= 1
        # Colours are not multiplied with the alpha: they are right where it is small, too.
        assert error[expected[..., 3] < 128].mean() < 4
        assert error[..., :3].mean() < 4
    with av.open(str(tmp_path / name)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.colorspace, codec.color_range) == (1, 1)


def test_opaque_pictures_fit_in_between(tmp_path: Path) -> None:
    """The keys of a camera's window change from a cut-out to pictures without transparency."""
    path = tmp_path / "a.mov"
    with VideoSink(path, Source(), choose_encoding(path, transparent=True)) as sink:
        for index in range(3):
            image = disc(index)
            sink.write(image if index != 1 else np.ascontiguousarray(image[..., :3]), 40 * index)
    images = decoded(path)
    assert [image[..., 3].min() for image in images] == [0, 255, 0]
    assert np.abs(images[1][..., :3].astype(int) - disc(1)[..., :3]).max() <= 6


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_photo(tmp_path: Path, suffix: str) -> None:
    image = disc(0, (63, 47))
    write_photo(tmp_path / f"a{suffix}", image)
    written = cv2.imread(str(tmp_path / f"a{suffix}"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(written[..., 3], image[..., 3])
    seen = image[..., 3] > 0
    np.testing.assert_array_equal(written[seen], image[seen])


def test_other_encoders_have_no_transparency() -> None:
    with pytest.raises(OutputError, match=r"--codec libx264: transparency in '.mov' is written by prores_aw; leave"):
        choose_encoding(Path("a.mov"), transparent=True, codec="libx264")


def test_pictures_of_an_alpha() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    alpha = np.tile(np.linspace(0, 1, 50, dtype=np.float32), (40, 1))
    frame = Frame(image, 0, 0.0)
    cut = cutout(frame, alpha)
    np.testing.assert_array_equal(cut[..., 3], np.rint(255 * alpha))
    np.testing.assert_array_equal(cut[:, -1, :3], image[:, -1])
    np.testing.assert_array_equal(matte(frame, alpha), np.rint(255 * alpha)[..., None].repeat(3, 2))
    green = np.array((0x40, 0xB1, 0))
    for image_on_green, share in ((green_screen(frame, alpha), alpha[..., None]), (opaque(cut), cut[..., 3:] / 255)):
        assert (
            np.abs(image_on_green - (cut[..., :3] * share + green * (1 - share))).max() <= 1
        )  # the cut-out's colours are rounded
    assert opaque(image) is image


def replace(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "bg_replace.py", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def cut_outs(tmp_path_factory: pytest.TempPathFactory) -> list[NDArray[np.uint8]]:
    """The clip as numbered photos."""
    folder = tmp_path_factory.mktemp("frames")
    assert replace("--video_path", CLIP, "--output", folder / "%05d.png").returncode == 0
    assert names(folder) == [f"{index:05d}.png" for index in range(1, 101)]
    return [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize(("name", "most"), [("a.webm", 64), ("a.mov", 1)])
def test_command_without_a_background(tmp_path: Path, cut_outs: list[NDArray[np.uint8]], name: str, most: int) -> None:
    done = replace("--video_path", CLIP, "--output", tmp_path / name)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / name}\n")
    images = decoded(tmp_path / name)
    assert len(images) == 100
    errors = [np.abs(a[..., 3].astype(int) - b[..., 3]) for a, b in zip(images, cut_outs, strict=True)]
    assert np.max(errors) <= most and np.mean(errors) < 0.5
    assert images[50][20, 20, 3] < 5 and images[50][250, 300, 3] > 250  # the sky, the suit
    sound = sound_packets(tmp_path / name)
    if name == "a.mov":
        assert sound == sound_packets(CLIP)
    else:
        with av.open(str(tmp_path / name)) as container:
            assert container.streams.audio[0].codec_context.name == "opus"
            assert sum(f.samples / f.sample_rate for f in container.decode(audio=0)) == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("kind", ["alpha", "green_screen", "composite"])
def test_command_with_an_output_type(tmp_path: Path, cut_outs: list[NDArray[np.uint8]], kind: str) -> None:
    background = ("--background_color", "#0000ff") if kind == "composite" else ()
    part = ("--video_path", CLIP, "--end", 1)
    done = replace(*part, "--output_type", kind, "--save_dir", tmp_path, *background, "--crf", 10)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == ["video_test.mp4"]
    behind = {"alpha": (0, 0, 0), "green_screen": (0x40, 0xB1, 0), "composite": (255, 0, 0)}[kind]
    for image, cut in zip(decoded(tmp_path / "video_test.mp4"), cut_outs[:25], strict=True):
        share = cut[..., 3:] / 255
        person = 255.0 if kind == "alpha" else cut[..., :3]
        assert np.abs(image[..., :3] - (person * share + behind * (1 - share))).mean() < 4


@pytest.mark.parametrize(
    ("given", "name"),
    [(("--image_path", PHOTO), "human_image.png"), (("--video_path", CLIP, "--end", 1), "video_test.webm")],
)
def test_foreground_by_itself_takes_a_file_that_can_hold_it(
    tmp_path: Path, given: tuple[object, ...], name: str
) -> None:
    assert replace(*given, "--output_type", "foreground", "--save_dir", tmp_path).returncode == 0
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_photo_without_a_background(tmp_path: Path, name: str) -> None:
    assert replace("--image_path", PHOTO, "--output", tmp_path / name).returncode == 0
    image = cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)
    assert image.shape == (512, 512, 4)
    assert image[20, 480, 3] == 0 and image[120, 230, 3] == 255  # the wall, her face
    face = (slice(60, 140), slice(200, 260))
    assert np.abs(image[face][..., :3].astype(int) - cv2.imread(str(PHOTO))[face]).mean() < 3


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--video_path", CLIP, "--output", "a.mp4", "--output_type", "foreground"], "a.mp4: there is no transparency"),
        (["--video_path", CLIP, "--output", "a.mkv", "--output_type", "foreground"], "ends in .png, .webp, .webm or"),
        (["--image_path", PHOTO, "--output", "a.jpg", "--output_type", "foreground"], "a.jpg: there is no transparen"),
        (["--camera", "0", "--output_type", "foreground"], "a window: there is no transparency"),
        (["--video_path", CLIP, "--output", "a.mp4"], "--background_image_path"),
        (["--video_path", CLIP, "--output", "a.png"], "frames/%05d.png"),
        (["--image_path", PHOTO, "--output", "a.webm"], "a.webm: photos of the type '.webm' cannot be written"),
    ],
)
def test_where_there_is_no_transparency(args: list[object], words: str) -> None:
    done = replace(*args)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and words in done.stderr
    assert not (ROOT / str(args[3])).exists()


def test_a_cutout_does_not_show_the_room() -> None:
    frame = Frame(np.full((60, 90, 3), 200, np.uint8), 0, 0.0)
    alpha = np.zeros((60, 90), np.float32)
    alpha[20:40, 30:50] = 1
    image = cutout(frame, alpha)
    lit = np.zeros((60, 90), bool)
    lit[20 - HEM : 40 + HEM, 30 - HEM : 50 + HEM] = True
    assert (image[..., :3].any(-1) == lit).all()
    assert (image[..., 3] == 255 * alpha).all()
