import os
import pickle

import cv2
import numpy as np
import paddle
import pytest

from human_segmentation.datasets.dataset import TrainingSet, WeightedSamples
from human_segmentation.datasets.list_file import Sample
from human_segmentation.errors import DataError, ModelError
from human_segmentation.models.hrnet import HumanSegMobile
from human_segmentation.models.weights import load_params, read_params, save_params
from human_segmentation.training.checkpoint import load_network
from human_segmentation.training.ema import WeightAverage
from human_segmentation.training.losses import boundary_cross_entropy, consistency_loss, contour, focal_loss
from human_segmentation.training.trainer import TrainOptions, train


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


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Light discs on dark noise."""
    folder = tmp_path_factory.mktemp("discs")
    rng = np.random.default_rng(0)
    found = []
    for i in range(16):
        image = rng.integers(0, 100, (48, 48, 3), dtype=np.uint8)
        mask = np.zeros((48, 48), np.uint8)
        cv2.circle(mask, tuple(map(int, rng.integers(16, 32, 2))), int(rng.integers(8, 14)), 255, -1)
        image[mask > 0] += 120
        found.append(Sample(folder / f"{i}.png", folder / f"{i}_mask.png"))
        cv2.imwrite(str(found[-1].image), image)
        cv2.imwrite(str(found[-1].label), mask)
    return found


def run(samples, folder, model="HumanSegMobile", size=32, **options):
    options = {"num_epochs": 2, "batch_size": 4, "learning_rate": 0.003} | options
    plain = model == "PortraitNet"
    training_set = TrainingSet([WeightedSamples(samples, 2)], (size, size), seed=3, plain=plain)
    return train(TrainOptions(model, folder, **options), training_set, samples[:4])


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, run(samples, folder, num_epochs=6)


def test_training_learns(trained):
    folder, best = trained
    assert best["miou"] > 0.8
    assert {path.name for path in (folder / "best_model").iterdir()} == {"metrics.json", "model.pdparams", "model.yml"}
    _, config = load_network(folder / "best_model")
    assert config.metrics == best
    assert (config.model, config.status, config.preprocess.width) == ("HumanSegMobile", "Normal", 32)
    assert sorted(path.name for path in folder.iterdir()) == ["best_model", *(f"epoch_{i}" for i in range(1, 7))]


def test_portraitnet_learns_with_all_its_losses(samples, tmp_path):
    best = run(samples, tmp_path, model="PortraitNet", size=64, num_epochs=5)
    assert best["miou"] > 0.7
    network, config = load_network(tmp_path / "best_model")
    assert (config.model, config.preprocess.padding) == ("PortraitNet", 128)
    network.eval()
    assert network(paddle.zeros([1, 3, 64, 32])).shape == [1, 2, 64, 32]


def test_resumed_run_goes_on_as_if_it_had_not_stopped(samples, trained, tmp_path):
    folder, best = trained
    resumed = run(samples, tmp_path, num_epochs=6, resume_checkpoint=folder / "epoch_4")
    one = read_params(folder / "epoch_6" / "raw.pdparams")
    two = read_params(tmp_path / "epoch_6" / "raw.pdparams")
    assert all(np.array_equal(one[name], two[name]) for name in one)
    one = read_params(folder / "epoch_6" / "model.pdparams")
    two = read_params(tmp_path / "epoch_6" / "model.pdparams")
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert resumed["miou"] == best["miou"]


def test_fewer_photos_than_a_batch(samples, tmp_path):
    with pytest.raises(DataError, match="--batch_size"):
        run(samples, tmp_path, batch_size=64)
    assert not list(tmp_path.iterdir())


def test_resume_from_what_is_no_checkpoint(samples, trained, tmp_path):
    with pytest.raises(ModelError, match=r"raw\.pdparams"):
        run(samples, tmp_path, resume_checkpoint=trained[0] / "best_model")
