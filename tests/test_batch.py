"""`--input_dir`: many photos and videos in one run, and in one after another."""

import fcntl
import gc
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from clips import copy, frames, write_clip
from conftest import ROOT, files_of, names

from human_segmentation.cli import run_command

PHOTO = ROOT / "data" / "human_image.jpg"
CLIP = ROOT / "data" / "video_test.mp4"
BLUE = ["--background_color", "#0000ff"]


@pytest.fixture
def batch(tmp_path, capfd):
    """Runs the command on `tmp_path/in`, to `tmp_path/out`; gives the exit code and the lines that it prints."""

    def run(*options, given="in", save_dir="out", command="replace", background=BLUE):
        arguments = ["--input_dir", tmp_path / given, "--save_dir", tmp_path / save_dir, *background, *options]
        code = run_command(command, list(map(str, arguments)))
        printed = capfd.readouterr()
        errors = [line for line in printed.err.splitlines() if "nobody was found" not in line]  # in the made clips
        return code, printed.out.splitlines(), errors

    return run


@pytest.fixture
def folder(tmp_path):
    """The folder `tmp_path/in` with three photos and a video."""
    folder = tmp_path / "in"
    folder.mkdir()
    image = cv2.resize(cv2.imread(str(PHOTO)), (96, 96), interpolation=cv2.INTER_AREA)
    for name in ("a.jpg", "B.PNG", "c.gif"):
        cv2.imwrite(str(folder / name), image)
    write_clip(folder / "d.mov")
    return folder


def process(folder, *options, **streams):
    arguments = ["--input_dir", folder, "--save_dir", folder.parent / "out", *BLUE, *options]
    return subprocess.Popen([sys.executable, "bg_replace.py", *map(str, arguments)], cwd=ROOT, **streams)


def assert_whole(out, length=10):
    """The results of `folder`, and nothing else."""
    assert names(out) == ["B.PNG", "a.jpg", "c.png", "d.mp4"]
    assert all(cv2.imread(str(out / name)).shape == (96, 96, 3) for name in ("B.PNG", "a.jpg", "c.png"))
    assert len(frames(out / "d.mp4")[0]) == length


def test_folder_with_bad_files(tmp_path, folder, batch):
    (folder / "a.txt").write_text("a note")
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("a note with a name that is no Unicode")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "deeper").mkdir()
    shutil.copy(PHOTO, folder / "deeper")
    (folder / "b.jpg").write_bytes(PHOTO.read_bytes()[:40_000])
    (folder / "e.jpg").touch()
    (folder / "e.avi").write_text("no video")
    code, printed, errors = batch()
    assert code == 2
    assert printed == [f"{tmp_path}/out: 4 made, 3 failed: {folder}/b.jpg, {folder}/e.avi, {folder}/e.jpg"]
    assert [line.split(": ")[:2] for line in errors] == [
        ["error", f"{folder}/{name}"] for name in ("b.jpg", "e.avi", "e.jpg")
    ]
    assert_whole(tmp_path / "out")


def test_results_are_those_of_each_input_alone(tmp_path, folder, batch):
    """Nothing goes from one to the next, and a background video begins anew with each."""
    background = write_clip(tmp_path / "background.mp4", 30)
    copy(CLIP, folder / "e.mp4", last=9)
    copy(CLIP, folder / "f.mp4", last=9)
    options = ["--background_video_path", str(background)]
    assert batch(background=options) == (0, [f"{tmp_path}/out: 6 made"], [])
    alone = ["--image_path", folder / "B.PNG", *options, "--output", tmp_path / "alone.png"]
    assert run_command("replace", list(map(str, alone))) == 0
    assert (tmp_path / "out" / "B.PNG").read_bytes() == (tmp_path / "alone.png").read_bytes()
    for one, other in zip(frames(tmp_path / "out/e.mp4")[1], frames(tmp_path / "out/f.mp4")[1], strict=True):
        assert np.abs(one.astype(int) - other).mean() < 0.5


def test_run_again(tmp_path, folder, batch):
    assert batch()[0] == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    (tmp_path / "out" / "d.mp4").unlink()
    shutil.copy(folder / "a.jpg", folder / "z.jpg")
    code, printed, errors = batch()
    assert (code, errors) == (0, [])
    assert printed[0].startswith(f"{tmp_path}/out: 2 made, 3 there already (")
    assert names(tmp_path / "out") == ["B.PNG", "a.jpg", "c.png", "d.mp4", "z.jpg"]
    assert all(path.stat().st_mtime_ns == before[path] for path in before if path.name != "d.mp4")


