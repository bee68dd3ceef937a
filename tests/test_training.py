import os
import pickle

import numpy as np
import paddle
import pytest

from human_segmentation.errors import ModelError
from human_segmentation.models.hrnet import HumanSegMobile
from human_segmentation.models.weights import load_params, read_params, save_params
from human_segmentation.training.ema import WeightAverage
from human_segmentation.training.losses import boundary_cross_entropy, consistency_loss, contour, focal_loss


def slow_loss(logits, alpha, valid, boundary_weight, width):
    total, weights, half = 0.0, 0.0, width // 2
    for n, y, x in np.ndindex(alpha.shape):
        near = alpha[n, max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
        weight = valid[n, y, x] * (1 + boundary_weight * (near.max() - near.min()))
        e = np.exp(logits[n, :, y, x] - logits[n, :, y, x].max())
        p = e[1] / e.sum()
        total -= weight * (alpha[n, y, x] * np.log(p) + (1 - alpha[n, y, x]) * np.log(1 - p))
        weights += weight
    return total / weights


def test_loss_against_a_slow_implementation():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (2, 2, 9, 11)).astype(np.float32)
    alpha = rng.choice([0, 0.3, 1], (2, 9, 11)).astype(np.float32)
    alpha[:, 3:6] = 0
    valid = (rng.random((2, 9, 11)) > 0.2).astype(np.float32)
    loss = boundary_cross_entropy(*map(paddle.to_tensor, (logits, alpha, valid)), boundary_weight=3.0, width=5)
    assert float(loss) == pytest.approx(slow_loss(logits.astype(np.float64), alpha, valid, 3.0, 5), rel=1e-5)


def test_focal_loss_against_the_formula():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (2, 2, 3, 4))
    target = (rng.random((2, 3, 4)) > 0.5).astype(np.float32)
    valid = (rng.random((2, 3, 4)) > 0.3).astype(np.float32)
    person = np.exp(logits[:, 1]) / np.exp(logits).sum(1)
    right = np.where(target == 1, person, 1 - person)
    expected = (-((1 - right) ** 2) * np.log(right) * valid).sum() / valid.sum()
    tensors = map(paddle.to_tensor, (logits.astype(np.float32), target, valid))
    assert float(focal_loss(*tensors)) == pytest.approx(expected, rel=1e-5)


def test_consistency_loss_against_the_formula():
    rng = np.random.default_rng(2)
    student, teacher = rng.normal(0, 2, (2, 2, 2, 3, 4))
    p = np.exp(teacher / 2) / np.exp(teacher / 2).sum(1, keepdims=True)
    q = np.exp(student / 2) / np.exp(student / 2).sum(1, keepdims=True)
    expected = 4 * (p * np.log(p / q)).sum(1).mean()
    one, two = (paddle.to_tensor(x.astype(np.float32), stop_gradient=False) for x in (student, teacher))
    loss = consistency_loss(one, two, temperature=2.0)
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    loss.backward()
    assert two.grad is None
    assert float(one.grad.abs().max()) > 0


def test_contour_of_a_hard_edge_is_four_pixels_wide():
    alpha = np.zeros((1, 12, 12), np.float32)
    alpha[0, :, 6:] = 1
    line = contour(paddle.to_tensor(alpha), 5).numpy()[0]
    assert np.array_equal(line[4], [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0])


def test_average_of_weights():
    network = paddle.nn.Linear(1, 1)
    average = WeightAverage(network, decay=0.9)
    expected = float(network.weight.item())
    for step in range(1, 200):
        network.weight.set_value(np.full((1, 1), step, np.float32))
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.state_dict()["weight"].item() == pytest.approx(expected, rel=1e-5)


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harmed",)


def test_weights_never_run_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pdparams"
    path.write_bytes(pickle.dumps({"a": np.zeros(3), "b": Harmful()}, protocol=2))
    with pytest.raises(ModelError, match=r"model\.pdparams.*mkdir"):
        read_params(path)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_damaged_weights(tmp_path, keep):
    path = tmp_path / "model.pdparams"
    save_params(paddle.nn.Linear(40, 40).state_dict(), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"model\.pdparams: the parameters cannot be read"):
        read_params(path)


def test_weights_that_do_not_fit(tmp_path):
    two, three = HumanSegMobile(2), HumanSegMobile(3)
    params = {name: value.numpy() for name, value in two.state_dict().items()}
    with pytest.raises(
        ModelError, match=r"conv_1\.weight has the shape \[2, 240, 1, 1\] and the network \[3, 240, 1, 1\]"
    ):
        load_params(three, params, tmp_path)
    missing = dict(params)
    del missing["layer1_2.bn.bias"]
    with pytest.raises(ModelError, match=r"layer1_2\.bn\.bias is missing"):
        load_params(two, missing, tmp_path)
    with pytest.raises(ModelError, match="no parameter more"):
        load_params(two, params | {"more": np.zeros(1)}, tmp_path)
