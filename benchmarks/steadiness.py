"""Accuracy, flicker, lag and ghosts of a model on clips with known truth, with and without smoothing over time.

    python benchmarks/steadiness.py PEOPLE [--model_dir DIR ...] [--clips N] [--zoom LEAST LARGEST]
        [--other NAME=COMMAND ...]

PEOPLE holds `cutouts/` (RGBA pictures of people), of which every fourth is used and the others are trained on, and
`backgrounds/` (photographs). For each model and method: pooled mIoU, MAD and dtSSD (both times 1000) of the alpha at
frame size; the lag, which is the shift in frames at which the alpha agrees best with the truth; and the ghost, which is
the area, in pixels of a frame, of the person before a cut that is still there one frame after the cut, and is not when
the clip begins with the cut. `others.py` has the commands that run other programs.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import others
from made_clips import CUT, EXIT, ZOOM, make_clip
from numpy.typing import NDArray

import human_segmentation as hs
from human_segmentation.training.matting import dtssd, mad
from human_segmentation.training.metrics import SegmentationMetrics
from human_segmentation.video.stream import ScoreStream
from human_segmentation.video.temporal import TRACKERS, Tracker

LARGEST_LAG = 3
LEAST_FOUND = 0.1
HELD_OUT = 4
"""Every so many-th cut-out is not trained on."""


Frames = list[NDArray[np.uint8]]
Way = Callable[[Frames], NDArray[np.float32]]
"""From the frames of a clip, uint8 [H, W, 3] BGR, to their alphas, float32 [T, H, W]."""


def by_model(predictor: hs.Predictor, tracker: Callable[[], Tracker | None]) -> Way:
    """The alphas as `video_infer.py` makes them."""

    def alphas(frames: Frames) -> NDArray[np.float32]:
        look_at = ScoreStream(predictor, tracker())
        return np.stack([look_at(frame).alpha(frame) for frame in frames])

    return alphas


def by_other(command: str) -> Way:
    """The alphas of another program."""

    def alphas(frames: Frames) -> NDArray[np.float32]:
        with tempfile.TemporaryDirectory() as scratch:
            paths = [Path(scratch, f"{index}.png") for index in range(len(frames))]
            for path, frame in zip(paths, frames, strict=True):
                cv2.imwrite(str(path), frame)
            return np.stack(list(others.alphas_by(command, "video", paths)))

    return alphas


def lag(found: NDArray[np.float32], truth: NDArray[np.float32]) -> int:
    """The shift, in frames, at which alphas agree best with the truth; 0 where the person is not found at all."""
    if (found[truth > 0.5] > 0.5).mean() < LEAST_FOUND:
        return 0
    middle = slice(LARGEST_LAG, len(truth) - LARGEST_LAG)
    shifts = range(-LARGEST_LAG, LARGEST_LAG + 1)
    return min(shifts, key=lambda shift: float(np.abs(found[middle] - np.roll(truth, shift, axis=0)[middle]).mean()))


def measure(way: Way, frames: Frames, truth: NDArray[np.float32], masks: SegmentationMetrics) -> list[float]:
    """MAD, dtSSD, lag and ghost of one way on one clip; `masks` counts its pixels."""
    found = way(frames)
    for one, true in zip(found, truth, strict=True):
        masks.update(one > 0.5, true > 0.5, np.ones(true.shape, bool))
    after = CUT + 1
    begun = way(frames[CUT : after + 1])[-1]
    ghost = (truth[CUT - 1] > 0.5) & (truth[after] < 0.5) & (found[after] > 0.5) & (begun < 0.5)
    scenes = [slice(0, CUT), slice(CUT, len(truth))]  # a cut is no flicker
    return [
        1000 * float(np.mean([mad(a, b) for a, b in zip(found, truth, strict=True)])),
        1000 * float(np.mean([dtssd(found[part], truth[part]) for part in scenes])),
        max((lag(found[part], truth[part]) for part in (slice(0, CUT), slice(CUT, EXIT))), key=abs),
        float(ghost.sum()),
    ]


def main() -> None:
    """Prints a row for each model and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--model_dir", type=Path, nargs="+", default=[None])
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--zoom", type=float, nargs=2, default=ZOOM, help="heights of people in heights of the frame")
    others.add_argument(parser)
    args = parser.parse_args()
    cutouts, backgrounds = (sorted((args.people / name).iterdir()) for name in ("cutouts", "backgrounds"))
    cutouts = cutouts[::HELD_OUT]
    ways: dict[tuple[str, str], Way] = {}
    for name, command in args.other:
        ways[name, ""] = by_other(command)
    for model_dir in args.model_dir:
        predictor = hs.load_model(model_dir)
        label = "the one that ships" if model_dir is None else str(model_dir)[-32:]
        ways |= {(label, method): by_model(predictor, tracker) for method, tracker in TRACKERS.items()}
    masks = {way: SegmentationMetrics() for way in ways}
    rows: dict[tuple[str, str], list[list[float]]] = {way: [] for way in ways}
    for seed in range(args.clips):
        frames, truths = zip(*make_clip(cutouts, backgrounds, seed, tuple(args.zoom)), strict=True)
        for key, way in ways.items():
            rows[key].append(measure(way, list(frames), np.stack(truths), masks[key]))
    print(f"{'model':32} {'method':6} {'mIoU':>6} {'MAD':>6} {'dtSSD':>6} {'lag':>4} {'ghost':>6}")
    for key, values in rows.items():
        mean = np.mean(values, axis=0)
        worst_lag = max((row[2] for row in values), key=abs)
        miou = 100 * masks[key].compute()["miou"]
        print(f"{key[0]:32} {key[1]:6} {miou:6.2f} {mean[0]:6.2f} {mean[1]:6.2f} {worst_lag:4.0f} {mean[3]:6.1f}")


if __name__ == "__main__":
    main()
