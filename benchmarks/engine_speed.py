"""Time of one prediction on every installed engine, one thread, in one run.

    python benchmarks/engine_speed.py [MODEL_DIR ...]

A prediction is everything from a 640x360 frame to its score: resize, normalise, network.
"""

import sys
import time
from pathlib import Path

import cv2
import numpy as np

import human_segmentation as hs
from human_segmentation.inference.engines import ENGINES
from human_segmentation.shipped import default_model_dir

ROUNDS = 12
PREDICTIONS = 10


def main() -> None:
    """Prints milliseconds and their ratio to the first row's, OpenVINO with the first model."""
    photo = cv2.imread(str(Path(__file__).resolve().parents[1] / "data" / "human_image.jpg"))
    frame = cv2.resize(photo, (640, 640))[140:500]
    models = {}
    for folder in [Path(arg) for arg in sys.argv[1:]] or [default_model_dir()]:
        for engine in ENGINES:
            try:
                model = hs.load_model(folder, engine, threads=1)
            except hs.HumanSegError as error:
                print(f"{engine}: {error}")
            else:
                models[f"{str(folder)[-40:]:40} {engine:12}"] = model
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(ROUNDS):  # in turns, so that a busy moment of the machine touches all of them
        for name, model in models.items():
            start = time.perf_counter()
            for _ in range(PREDICTIONS):
                model.score(model.preprocess.resize(frame))
            times[name].append((time.perf_counter() - start) / PREDICTIONS * 1000)
    print(f"{'model':40} {'engine':12} {'ms':>7} {'ratio':>6}")
    first = float(np.median(next(iter(times.values()))))
    for name, values in times.items():
        print(f"{name} {np.median(values):7.2f} {np.median(values) / first:6.2f}")


if __name__ == "__main__":
    main()
