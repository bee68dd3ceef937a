"""Masks of rembg with its usual model, U²-Net; run by accuracy.py under a Python that has rembg.

python rembg_masks.py PHOTOS FRAME FOLDER: PHOTOS is a file with paths. Writes FOLDER/0.png and so on; prints the
milliseconds that FRAME takes. The model is taken from ~/.u2net, or from the folder in U2NET_HOME.
"""

import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rembg import new_session, remove

RUNS = 10


def main(photos, frame, folder):
    session = new_session("u2net")
    for index, path in enumerate(photos.read_text().splitlines()):
        remove(Image.open(path), session=session, only_mask=True).save(folder / f"{index}.png")
    image, times = Image.open(frame), []
    for _ in range(RUNS):
        start = time.perf_counter()
        remove(image, session=session, only_mask=True)
        times.append(time.perf_counter() - start)
    print(1000 * float(np.median(times)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
