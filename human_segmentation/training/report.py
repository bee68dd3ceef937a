"""What a run leaves to look at when it ends: curves and the worst validation photos, in one HTML file."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from human_segmentation.datasets.dataset import read_sample
from human_segmentation.datasets.list_file import Sample
from human_segmentation.files import whole_file
from human_segmentation.inference.predictor import Predictor
from human_segmentation.training.metrics import part_ious

CURVES = ("loss", "learning_rate", "miou", "foreground_iou_per_photo", "boundary_iou")
WIDTH, HEIGHT = 360, 160
WORST = 12
PANEL_HEIGHT = 180
LINE = (0, 0, 255)


def panel(predictor: Predictor, sample: Sample) -> NDArray[np.uint8]:
    """A photo, its label, the alpha that was found and both outlines, beside each other.

    Returns:
        uint8 [180, W, 3], BGR.
    """
    image, levels, _ = read_sample(sample, predictor.num_classes)
    label = levels[..., 0]
    alpha = (255 * predictor.alpha(image)).astype(np.uint8)
    outlines = image.copy()
    for mask, color in ((label, (0, 255, 0)), (alpha, LINE)):
        lines, _ = cv2.findContours((mask > 127).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(outlines, lines, -1, color, max(1, image.shape[0] // 160))
    row = np.hstack([image, *(cv2.cvtColor(x, cv2.COLOR_GRAY2BGR) for x in (label, alpha)), outlines])
    width = max(1, round(row.shape[1] * PANEL_HEIGHT / row.shape[0]))
    return cv2.resize(row, (width, PANEL_HEIGHT), interpolation=cv2.INTER_AREA)


def write_report(
    path: Path,
    history: Sequence[dict[str, float]],
    predictor: Predictor,
    samples: Sequence[Sample],
    scores: Sequence[float],
) -> None:
    """Writes the report.

    Args:
        path: The HTML file.
        history: One dictionary an epoch, with the values of `CURVES`.
        predictor: The best model.
        samples: The validation photos.
        scores: The model's IoU on each of them.

    Raises:
        OutputError: The file cannot be written.
    """
    curves = "".join(
        f"<figure>{_curve([row[name] for row in history])}<figcaption>{name}</figcaption></figure>"
        for name in (*CURVES, *part_ious(history[0]))
    )
    worst = sorted(range(len(samples)), key=lambda i: scores[i])[:WORST]
    rows = "".join(
        f"<p>{html.escape(str(samples[i].image))}: IoU {scores[i]:.3f}<br>{_inline(panel(predictor, samples[i]))}</p>"
        for i in worst
    )
    text = (
        "<!doctype html><meta charset='utf-8'><title>Training report</title>"
        "<style>body{font-family:sans-serif;margin:2em}figure{display:inline-block;margin:1em}</style>"
        f"<h1>Training report</h1><p>{len(history)} epochs</p>{curves}"
        f"<h2>The worst validation photos</h2><p>Photo, label, alpha, outlines (label green, model red).</p>{rows}"
    )
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _curve(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = WIDTH / max(1, len(values) - 1)
    points = " ".join(f"{i * step:.1f},{HEIGHT - (v - low) / span * HEIGHT:.1f}" for i, v in enumerate(values))
    return (
        f"<svg width='{WIDTH + 80}' height='{HEIGHT + 20}'><g transform='translate(5,10)'>"
        f"<polyline points='{points}' fill='none' stroke='#06c' stroke-width='2'/>"
        f"<text x='{WIDTH + 5}' y='8' font-size='11'>{high:.4g}</text>"
        f"<text x='{WIDTH + 5}' y='{HEIGHT}' font-size='11'>{low:.4g}</text></g></svg>"
    )


def _inline(image: NDArray[np.uint8]) -> str:
    _, data = cv2.imencode(".jpg", image)
    return f"<img src='data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}'>"
