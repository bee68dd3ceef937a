import numpy as np
import pytest

from human_segmentation.training.matting import connectivity_error, dtssd, gradient_error, mad, mse


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:24, :30]
    truth = np.clip(1.5 - np.hypot(y - 12, x - 14) / 7, 0, 1)
    predicted = np.clip(truth + rng.normal(0, 0.2, truth.shape) * (rng.random(truth.shape) < 0.3), 0, 1)
    return predicted.astype(np.float32), truth.astype(np.float32)


def test_mad_and_mse():
    predicted, truth = np.array([[0, 0.5], [1, 1]], np.float32), np.array([[0, 1], [0.75, 1]], np.float32)
    assert mad(predicted, truth) == pytest.approx(0.75 / 4)
    assert mse(predicted, truth) == pytest.approx((0.25 + 0.0625) / 4)


def slow_gradient(alpha, sigma=1.4, half=4):
    """Derivatives of a Gaussian, as written in the paper, by plain sums over replicated borders."""
    bell = lambda v: np.exp(-(v**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))  # noqa: E731
    offsets = np.arange(-half, half + 1)
    kernel = np.array([[bell(v) * -u * bell(u) / sigma**2 for u in offsets] for v in offsets])
    kernel /= np.sqrt((kernel**2).sum())
    height, width = alpha.shape
    result = np.zeros(alpha.shape)
    for y, x in np.ndindex(alpha.shape):
        window = np.array(
            [[alpha[min(max(y + v, 0), height - 1), min(max(x + u, 0), width - 1)] for u in offsets] for v in offsets]
        )
        result[y, x] = np.hypot((kernel * window).sum(), (kernel.T * window).sum())
    return result


def test_gradient_error_against_a_slow_implementation(pair):
    predicted, truth = pair
    expected = ((slow_gradient(predicted) - slow_gradient(truth)) ** 2).sum() / 1000
    assert gradient_error(predicted, truth) == pytest.approx(expected, rel=1e-4)
    assert gradient_error(truth, truth) < 1e-12


def slow_connectivity(predicted, truth):
    def largest(mask):
        best, seen = set(), set()
        for start in map(tuple, np.argwhere(mask)):
            region, todo = set(), [start]
            while todo:
                y, x = todo.pop()
                if (y, x) in seen or not (0 <= y < mask.shape[0] and 0 <= x < mask.shape[1]) or not mask[y, x]:
                    continue
                seen.add((y, x))
                region.add((y, x))
                todo += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
            best = max(best, region, key=len)
        return best

    level = {}
    for i in range(1, 11):
        threshold = np.float32(i * 0.1)
        solid = largest((predicted >= threshold) & (truth >= threshold))
        for point in np.ndindex(truth.shape):
            if point not in level and point not in solid:
                level[point] = (i - 1) * 0.1
    total = 0.0
    for point in np.ndindex(truth.shape):
        degree = []
        for alpha in (predicted, truth):
            distance = np.float32(alpha[point] - np.float32(level.get(point, 1.0)))
            degree.append(1 - distance if distance >= 0.15 else 1.0)
        total += abs(degree[0] - degree[1])
    return total / 1000


def test_connectivity_error_against_a_slow_implementation(pair):
    predicted, truth = pair
    expected = slow_connectivity(predicted, truth)
    assert expected > 0.001
    assert connectivity_error(predicted, truth) == pytest.approx(expected, rel=1e-4)
    assert connectivity_error(truth, truth) == 0


def test_connectivity_punishes_an_island_more_than_a_wider_rim():
    truth = np.zeros((30, 30), np.float32)
    truth[10:20, 5:15] = 1
    island, rim = truth.copy(), truth.copy()
    island[2:4, 20:25] = 1
    rim[9, 5:15] = 1
    assert mad(island, truth) == mad(rim, truth)
    assert connectivity_error(island, truth) == pytest.approx(0.01)


def test_flicker():
    truth = np.zeros((4, 2, 2), np.float32)
    truth[2:] = 1
    assert dtssd(truth, truth) == 0
    assert dtssd(truth * 0.5 + 0.25, truth) == pytest.approx(0.5 / 3)  # one change of three is half as large
    blinking = truth.copy()
    blinking[1, 0, 0] = 1
    # frame 1: one pixel of four differs by 1; frame 2: the same pixel fails to change
    assert dtssd(blinking, truth) == pytest.approx((0.5 + 0.5 + 0) / 3)
    with pytest.raises(ValueError, match="two frames"):
        dtssd(truth[:1], truth[:1])
