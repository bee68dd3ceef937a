"""A result never takes the place of what it is made from."""

import os
import shutil

import cv2
import numpy as np
import pytest
from clips import write_clip
from conftest import ROOT, files_of

from human_segmentation.cli import run_command

PHOTO = ROOT / "data" / "human_image.jpg"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with photos, numbered ones too, and videos."""
    for name in ("in/a.jpg", "bg.jpg", "out/a.jpg", "f/1.png", "f/00001.png", "f/10000.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), len(name), np.uint8))
    for name in ("bg.mp4", "in/v.mp4"):
        write_clip(tmp_path / name, 2)
    (tmp_path / "link.jpg").symlink_to("bg.jpg")
    os.link(tmp_path / "bg.mp4", tmp_path / "twin.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "output", "file"),
    [
        ("--image_path in/a.jpg --background_image_path bg.jpg --output bg.jpg", "bg.jpg", "bg.jpg"),
        ("--image_path in/a.jpg --background_image_path bg.jpg --output in/../link.jpg", "in/../link.jpg", "bg.jpg"),
        ("--image_path in/a.jpg --background_image_path out/a.jpg --save_dir out", "out/a.jpg", "out/a.jpg"),
        ("--input_dir in --background_image_path out/a.jpg --save_dir out", "out/a.jpg", "out/a.jpg"),
        ("--video_path in/v.mp4 --background_video_path bg.mp4 --output bg.mp4", "bg.mp4", "bg.mp4"),
        ("--video_path in/v.mp4 --background_video_path bg.mp4 --output twin.mp4", "twin.mp4", "bg.mp4"),
        ("--video_path in/v.mp4 --background_image_path f/1.png --output f/%d.png", "f/%d.png", "f/1.png"),
        ("--image_path f/1.png --background_color #0000ff --output f/%d.png", "f/%d.png", "f/1.png"),
        ("--video_path f/%d.png --background_color #0000ff --output f/%05d.png", "f/%05d.png", "f/10000.png"),
        ("--camera in/v.mp4 --background_image_path f --output f/%05d.png", "f/%05d.png", "f/00001.png"),
    ],
)
def test_input_and_background_stay(folder, capfd, arguments, output, file):
    before = files_of(folder)
    assert run_command("replace", arguments.split()) == 2
    assert capfd.readouterr().err == (
        f"error: {output}: the result would overwrite {file}, which it is made from; choose another --output or "
        "--save_dir\n"
    )
    assert files_of(folder) == before


def test_numbered_results_beside_the_background(folder):
    shutil.copy(PHOTO, folder)
    before = files_of(folder)
    arguments = "--image_path human_image.jpg --background_image_path bg.jpg --output %03d.jpg"
    assert run_command("replace", arguments.split()) == 0
    after = files_of(folder)
    assert cv2.imdecode(np.frombuffer(after.pop("001.jpg"), np.uint8), cv2.IMREAD_COLOR).shape == (512, 512, 3)
    assert after == before


def test_a_result_before_is_made_anew(folder):
    arguments = f"--image_path {PHOTO} --background_image_path bg.jpg --output out/a.jpg".split()
    assert run_command("replace", arguments) == 0
    assert cv2.imread("out/a.jpg").shape == cv2.imread(str(PHOTO)).shape
