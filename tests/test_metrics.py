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
    assert result["person_accuracy"] == pytest.approx(precision)
    assert result["person_f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    precision, recall = (~truth)[~predicted].mean(), (~predicted)[~truth].mean()
    assert result["background_accuracy"] == pytest.approx(precision)
    assert result["background_f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert result["foreground_iou_per_photo"] == pytest.approx(np.mean([slow_iou(p, t) for p, t in photos]))
    bands = [(slow_band(p, 2), slow_band(t, 2)) for p, t in photos]  # 2 % of a diagonal of 100
    assert result["boundary_iou"] == pytest.approx(np.mean([slow_iou(p, t) for p, t in bands]))


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_classes_against_a_naive_loop(classes):
    rng = np.random.default_rng(classes)
    metrics, photos = SegmentationMetrics(classes), []
    for _ in range(3):
        truth = rng.integers(0, classes, (20, 30)).astype(np.uint8)
        predicted = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, classes, truth.shape)).astype(
            np.uint8
        )
        photos.append((predicted, truth, rng.random(truth.shape) < 0.9))
        half = SegmentationMetrics(classes)
        half.update(*photos[-1])
        metrics.merge(half)
    pairs = [(p, t) for photo in photos for p, t, v in zip(*(x.ravel().tolist() for x in photo), strict=True) if v]
    names = ["background", "person"] if classes == 2 else ["background", *(f"class_{i}" for i in range(1, classes))]
    expected = {"accuracy": sum(p == t for p, t in pairs) / len(pairs)}
    for i, name in enumerate(names):
        found, there = ([pair[side] == i for pair in pairs] for side in (0, 1))
        hits = sum(f and t for f, t in zip(found, there, strict=True))
        expected[f"{name}_iou"] = hits / (sum(found) + sum(there) - hits)
        expected[f"{name}_accuracy"] = hits / sum(found)
        expected[f"{name}_f1"] = 2 * hits / (sum(found) + sum(there))
    expected["miou"] = sum(expected[f"{name}_iou"] for name in names) / classes
    chance = (
        sum(sum(p == i for p, _ in pairs) * sum(t == i for _, t in pairs) for i in range(classes)) / len(pairs) ** 2
    )
    expected["kappa"] = (expected["accuracy"] - chance) / (1 - chance)
    people = [((p > 0) & v, (t > 0) & v) for p, t, v in photos]
    expected["person_iou"] = slow_iou(
        *(np.concatenate([x.ravel() for x in side]) for side in zip(*people, strict=True))
    )
    expected["foreground_iou_per_photo"] = np.mean([slow_iou(*pair) for pair in people])
    expected["boundary_iou"] = np.mean([slow_iou(slow_band(p, 1), slow_band(t, 1)) for p, t in people])
    assert metrics.compute() == pytest.approx(expected)


def test_two_classes_as_numbers_are_those_as_masks():
    one, two = SegmentationMetrics(), SegmentationMetrics()
    predicted, truth = blobs(1), blobs(2)
    one.update(predicted, truth, truth | True)
    two.update(predicted.astype(np.uint8), truth.astype(np.uint8), truth | True)
    assert one.compute() == two.compute()
    assert list(one.compute()) == [
        "miou",
        "background_iou",
        "person_iou",
        "accuracy",
        "background_accuracy",
        "person_accuracy",
        "kappa",
        "background_f1",
        "person_f1",
        "foreground_iou_per_photo",
        "boundary_iou",
    ]


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
    result = metrics.compute()
    # As PaddleX has it, pooled metrics of a class that is nowhere are 0.
    nowhere = {name: result.pop(name) for name in ("person_iou", "person_accuracy", "person_f1")}
    assert set(nowhere.values()) == {0.0}
    assert result.pop("miou") == 0.5
    assert result == dict.fromkeys(result, 1.0)
    metrics.update(~nobody, nobody, ~nobody)
    assert metrics.compute()["foreground_iou_per_photo"] == 0.5


def test_misuse():
    with pytest.raises(ValueError, match="no photo"):
        SegmentationMetrics().compute()
    with pytest.raises(ValueError, match="shapes differ"):
        SegmentationMetrics().update(np.ones((2, 2), bool), np.ones((2, 3), bool), np.ones((2, 2), bool))


def test_where_nothing_counts_there_are_numbers():
    metrics = SegmentationMetrics(3)
    metrics.update(np.ones((4, 4), np.uint8), np.ones((4, 4), np.uint8), np.zeros((4, 4), bool))
    assert all(0 <= value <= 1 for value in metrics.compute().values())
    assert metrics.compute()["accuracy"] == 0
