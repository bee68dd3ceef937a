import numpy as np
import pytest

from human_segmentation.training.metrics import SegmentationMetrics


def slow_band(mask, distance):
    """Mask pixels from which some pixel outside the mask or the photo is within `distance` rows and columns."""
    height, width = mask.shape
    band = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        for v in range(y - distance, y + distance + 1):
            for u in range(x - distance, x + distance + 1):
                if not (0 <= v < height and 0 <= u < width) or not mask[v, u]:
                    band[y, x] = True
    return band


def slow_iou(a, b):
    pairs = list(zip(a.ravel(), b.ravel(), strict=True))
    union = sum(p or q for p, q in pairs)
    return sum(p and q for p, q in pairs) / union if union else 1.0


def blobs(seed, shape=(60, 80)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    center = rng.uniform(20, 40, 2)
    return np.hypot(y - center[0], x - center[1]) < rng.uniform(12, 25)


def test_against_a_slow_implementation():
    metrics = SegmentationMetrics()
    photos = [(blobs(i), blobs(i + 100)) for i in range(3)]
    for predicted, truth in photos:
        metrics.update(predicted, truth, np.ones_like(truth))
    result = metrics.compute()
    predicted = np.concatenate([p.ravel() for p, _ in photos])
    truth = np.concatenate([t.ravel() for _, t in photos])
    person, background = slow_iou(predicted, truth), slow_iou(~predicted, ~truth)
    assert result["person_iou"] == pytest.approx(person)
    assert result["background_iou"] == pytest.approx(background)
    assert result["miou"] == pytest.approx((person + background) / 2)
    accuracy = np.mean(predicted == truth)
    assert result["accuracy"] == pytest.approx(accuracy)
    chance = predicted.mean() * truth.mean() + (1 - predicted.mean()) * (1 - truth.mean())
    assert result["kappa"] == pytest.approx((accuracy - chance) / (1 - chance))
    precision, recall = truth[predicted].mean(), predicted[truth].mean()
    assert result["person_f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    precision, recall = (~truth)[~predicted].mean(), (~predicted)[~truth].mean()
    assert result["background_f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert result["foreground_iou_per_photo"] == pytest.approx(np.mean([slow_iou(p, t) for p, t in photos]))
    bands = [(slow_band(p, 2), slow_band(t, 2)) for p, t in photos]  # 2 % of a diagonal of 100
    assert result["boundary_iou"] == pytest.approx(np.mean([slow_iou(p, t) for p, t in bands]))


def test_ignored_pixels_do_not_count():
    truth = np.zeros((10, 10), bool)
    truth[:, 5:] = True
    predicted = truth.copy()
    predicted[0] = ~predicted[0]
    valid = np.ones_like(truth)
    valid[0] = False
    metrics = SegmentationMetrics()
    metrics.update(predicted, truth, valid)
    assert metrics.compute()["miou"] == 1.0


def test_photo_without_people():
    nobody = np.zeros((10, 10), bool)
    metrics = SegmentationMetrics()
    metrics.update(nobody, nobody, ~nobody)
    assert metrics.compute() == dict.fromkeys(metrics.compute(), 1.0)
    metrics.update(~nobody, nobody, ~nobody)
    assert metrics.compute()["foreground_iou_per_photo"] == 0.5


def test_misuse():
    with pytest.raises(ValueError, match="no photo"):
        SegmentationMetrics().compute()
    with pytest.raises(ValueError, match="shapes differ"):
        SegmentationMetrics().update(np.ones((2, 2), bool), np.ones((2, 3), bool), np.ones((2, 2), bool))
