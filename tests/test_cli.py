import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import decoded
from commands import command, fail, started, succeed
from conftest import ROOT

from human_segmentation.cli import exit_code

PHOTO = "data/human_image.jpg"
BACKGROUND = "data/background.jpg"
CLIP = "data/video_test.mp4"


@pytest.fixture(scope="module")
def black(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "black.png"
    cv2.imwrite(str(path), np.zeros((64, 64, 3), np.uint8))
    return path


def test_photo_as_the_tutorial_says(tmp_path):
    folder = "pretrain_weights/humanseg_mobile_inference"
    succeed(
        "bg_replace.py", "--model_dir", folder, "--image_path", PHOTO, "--background_image_path", BACKGROUND,
        "--save_dir", tmp_path, "--image_shape", 192, 192,
    )  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["human_image.jpg"]
    result = cv2.imread(str(tmp_path / "human_image.jpg")).astype(int)
    photo = cv2.imread(str(ROOT / PHOTO)).astype(int)
    scene = cv2.resize(cv2.imread(str(ROOT / BACKGROUND)), (910, 512), interpolation=cv2.INTER_AREA)[:, 199:711]
    assert result.shape == photo.shape
    assert np.abs(result[60:140, 200:260] - photo[60:140, 200:260]).mean() < 3  # her face
    assert np.abs(result[:40, 400:] - scene[:40, 400:]).mean() < 3  # where the shuttle was


def test_the_old_background_does_not_shine_through(tmp_path, black):
    """Around the dark hair the wall was light; on black, no light rim may remain."""
    output = tmp_path / "out.png"
    succeed("bg_replace.py", "--image_path", PHOTO, "--background_image_path", black, "--output", output)
    result = cv2.imread(str(output), cv2.IMREAD_GRAYSCALE)
    wall = cv2.imread(str(ROOT / PHOTO), cv2.IMREAD_GRAYSCALE)[5:20, 100:400].mean()
    above_the_hair = result[8:16, 200:270]
    assert wall > 170
    assert above_the_hair.mean() < 0.35 * wall


def test_video_with_its_sound(tmp_path):
    succeed("bg_replace.py", "--video_path", CLIP, "--background_color", "#00b140", "--save_dir", tmp_path)
    frames = decoded(tmp_path / "video_test.mp4")
    assert len(frames) == 100
    corner = np.mean([frame[:40, :40].mean((0, 1)) for frame in frames], 0)
    assert np.abs(corner - (0x40, 0xB1, 0)).max() < 6
    with av.open(str(tmp_path / "video_test.mp4")) as output, av.open(str(ROOT / CLIP)) as source:
        assert abs(output.duration - source.duration) <= av.time_base / 25
        sound = [[bytes(p) for p in c.demux(audio=0) if p.size] for c in (output, source)]
    assert sound[0] == sound[1]


def test_video_infer_puts_the_person_on_white(tmp_path):
    succeed("video_infer.py", "--video_path", CLIP, "--save_dir", tmp_path, "--temporal", "none")
    frames = decoded(tmp_path / "result.mp4")
    assert len(frames) == 100
    assert np.mean([frame[:40, :40] for frame in frames]) > 250
    assert np.mean(frames[50][200:300, 250:350]) < 200


def test_video_infer_gives_what_else_there_is(tmp_path):
    options = ["--video_path", CLIP, "--end", "0.2", "--output_type", "green_screen", "--output"]
    for script in ("video_infer.py", "bg_replace.py"):
        succeed(script, *options, tmp_path / f"{script}.mp4")
    assert (tmp_path / "video_infer.py.mp4").read_bytes() == (tmp_path / "bg_replace.py.mp4").read_bytes()


def test_background_video_goes_on_for_as_long_as_the_input(tmp_path):
    short = tmp_path / "short.mp4"
    with av.open(str(short), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for value in (40, 200):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), value, np.uint8), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    succeed("bg_replace.py", "--video_path", CLIP, "--background_video_path", short, "--save_dir", tmp_path / "out")
    frames = decoded(tmp_path / "out" / "video_test.mp4")
    corners = [frame[:32, :32].mean() for frame in frames]
    assert len(corners) == 100
    assert corners == pytest.approx([40, 200] * 50, abs=8)


@pytest.mark.parametrize(("flag", "brighter"), [("--background_blur", 10), ("--background_lens", 30)])
def test_blur_keeps_the_room_recognisable(tmp_path, flag, brighter):
    output = tmp_path / "out.png"
    succeed("bg_replace.py", "--image_path", PHOTO, flag, 21, "--output", output)
    photo, result = cv2.imread(str(ROOT / PHOTO)), cv2.imread(str(output))
    shuttle = (slice(60, 200), slice(380, 460))
    assert np.abs(photo[shuttle].mean((0, 1)) - result[shuttle].mean((0, 1))).max() < brighter
    assert cv2.Laplacian(result[shuttle], cv2.CV_32F).std() < 0.3 * cv2.Laplacian(photo[shuttle], cv2.CV_32F).std()