def test_pattern(tmp_path, folder, batch):
    for name in ("one.two/x.jpg", "one.two/y/x.jpg", ".hidden/x.jpg"):
        (folder / name).parent.mkdir()
        shutil.copy(folder / "a.jpg", folder / name)
    assert batch(given="in/*.[jg]*")[0] == 0
    assert set(files_of(tmp_path / "out")) == {"a.jpg", "c.png"}
    assert batch("--output_type", "alpha", given="in/**/x.*", save_dir="masks", background=[])[0] == 0
    assert set(files_of(tmp_path / "masks")) == {"one.two/x.png", "one.two/y/x.png"}


def test_results_in_the_folder_do_not_become_inputs(tmp_path, folder, batch):
    before = files_of(folder)
    assert batch(given="in/**", save_dir="in/out") == (0, [f"{folder}/out: 4 made"], [])
    assert batch(given="in/**", save_dir="in/out")[1][0].startswith(f"{folder}/out: 0 made, 4 there already")
    shutil.rmtree(folder / "out")
    for given in ("in", "in/*.jpg"):
        code, printed, errors = batch(given=given, save_dir="in", background=["--output_type", "alpha"])
        assert (code, printed) == (2, [])
        assert "results would mix with what they are made from" in errors[0]
    assert files_of(folder) == before


def test_two_results_of_one_name(tmp_path, folder, batch):
    shutil.copy(folder / "a.jpg", folder / "a.png")
    assert batch("--output_type", "alpha", background=[]) == (
        2, [], [f"error: {folder}/a.jpg and {folder}/a.png: both results would be {tmp_path}/out/a.png; "
        "rename one or move it elsewhere"],
    )  # fmt: skip
    assert not (tmp_path / "out").exists()
    assert batch()[0] == 0
    assert {"a.jpg", "a.png"} < set(names(tmp_path / "out"))


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        ("in", ["--output", "a.png"], "--output: it does not go with --input_dir"),
        ("in", ["--fps", 25], "--fps: it does not go with --input_dir"),
        ("in", ["--start", "soon"], "error: --start soon: this is no time"),
        ("in", ["--codec", "nonsense"], "--codec nonsense"),
        ("in/*.txt", [], "in/*.txt: there are no photos or videos"),
        ("nowhere", [], "nowhere: there are no photos or videos"),
    ],
)
def test_what_ends_the_command(tmp_path, folder, batch, given, options, words):
    for path in folder.glob("[!d]*"):
        path.unlink()
    (folder / "a.txt").write_text("a note")
    code, _, errors = batch(*options, given=given)
    assert code == 2
    assert len(errors) == 1 and words in errors[0]
    assert not (tmp_path / "out").exists() or names(tmp_path / "out") == []


def test_no_background(tmp_path, folder, batch):
    code, printed, errors = batch(background=[])
    assert (code, printed, len(errors)) == (2, [], 1)
    assert "no background is given" in errors[0]
    assert batch("--output_type", "foreground", background=[]) == (0, [f"{tmp_path}/out: 4 made"], [])
    assert names(tmp_path / "out") == ["B.png", "a.png", "c.png", "d.webm"]


def test_a_folder_that_cannot_be_written_ends_the_batch(tmp_path, folder, batch):
    (tmp_path / "out").write_text("in the way")
    code, printed, errors = batch()
    assert (code, printed, len(errors)) == (2, [f"{tmp_path}/out: 0 made, 1 failed: {folder}/B.PNG"], 1)
    assert "cannot be written" in errors[0]


def test_a_full_disk_ends_the_batch(tmp_path, folder, batch, disk):
    cv2.imwrite(str(folder / "b.bmp"), np.zeros((700, 700, 3), np.uint8))
    code, printed, errors = batch(save_dir="disk/out")
    assert (code, printed, len(errors)) == (2, [f"{disk}/out: 2 made, 1 failed: {folder}/b.bmp"], 1)
    assert "b.bmp: cannot be written (No space left on device)" in errors[0]
    assert names(disk / "out") == ["B.PNG", "a.jpg"]


def test_a_video_that_the_encoder_refuses_does_not_end_the_batch(tmp_path, folder, batch):
    write_clip(folder / "a.mkv", [np.zeros((16, 17000, 3), np.uint8)] * 2, codec="ffv1")
    code, printed, errors = batch()
    assert (code, printed, len(errors)) == (2, [f"{tmp_path}/out: 4 made, 1 failed: {folder}/a.mkv"], 1)
    assert f"{tmp_path}/out/a.mp4: the encoder libx264 does not start with 17000x16 pixels" in errors[0]
    assert_whole(tmp_path / "out")


