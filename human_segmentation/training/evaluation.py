"""The evaluation loop; it needs no paddle where the engine needs none."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from human_segmentation.datasets.dataset import read_sample
from human_segmentation.datasets.list_file import Sample
from human_segmentation.errors import ModelError
from human_segmentation.inference.predictor import Predictor
from human_segmentation.training import matting
from human_segmentation.training.metrics import SegmentationMetrics

SOFT_METRICS = {
    "mad": matting.mad,
    "mse": matting.mse,
    "gradient_error": matting.gradient_error,
    "connectivity_error": matting.connectivity_error,
}


class Evaluation:
    """Metrics of the masks of all photos, and of the alphas of those with soft labels.

    Args:
        num_classes: Classes of the masks.
    """

    def __init__(self, num_classes: int = 2) -> None:
        self.masks = SegmentationMetrics(num_classes)
        self.alphas: list[list[float]] = []

    def merge(self, other: "Evaluation") -> None:
        """Adds the photos of another evaluation."""
        self.masks.merge(other.masks)
        self.alphas += other.alphas

    def compute(self) -> dict[str, float]:
        """All metrics of the photos so far; those of alphas only where a photo has a soft label."""
        means = np.mean(self.alphas, axis=0) if self.alphas else []
        return self.masks.compute() | {name: float(value) for name, value in zip(SOFT_METRICS, means, strict=False)}


def measure(predictor: Predictor, samples: Sequence[Sample]) -> Evaluation:
    """Measures a predictor on labelled photos, at the size of each photo.

    Args:
        predictor: What is measured.
        samples: Photos and labels.

    Raises:
        DataError: A photo or its label cannot be used.
        ModelError: The network's weights are so far off that its scores are no numbers.
    """
    evaluation = Evaluation(predictor.num_classes)
    for sample in tqdm(samples, desc="evaluate", disable=None):
        image, levels, valid = read_sample(sample, predictor.num_classes)
        alpha, classes = predictor.segment(image)
        if not np.isfinite(alpha).all():
            raise ModelError(
                f"{sample.image}: the network's scores of it are no numbers, as its training ran away; train it again "
                "with a lower --learning_rate"
            )
        evaluation.masks.update(classes, (levels >= 128).sum(-1, dtype=np.uint8), valid > 0)
        label = levels[..., 0]
        if ((label > 0) & (label < 255)).any():
            truth = (label / 255).astype(np.float32)
            evaluation.alphas.append([metric(alpha, truth) for metric in SOFT_METRICS.values()])
    return evaluation


def evaluate(predictor: Predictor, samples: Sequence[Sample]) -> dict[str, float]:
    """The metrics of `measure`: see `SegmentationMetrics` and `matting`."""
    return measure(predictor, samples).compute()