def test_console_command_has_the_same_commands(tmp_path):
    code = "import sys; from human_segmentation.cli import main; sys.exit(main())"
    output = tmp_path / "out.png"
    arguments = ["replace", "--image_path", PHOTO, "--background_color", "00b140", "--output", str(output)]
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, check=True)
    expected = tmp_path / "script.png"
    succeed("bg_replace.py", *arguments[1:-1], expected)
    assert output.read_bytes() == expected.read_bytes()
    listing = subprocess.run(
        [sys.executable, "-c", code, "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "replace" in listing.stdout
    assert "train" in listing.stdout


BLUE = ("--background_color", "#0000ff")
MODEL = "pretrain_weights/humanseg_mobile_inference"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--image_path", PHOTO], "--background_image_path"),
        (["--image_path", "", *BLUE], "--image_path: '' names no file"),
        (["--image_path", ".", *BLUE], "--image_path: '.' names no file"),
        (["--image_path", PHOTO, "--output_type", "alpha", *BLUE], "--output_type alpha: no background is seen there"),
        (["--image_path", "nowhere.jpg", *BLUE], "nowhere.jpg"),
        (["--image_path", "README.md", *BLUE], "README.md"),
        (["--image_path", "data", *BLUE], "data"),
        (["--image_path", PHOTO, "--background_image_path", "README.md"], "README.md"),
        (
            ["--image_path", PHOTO, "--background_image_path", CLIP],
            "this is a video; give it as --background_vi",
        ),
        (["--image_path", PHOTO, "--background_color", "green"], "#rrggbb"),
        (["--image_path", PHOTO, "--background_blur", 0], "--background_blur"),
        (["--image_path", PHOTO, "--background_lens", 0], "--background_lens"),
        (["--image_path", PHOTO, "--background_image_path", "data"], "give the path of a photo"),
        (["--background_image_path", "tests"], "tests: the folder has no photos"),
        (["--video_path", CLIP, "--codec", "nonsense", *BLUE], "libx264"),
        (["--video_path", CLIP, "--virtual_camera", *BLUE], "--virtual_camera"),
        (["--image_path", PHOTO, "--threads", 0, *BLUE], "threads 0: the number must be 1 or more"),
        (["--image_path", PHOTO, "--image_shape", 0, 192, *BLUE], "--image_shape"),
        (["--image_path", PHOTO, "--model_dir", "nowhere", *BLUE], "--model_dir"),
        (["--image_path", PHOTO, "--model_dir", "data", *BLUE], "model.yml"),
        (["--image_path", PHOTO, "--model_dir", "pretrain_weights/humanseg_mobile_params", *BLUE], "export.py"),
        (["--video_path", "nowhere.mp4", *BLUE], "nowhere.mp4"),
        (["--video_path", PHOTO, "--background_video_path", "README.md"], "README.md"),
        (["--video_path", "README.md", *BLUE], "README.md"),
        (["--camera", 99, *BLUE], "camera 99"),
        (["--camera", 99999999999, *BLUE], "camera 99999999999"),
        (["--image_path", PHOTO, "--camera", 0, *BLUE], "--camera: not allowed with argument --image_path"),
        (["--video_path", CLIP, "--output", "data", *BLUE], "data: this is a folder; give a file with --output"),
        (["--image_path", PHOTO, "--video_path", CLIP, *BLUE], "--video_path: not allowed with argument --image_path"),
        (["--input_dir", "data", "--image_path", PHOTO, *BLUE], "--image_path: not allowed with argument --input_dir"),
        (["--video_path", CLIP, "--camera", 1, *BLUE], "--camera: not allowed with argument --video_path"),
        (
            ["--image_path", PHOTO, "--background_image_path", BACKGROUND, *BLUE],
            "--background_color: not allowed with argument --background_image_path",
        ),
    ],
)
def test_bad_input(tmp_path, args, words):
    message = fail("bg_replace.py", *args, "--save_dir", tmp_path / "out")
    assert words in message
    assert not (tmp_path / "out").exists()


def test_a_photo_of_nobody(tmp_path, black):
    said = succeed("bg_replace.py", "--image_path", black, *BLUE, "--save_dir", tmp_path).stderr
    assert said == f"warning: {black}: nobody was found\n"
    assert (cv2.imread(str(tmp_path / "black.png")) == (255, 0, 0)).all()


