"""Masks of the real MediaPipe Selfie; run by accuracy.py under a Python that has MediaPipe.

python mediapipe_masks.py SELECTION PHOTOS FRAME FOLDER: SELECTION is 0 for the general and 1 for the landscape model,
PHOTOS a file with paths. Writes FOLDER/0.png and so on; prints the milliseconds that FRAME takes.
"""

import sys
import time
from pathlib import Path

import cv2
import mediapipe
import numpy as np

RUNS = 50


def main(selection, photos, frame, folder):
    for index, path in enumerate(photos.read_text().splitlines()):
        # It smooths over time: a new one for each photograph.
        with mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=selection) as model:
            mask = model.process(cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)).segmentation_mask
            cv2.imwrite(str(folder / f"{index}.png"), np.rint(255 * mask).astype(np.uint8))
    image = cv2.cvtColor(cv2.imread(str(frame)), cv2.COLOR_BGR2RGB)
    times = []
    with mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=selection) as model:
        for _ in range(RUNS):
            start = time.perf_counter()
            model.process(image)
            times.append(time.perf_counter() - start)
    print(1000 * float(np.median(times)))


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(Path, sys.argv[2:]))
