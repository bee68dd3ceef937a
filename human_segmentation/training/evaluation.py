"""The evaluation loop; it needs no paddle where the engine needs none."""

from collections.abc import Sequence

from tqdm import tqdm

from human_segmentation.datasets.dataset import read_sample
from human_segmentation.datasets.list_file import Sample
from human_segmentation.inference.predictor import Predictor
from human_segmentation.training.metrics import SegmentationMetrics


def evaluate(predictor: Predictor, samples: Sequence[Sample]) -> dict[str, float]:
    """Measures a predictor on labelled photos, at the size of each photo.

    Args:
        predictor: What is measured.
        samples: Photos and labels.

    Returns:
        The metrics of `SegmentationMetrics`.
    """
    metrics = SegmentationMetrics()
    for sample in tqdm(samples, desc="evaluate", disable=None):
        image, alpha, valid = read_sample(sample)
        metrics.update(predictor.alpha(image) > 0.5, alpha >= 128, valid > 0)
    return metrics.compute()
