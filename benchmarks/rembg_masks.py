"""Masks of rembg with its usual model, U²-Net, for `others.py`; run under a Python that has rembg.

python rembg_masks.py {photos LIST FOLDER | video LIST FOLDER | time FRAME}: it sees each frame of a video by itself.
The model is taken from ~/.u2net, or from the folder in U2NET_HOME.
"""

import sys
import time
from pathlib import Path

from PIL import Image
from rembg import new_session, remove

RUNS = 10


def write_masks(session, pictures, folder):
    for index, path in enumerate(pictures.read_text().splitlines()):
        remove(Image.open(path), session=session, only_mask=True).save(folder / f"{index}.png")


def print_time(session, frame):
    image, times = Image.open(frame), []
    for _ in range(RUNS):
        start = time.perf_counter()
        remove(image, session=session, only_mask=True)
        times.append(time.perf_counter() - start)
    print(1000 * sorted(times)[RUNS // 2])


if __name__ == "__main__":
    task, *paths = sys.argv[1:]
    (print_time if task == "time" else write_masks)(new_session("u2net"), *map(Path, paths))