def test_what_is_done_with_is_closed(tmp_path, folder, batch):
    background = write_clip(tmp_path / "background.mp4")
    for number in range(8):
        shutil.copy(folder / "a.jpg", folder / f"a{number}.jpg")
    gc.disable()
    try:
        assert batch(background=["--background_video_path", str(background)])[0] == 0
        opened = [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    finally:
        gc.enable()
    # One was opened to see whether it can be.
    assert [path for path in opened if path.is_relative_to(tmp_path)] == [background]


def test_two_runs_share_a_folder(tmp_path, folder):
    for number in range(6):
        shutil.copy(CLIP, folder / f"e{number}.mp4")
    both = [process(folder, "--end", "1", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=120)[1] for one in both]
    assert names(tmp_path / "out") == ["B.PNG", "a.jpg", "c.png", "d.mp4", *(f"e{number}.mp4" for number in range(6))]
    assert {len(frames(path)[0]) for path in (tmp_path / "out").glob("e*.mp4")} == {25}
    errors = [line for lines in said for line in lines.splitlines() if line.startswith("error")]
    assert all("another run is writing this file" in line for line in errors)


def test_photo_whose_name_looks_like_that_of_numbered_ones(tmp_path, folder, batch):
    shutil.copy(folder / "a.jpg", folder / "50%done.jpg")
    assert batch()[0] == 0
    assert names(tmp_path / "out") == ["50%done.jpg", "B.PNG", "a.jpg", "c.png", "d.mp4"]
    assert batch()[1][0].startswith(f"{tmp_path}/out: 0 made, 5 there already")
    alone = ["--image_path", folder / "50%done.jpg", "--save_dir", tmp_path / "alone", *BLUE]
    assert run_command("replace", list(map(str, alone))) == 0
    assert files_of(tmp_path / "alone") == {"50%done.jpg": (tmp_path / "out" / "50%done.jpg").read_bytes()}


def test_video_infer_takes_folders_too(tmp_path, folder, batch):
    assert batch(command="video", background=[])[0] == 0
    assert_whole(tmp_path / "out")
    assert cv2.imread(str(tmp_path / "out" / "B.PNG"))[:8, 80:].min() > 250


@pytest.mark.parametrize(
    ("given", "output", "setting"),
    [
        (["--image_path", PHOTO], "a.png", ["--codec", "libx265"]),
        (["--image_path", PHOTO], "a.png", ["--preset", "fast"]),
        (["--video_path", CLIP], "%d.png", ["--crf", "30"]),
    ],
)
def test_settings_of_videos_are_refused_for_photos(tmp_path, capfd, given, output, setting):
    assert run_command("replace", list(map(str, [*given, "--output", tmp_path / output, *BLUE, *setting]))) == 2
    assert f"error: {' '.join(setting)}: it is for videos, and {tmp_path}/{output} is a" in capfd.readouterr().err
    assert names(tmp_path) == []


def test_settings_of_videos_are_for_the_videos_of_a_folder(tmp_path, folder, batch):
    assert batch("--codec", "mpeg4", "--end", 0.2)[0] == 0
    assert_whole(tmp_path / "out", 5)
    with av.open(str(tmp_path / "out" / "d.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"


def wait_for(path, running):
    while not path.exists():
        assert running.poll() is None
        time.sleep(0.005)


def test_killed_processes(tmp_path, folder, batch):
    out = tmp_path / "out"
    write_clip(folder / "d.mov", 200)
    for name in ("a.jpg", "c.png", ".d.partial.mp4"):
        with process(folder) as running:
            wait_for(out / name, running)
            running.kill()
    assert names(out) == [".d.partial.mp4", "B.PNG", "a.jpg", "c.png"]
    assert batch()[0] == 0
    assert_whole(out, 200)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_video_is_not_taken_for_a_finished_one(tmp_path, folder, batch, number):
    out = tmp_path / "out"
    write_clip(folder / "d.mov", 2000)
    with process(folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        wait_for(out / ".d.partial.mp4", running)
        time.sleep(0.3)  # some frames
        running.send_signal(number)
        printed = running.communicate(timeout=30)
    assert running.returncode == 130
    assert printed == (f"{out}: 3 made\n", "interrupted\n")
    assert names(out) == ["B.PNG", "a.jpg", "c.png"]
    write_clip(folder / "d.mov")
    assert batch()[1][0].startswith(f"{out}: 1 made, 3 there already")
    assert_whole(out)


def test_progress_in_a_terminal(tmp_path, folder):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))
    with process(folder, stderr=theirs, stdout=subprocess.DEVNULL) as running:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 4096):
                shown += block
        except OSError:  # the other side is closed
            pass
    os.close(ours)
    assert running.returncode == 0
    text = shown.decode()
    last = text.rstrip().split("\r")[-1]
    assert re.search(r"\| 4/4 \[.*(file/s|s/file)\]", last)  # the latter where a file takes more than a second
    assert "| 0/10 [" in text and "frame/s]" in text  # the video
    assert "| 0/1 [" not in text
