"""Accuracy and time of models on labelled photographs, beside the real MediaPipe Selfie, in one run.

    python benchmarks/accuracy.py LIST [--model_dir DIR ...] [--kinds WORD ...] [--mediapipe PYTHON]

LIST has `image label` rows relative to its own folder; each of the WORDs makes a set of the photographs whose name has
it, and all of them are a set too. PYTHON is one with mediapipe 0.10.9 (`pip install mediapipe==0.10.9 "numpy<2"`).
Columns, in percent: pooled mIoU, person IoU averaged over photographs, Boundary IoU, each of the mask at the size of
the photograph. A model has two rows: with its score enlarged, as MediaPipe enlarges its own, and refined on the
photograph, as the commands do it. Milliseconds are of one 640x360 frame, from the frame to its score; ours on one
thread, MediaPipe's on as many as it takes.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import human_segmentation as hs
from human_segmentation.datasets.dataset import read_sample
from human_segmentation.datasets.list_file import Sample, read_list
from human_segmentation.shipped import sample_photo
from human_segmentation.training.metrics import SegmentationMetrics
from human_segmentation.video.composite import refine_alpha

COLUMNS = ("miou", "foreground_iou_per_photo", "boundary_iou")
MEDIAPIPE = ("MediaPipe Selfie, general", "MediaPipe Selfie, landscape")
RUNS = 50


def call_frame() -> NDArray[np.uint8]:
    """A frame of 640x360 pixels."""
    return cv2.resize(cv2.imread(str(sample_photo())), (640, 640))[140:500].copy()


def milliseconds(model: hs.Predictor) -> float:
    """The median time of a frame."""
    frame, times = call_frame(), []
    for _ in range(RUNS):
        start = time.perf_counter()
        model.score(model.preprocess.resize(frame))
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def enlarged(model: hs.Predictor) -> Callable[[Sample, NDArray[np.uint8]], NDArray[np.float32]]:
    """The alpha without the photograph's help."""
    return lambda _, photo: model.alpha(photo)


def refined(model: hs.Predictor) -> Callable[[Sample, NDArray[np.uint8]], NDArray[np.float32]]:
    """The alpha as the commands make it."""

    def alpha(_: Sample, photo: NDArray[np.uint8]) -> NDArray[np.float32]:
        rules = model.preprocess
        return refine_alpha(photo, rules.crop(model.score(rules.resize(photo)), photo.shape[1::-1]))

    return alpha


def print_row(
    name: str,
    alpha: Callable[[Sample, NDArray[np.uint8]], NDArray[np.float32]],
    samples: list[Sample],
    kinds: list[str],
    ms: float,
) -> None:
    """Measures one way to an alpha and prints its row."""
    sets = {kind: SegmentationMetrics() for kind in ("", *kinds)}
    for sample in samples:
        photo, label, valid = read_sample(sample)
        found = alpha(sample, photo) > 0.5
        for kind, metrics in sets.items():
            if kind in sample.image.name:
                metrics.update(found, label[..., 0] >= 128, valid > 0)
    cells = [" / ".join(f"{100 * m.compute()[column]:.2f}" for column in COLUMNS) for m in sets.values()]
    print(f"| {name} | {' | '.join(cells)} | {ms:.1f} |", flush=True)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("list", type=Path)
    parser.add_argument("--model_dir", type=Path, nargs="+", default=[None])
    parser.add_argument("--kinds", nargs="+", default=[])
    parser.add_argument("--mediapipe", metavar="PYTHON")
    args = parser.parse_args()
    samples = list(read_list(args.list, args.list.parent))
    print("| model |", *(f"{kind}: mIoU / person / boundary |" for kind in ("all", *args.kinds)), "ms |")
    print("| --- " * (len(args.kinds) + 3) + "|")
    if args.mediapipe is not None:
        with tempfile.TemporaryDirectory() as folder:
            photos, masks = Path(folder) / "photos.txt", Path(folder) / "masks"
            photos.write_text("\n".join(str(sample.image.absolute()) for sample in samples))
            cv2.imwrite(f"{folder}/frame.png", call_frame())
            script = Path(__file__).with_name("mediapipe_masks.py")
            for selection, name in enumerate(MEDIAPIPE):
                command = [args.mediapipe, script, str(selection), photos, f"{folder}/frame.png", masks]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                order = {sample: index for index, sample in enumerate(samples)}

                def alpha(sample: Sample, _: object, order: dict[Sample, int] = order) -> NDArray[np.float32]:
                    return np.load(masks / f"{order[sample]}.npy")

                print_row(name, alpha, samples, args.kinds, float(done.stdout))
    for folder in args.model_dir:
        model = hs.load_model(folder, threads=1)
        name = "the one that ships" if folder is None else folder.name
        ms = milliseconds(model)
        print_row(name, enlarged(model), samples, args.kinds, ms)
        print_row(f"{name}, refined", refined(model), samples, args.kinds, ms)


if __name__ == "__main__":
    main()
