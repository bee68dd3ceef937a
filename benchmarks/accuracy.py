"""Accuracy and time of models on labelled photographs, beside other programs, in one run.

    python benchmarks/accuracy.py LIST [--model_dir DIR ...] [--kinds WORD ...] [--other NAME=COMMAND ...]

LIST has `image label` rows relative to its own folder; each of the WORDs makes a set of the photographs whose name has
it, and all of them are a set too. `others.py` has the commands that run other programs.

Columns, in percent: pooled mIoU, person IoU averaged over photographs, Boundary IoU, each of the mask at the size of
the photograph. A model has three rows: with its score enlarged, as others enlarge their own; refined on the
photograph, as the commands do it with single frames of a video; and refined after a closer look, with looks at the
mirror image, as they do it with photos. Milliseconds are of one 640x360 frame, from the frame to its score; ours on one
thread, others' as they are.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import others
from numpy.typing import NDArray

import human_segmentation as hs
from human_segmentation.datasets.dataset import read_sample
from human_segmentation.datasets.list_file import Sample, read_list
from human_segmentation.shipped import sample_photo
from human_segmentation.training.metrics import SegmentationMetrics
from human_segmentation.video.look import CloserLook
from human_segmentation.video.stream import ScoreStream

COLUMNS = ("miou", "foreground_iou_per_photo", "boundary_iou")
RUNS = 50


def call_frame() -> NDArray[np.uint8]:
    """A frame of 640x360 pixels, of which a person fills a part, so that a closer look is worth while."""
    frame = np.full((360, 640, 3), 128, np.uint8)
    frame[60:, 170:470] = cv2.resize(cv2.imread(str(sample_photo())), (300, 300), interpolation=cv2.INTER_AREA)
    return frame


def milliseconds(look_at: ScoreStream | CloserLook) -> float:
    """The median time of a frame."""
    frame, times = call_frame(), []
    for _ in range(RUNS):
        start = time.perf_counter()
        look_at(frame)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def enlarged(model: hs.Predictor) -> Callable[[Sample, NDArray[np.uint8]], NDArray[np.float32]]:
    """The alpha without the photograph's help."""
    return lambda _, photo: model.alpha(photo)


def refined(look_at: ScoreStream | CloserLook) -> Callable[[Sample, NDArray[np.uint8]], NDArray[np.float32]]:
    """The alpha as the commands make it."""

    def alpha(_: Sample, photo: NDArray[np.uint8]) -> NDArray[np.float32]:
        look_at.reset()
        return look_at(photo).alpha(photo)

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
    others.add_argument(parser)
    args = parser.parse_args()
    samples = list(read_list(args.list, args.list.parent))
    print("| model |", *(f"{kind}: mIoU / person / boundary |" for kind in ("all", *args.kinds)), "ms |")
    print("| --- " * (len(args.kinds) + 3) + "|")
    for name, command in args.other:
        found = others.alphas_by(command, "photos", [sample.image for sample in samples])
        ms = others.milliseconds_by(command, call_frame())
        print_row(name, lambda _, __, found=found: next(found), samples, args.kinds, ms)
    for folder in args.model_dir:
        model = hs.load_model(folder, threads=1)
        name = "the one that ships" if folder is None else folder.name
        looks = {"refined": ScoreStream(model, None), "closer, refined": CloserLook(model)}
        ms = {way: milliseconds(look_at) for way, look_at in looks.items()}
        print_row(name, enlarged(model), samples, args.kinds, ms["refined"])
        for way, look_at in looks.items():
            print_row(f"{name}, {way}", refined(look_at), samples, args.kinds, ms[way])


if __name__ == "__main__":
    main()
