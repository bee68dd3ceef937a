"""Accuracy, flicker, lag and ghosts of a model on clips with known truth, with and without smoothing over time.

    python benchmarks/steadiness.py PEOPLE [--model_dir DIR ...] [--clips N]

PEOPLE holds `cutouts/` (RGBA pictures of people), of which every fourth is used and the others are trained on, and
`backgrounds/` (photographs). For each model and method: pooled mIoU, MAD and dtSSD (both times 1000) of the alpha at
frame size; the lag, which is the shift in frames at which the alpha agrees best with the truth; and the ghost, which is
the area, in pixels of a frame, of the person before a cut that is still there one frame after the cut, and is not when
the clip begins with the cut.
"""

import argparse
from pathlib import Path

import numpy as np
from made_clips import CUT, EXIT, make_clip
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


def alphas(predictor: hs.Predictor, tracker: Tracker | None, frames: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """The alpha of every frame, float32 [T, H, W]."""
    look_at = ScoreStream(predictor, tracker)
    return np.stack([look_at(frame).alpha(frame) for frame in frames])


def lag(found: NDArray[np.float32], truth: NDArray[np.float32]) -> int:
    """The shift, in frames, at which alphas agree best with the truth; 0 where the person is not found at all."""
    if (found[truth > 0.5] > 0.5).mean() < LEAST_FOUND:
        return 0
    middle = slice(LARGEST_LAG, len(truth) - LARGEST_LAG)
    shifts = range(-LARGEST_LAG, LARGEST_LAG + 1)
    return min(shifts, key=lambda shift: float(np.abs(found[middle] - np.roll(truth, shift, axis=0)[middle]).mean()))


def main() -> None:
    """Prints a row for each model and method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path)
    parser.add_argument("--model_dir", type=Path, nargs="+", default=[None])
    parser.add_argument("--clips", type=int, default=8)
    args = parser.parse_args()
    cutouts, backgrounds = (sorted((args.people / name).iterdir()) for name in ("cutouts", "backgrounds"))
    cutouts = cutouts[::HELD_OUT]
    print(f"{'model':32} {'method':6} {'mIoU':>6} {'MAD':>6} {'dtSSD':>6} {'lag':>4} {'ghost':>6}")
    for model_dir in args.model_dir:
        predictor = hs.load_model(model_dir)
        masks = {name: SegmentationMetrics() for name in TRACKERS}
        rows: dict[str, list[list[float]]] = {name: [] for name in TRACKERS}
        for seed in range(args.clips):
            frames, truths = zip(*make_clip(cutouts, backgrounds, seed), strict=True)
            truth = np.stack(truths)
            for name, tracker in TRACKERS.items():
                found = alphas(predictor, tracker(), list(frames))
                for one, true in zip(found, truth, strict=True):
                    masks[name].update(one > 0.5, true > 0.5, np.ones(true.shape, bool))
                after = CUT + 1
                begun = alphas(predictor, tracker(), list(frames[CUT : after + 1]))[-1]
                ghost = (truth[CUT - 1] > 0.5) & (truth[after] < 0.5) & (found[after] > 0.5) & (begun < 0.5)
                scenes = [slice(0, CUT), slice(CUT, len(truth))]  # a cut is no flicker
                rows[name].append(
                    [
                        1000 * float(np.mean([mad(a, b) for a, b in zip(found, truth, strict=True)])),
                        1000 * float(np.mean([dtssd(found[part], truth[part]) for part in scenes])),
                        max((lag(found[part], truth[part]) for part in (slice(0, CUT), slice(CUT, EXIT))), key=abs),
                        float(ghost.sum()),
                    ]
                )
        for name, values in rows.items():
            mean = np.mean(values, axis=0)
            worst_lag = max((row[2] for row in values), key=abs)
            label = "the one that ships" if model_dir is None else str(model_dir)[-32:]
            miou = 100 * masks[name].compute()["miou"]
            print(f"{label:32} {name:6} {miou:6.2f} {mean[0]:6.2f} {mean[1]:6.2f} {worst_lag:4.0f} {mean[3]:6.1f}")


if __name__ == "__main__":
    main()
