"""Alphas by the programs that people use instead, each run by a command in an environment of its own.

Benchmarks take them as `--other NAME=COMMAND ...`:

    "MediaPipe Selfie, general=PYTHON benchmarks/mediapipe_masks.py 0"    pip install mediapipe==0.10.9 "numpy<2"
    "MediaPipe Selfie, landscape=PYTHON benchmarks/mediapipe_masks.py 1"
    "rembg=PYTHON benchmarks/rembg_masks.py"                              pip install "rembg[cpu]"
    "Robust Video Matting=node benchmarks/rvm_masks.mjs HOME"             npm install, see there

To a command, one of these is added:

    photos LIST FOLDER    each path in the file LIST is a picture by itself; writes FOLDER/0.png and so on
    video LIST FOLDER     likewise, of frames that follow each other
    time FRAME            prints the milliseconds that the picture FRAME takes
"""

import argparse
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


def add_argument(parser: argparse.ArgumentParser) -> None:
    """`--other`, as a list of names and commands."""
    parser.add_argument("--other", type=_named, nargs="+", default=[], metavar="NAME=COMMAND")


def _named(text: str) -> tuple[str, str]:
    name, _, command = text.partition("=")
    return name, command


def alphas_by(command: str, kind: str, pictures: Sequence[Path]) -> Iterator[NDArray[np.float32]]:
    """Yields the alpha of each picture, float32 [H, W] in [0, 1]; `kind` is "photos" or "video"."""
    with tempfile.TemporaryDirectory() as scratch:
        paths, masks = Path(scratch, "pictures.txt"), Path(scratch, "masks")
        masks.mkdir()
        paths.write_text("\n".join(str(picture.absolute()) for picture in pictures))
        subprocess.run([*shlex.split(command), kind, paths, masks], check=True, stdout=subprocess.DEVNULL)
        for index in range(len(pictures)):
            yield cv2.imread(str(masks / f"{index}.png"), cv2.IMREAD_GRAYSCALE) / np.float32(255)


def milliseconds_by(command: str, picture: NDArray[np.uint8]) -> float:
    """The time of one picture, uint8 [H, W, 3] BGR."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "frame.png")
        cv2.imwrite(str(path), picture)
        done = subprocess.run([*shlex.split(command), "time", path], check=True, stdout=subprocess.PIPE)
    return float(done.stdout.split()[-1])
