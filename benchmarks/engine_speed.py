"""Time of one prediction on every installed engine, one thread, in one run, and the size of what it reads.

    python benchmarks/engine_speed.py [MODEL_DIR ...]

A prediction is everything from a 640x360 frame to its score: resize, normalise, network. The network's share, with the
normalisation, has columns of its own.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

import human_segmentation as hs
from human_segmentation.inference.engines import ENGINES, megabytes
from human_segmentation.shipped import default_model_dir

ROUNDS = 12
PREDICTIONS = 10


def main() -> None:
    """Prints megabytes, milliseconds, and their ratios to the first row's, OpenVINO with the first model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_dir", type=Path, nargs="*", default=[default_model_dir()])
    photo = cv2.imread(str(Path(__file__).resolve().parents[1] / "data" / "human_image.jpg"))
    frame = cv2.resize(photo, (640, 640))[140:500]
    models, sizes = {}, {}
    for folder in parser.parse_args().model_dir:
        for engine in ENGINES:
            try:
                model = hs.load_model(folder, engine, threads=1)
            except hs.HumanSegError as error:
                print(f"{engine}: {error}")
            else:
                name = f"{str(folder)[-40:]:40} {engine:12}"
                models[name] = model
                sizes[name] = megabytes(folder, engine)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for _ in range(ROUNDS):  # in turns, so that a busy moment of the machine touches all of them
        for name, model in models.items():
            for _ in range(PREDICTIONS):
                start = time.perf_counter()
                resized = model.preprocess.resize(frame)
                before_network = time.perf_counter()
                model.score(resized)
                end = time.perf_counter()
                times[name].append((1000 * (end - start), 1000 * (end - before_network)))
    print(f"{'model':40} {'engine':12} {'MB':>7} {'ratio':>6} {'ms':>7} {'ratio':>6} {'network':>7} {'ratio':>6}")
    first = None
    for name, values in times.items():
        row = [sizes[name], *np.median(values, axis=0)]
        first = first or row
        print(name, *(f"{value:7.2f} {value / reference:6.2f}" for value, reference in zip(row, first, strict=True)))


if __name__ == "__main__":
    main()