def test_no_temporal_is_temporal_none(tmp_path):
    for name, flags in {"a": ["--no_temporal"], "b": ["--temporal", "none"], "c": []}.items():
        arguments = ["--video_path", CLIP, "--end", 0.4, *BLUE, "--output", tmp_path / f"{name}.mp4"]
        succeed("bg_replace.py", *arguments, *flags)
    a, b, c = (np.stack(decoded(tmp_path / f"{name}.mp4")) for name in "abc")
    assert len(a) == 10
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_nobody_reads_what_is_printed(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    arguments = ["--image_path", PHOTO, *BLUE, "--save_dir", tmp_path]
    with started("bg_replace.py", *arguments, stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        _, errors = process.communicate(timeout=60)
    assert errors == ""
    assert (tmp_path / "human_image.jpg").exists()


def test_a_path_below_a_locked_folder(capsys):
    def run():
        raise PermissionError(13, "Permission denied", "/root/locked/a.jpg")

    assert exit_code(run) == 2
    assert capsys.readouterr().err == "error: /root/locked/a.jpg: Permission denied; give another path\n"


@pytest.mark.parametrize("name", ["human_image.jpg", "video_test.mp4"])
def test_folder_that_cannot_be_written(tmp_path, name):
    (tmp_path / "file").write_text("in the way")
    flag = "--image_path" if name.endswith("jpg") else "--video_path"
    message = fail("bg_replace.py", flag, f"data/{name}", *BLUE, "--save_dir", tmp_path / "file" / "out")
    assert "cannot be written" in message
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["human_image.jpg", "video_test.mp4"])
def test_the_input_is_never_overwritten(tmp_path, name):
    shutil.copy(ROOT / "data" / name, tmp_path)
    before = (tmp_path / name).read_bytes()
    flag = "--image_path" if name.endswith("jpg") else "--video_path"
    assert "overwrite" in fail("bg_replace.py", flag, tmp_path / name, *BLUE, "--save_dir", tmp_path)
    assert (tmp_path / name).read_bytes() == before


def test_truncated_video_is_worked_on_as_far_as_it_goes(tmp_path):
    data = (ROOT / CLIP).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) // 2])
    result = succeed("bg_replace.py", "--video_path", path, *BLUE, "--save_dir", tmp_path / "out")
    assert len(decoded(tmp_path / "out" / "cut.mp4")) == 41
    assert result.stderr.splitlines() == [
        f"warning: {path}: the video ends early, at 1.6 of 4.0 seconds",
        f"warning: {path}: damaged frames: 1 left out, 0 repaired as well as can be",
    ]


def test_video_without_its_index_leaves_nothing(tmp_path):
    data = (ROOT / CLIP).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[:1000])
    message = fail("bg_replace.py", "--video_path", tmp_path / "cut.mp4", *BLUE, "--save_dir", tmp_path / "out")
    assert "cut.mp4" in message
    assert not list((tmp_path / "out").glob("*")) and not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.mov", "%d.png"])
def test_full_disk(disk, name):
    (disk / "filler").write_bytes(bytes(920_000))
    message = fail("bg_replace.py", "--video_path", CLIP, "--output_type", "green_screen", "--output", disk / name)
    assert f"{disk}/" in message and "(No space left on device); choose another place or make room" in message
    written = [path for path in disk.iterdir() if path.name != "filler"]
    assert all(cv2.imread(str(path)).shape == (360, 640, 3) for path in written)
    assert not written or name == "%d.png"


@pytest.fixture
def no_screen():
    """The environment of a program that cannot show windows."""
    return {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}


def test_no_display_for_a_window(no_screen):
    assert "no display" in fail("bg_replace.py", "--camera", CLIP, *BLUE, env=no_screen)


def test_a_camera_is_recorded_without_a_display(tmp_path, no_screen):
    result = command("bg_replace.py", "--camera", CLIP, *BLUE, "--output", tmp_path / "o.mp4", env=no_screen)
    assert result.returncode == 0
    assert result.stderr == f"warning: camera {CLIP}: it gives no more pictures; plug it in again\n"
    assert result.stdout == f"there is no display for a window; Ctrl-C ends the run\n{tmp_path}/o.mp4\n"
    frames = decoded(tmp_path / "o.mp4")
    assert frames and frames[0].shape == (360, 640, 3)
    assert np.abs(frames[0][:20, :20].mean((0, 1)) - (255, 0, 0)).max() < 6


def test_a_virtual_camera_needs_no_display(no_screen):
    if list(Path("/dev").glob("video*")):
        pytest.skip("there are cameras here")
    message = fail("bg_replace.py", "--camera", CLIP, *BLUE, "--virtual_camera", env=no_screen)
    assert "the system has no virtual camera that is free" in message


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "o.mp4"), (signal.SIGTERM, "o.mp4"), (signal.SIGINT, "o.webm")]
)
def test_stopped_video_is_playable(tmp_path, long_clip, number, name):
    arguments = ["--video_path", long_clip, *BLUE, "--output", tmp_path / name]
    partial = tmp_path / f".o.partial{Path(name).suffix}"
    with started("bg_replace.py", *arguments, stdout=subprocess.PIPE) as process:
        while not partial.exists() or partial.stat().st_size < 50_000:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    frames = decoded(tmp_path / name)
    assert f"stopped after {len(frames)} frames" in output
    assert 10 < len(frames) < 12000
    with av.open(str(tmp_path / name)) as container:
        sound = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert sound == pytest.approx(len(frames) / 25, abs=0.15)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_killed_video_leaves_no_result(tmp_path, long_clip):
    with started("bg_replace.py", "--video_path", long_clip, *BLUE, "--output", tmp_path / "o.mp4") as process:
        while not (tmp_path / ".o.partial.mp4").exists():
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(0.3)
        process.kill()
    assert not (tmp_path / "o.mp4").exists()
