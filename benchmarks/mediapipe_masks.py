"""Masks of the real MediaPipe Selfie, for `others.py`; run under a Python that has MediaPipe.

python mediapipe_masks.py SELECTION {photos LIST FOLDER | video LIST FOLDER | time FRAME}: SELECTION is 0 for the
general and 1 for the landscape model. In a video it smooths over time.
"""

import sys
import time
from pathlib import Path

import cv2
from mediapipe.python.solutions.selfie_segmentation import SelfieSegmentation

RUNS = 50


def read(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def write_masks(selection, kind, pictures, folder):
    model = SelfieSegmentation(model_selection=selection)
    for index, path in enumerate(pictures.read_text().splitlines()):
        if kind == "photos":
            model.reset()
        mask = model.process(read(path)).segmentation_mask
        cv2.imwrite(str(folder / f"{index}.png"), (255 * mask).round().astype("uint8"))


def print_time(selection, frame):
    model, image, times = SelfieSegmentation(model_selection=selection), read(frame), []
    for _ in range(RUNS):
        start = time.perf_counter()
        model.process(image)
        times.append(time.perf_counter() - start)
    print(1000 * sorted(times)[RUNS // 2])


if __name__ == "__main__":
    selection, task, *paths = sys.argv[1:]
    if task == "time":
        print_time(int(selection), *paths)
    else:
        write_masks(int(selection), task, *map(Path, paths))
