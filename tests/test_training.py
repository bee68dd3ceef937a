import os
import pickle
from pathlib import Path

import numpy as np
import paddle
import pytest

from human_segmentation.errors import ModelError
from human_segmentation.models.hrnet import HumanSegMobile
from human_segmentation.models.weights import load_params, read_params, save_params
from human_segmentation.training.ema import WeightAverage
from human_segmentation.training.losses import boundary_cross_entropy, consistency_loss, contour, focal_loss
from human_segmentation.training.objectives import Batch, PortraitNetObjective


def slow_loss(logits, targets, valid, boundary_weight, width):
    total, weights, half = 0.0, 0.0, width // 2
    for n, y, x in np.ndindex(valid.shape):
        near = 1 - targets[n, 0, max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1]
        weight = valid[n, y, x] * (1 + boundary_weight * (near.max() - near.min()))
        e = np.exp(logits[n, :, y, x] - logits[n, :, y, x].max())
        total -= weight * sum(share * np.log(p) for share, p in zip(targets[n, :, y, x], e / e.sum(), strict=True))
        weights += weight
    return total / weights


def random_targets(rng, classes, shape=(2, 9, 11)):
    """Hard and soft shares of classes; a strip of background, and pixels that do not count."""
    mixed = rng.dirichlet(np.ones(classes), shape).transpose(0, 3, 1, 2)
    hard = np.eye(classes)[rng.integers(classes, size=shape)].transpose(0, 3, 1, 2)
    targets = np.where(rng.random((shape[0], 1, *shape[1:])) < 0.5, mixed, hard)
    targets[:, :, 3:6] = np.eye(classes)[0][:, None, None]
    return targets.astype(np.float32), (rng.random(shape) > 0.2).astype(np.float32)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_loss_against_a_slow_implementation(classes):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (2, classes, 9, 11)).astype(np.float32)
    targets, valid = random_targets(rng, classes)
    loss = boundary_cross_entropy(*map(paddle.to_tensor, (logits, targets, valid)), boundary_weight=3.0, width=5)
    expected = slow_loss(logits.astype(np.float64), targets.astype(np.float64), valid, 3.0, 5)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_two_classes_is_that_of_more_of_which_the_others_are_never_there():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, (2, 2, 9, 11)).astype(np.float32)
    targets, valid = random_targets(rng, 2)
    more = (
        np.concatenate([logits, np.full_like(logits, -100)], axis=1),
        np.pad(targets, [(0, 0), (0, 2), (0, 0), (0, 0)]),
    )
    losses, gradients = [], []
    for scores, shares in ((logits, targets), more):
        tensor = paddle.to_tensor(scores, stop_gradient=False)
        loss = boundary_cross_entropy(tensor, paddle.to_tensor(shares), paddle.to_tensor(valid))
        loss.backward()
        losses.append(float(loss))
        gradients.append(tensor.grad.numpy()[:, :2])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert np.allclose(*gradients, atol=1e-7)


def test_the_boundary_head_learns_the_outline_of_the_person_and_not_of_its_classes():
    targets = np.zeros((1, 3, 24, 24), np.float32)
    targets[0, 1, 6:12, 6:18] = targets[0, 2, 12:18, 6:18] = 1
    targets[0, 0] = 1 - targets[0, 1:].sum(0)
    whole = np.stack([targets[:, 0], targets[:, 1:].sum(1)], axis=1)
    head = np.random.default_rng(4).normal(0, 2, (1, 2, 24, 24)).astype(np.float32)
    valid = np.ones((1, 24, 24), np.float32)

    def boundary_loss(shares):
        tensors = paddle.to_tensor(np.zeros_like(shares)), paddle.to_tensor(head)
        batch = Batch(tensors[0], None, paddle.to_tensor(shares), paddle.to_tensor(valid))
        on, off = (PortraitNetObjective(boundary, consistency=False) for boundary in (True, False))
        return float(on(lambda _: tensors, batch)) - float(off(lambda _: tensors, batch))

    assert boundary_loss(targets) == pytest.approx(boundary_loss(whole), rel=1e-5)
    assert boundary_loss(targets) > 0


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


@pytest.mark.parametrize(("boundary", "consistency"), [(False, False), (True, False), (False, True), (True, True)])
def test_the_sum_of_portraitnets_losses(boundary, consistency):
    """The mask of both photos, a tenth of the boundary, and twice what pulls the changed photo to the plain one."""
    rng = np.random.default_rng(5)
    count = 4 if consistency else 2
    mask, edge = (paddle.to_tensor(rng.normal(0, 2, (count, 2, 9, 11)), "float32", stop_gradient=False) for _ in "me")
    targets, valid = map(paddle.to_tensor, random_targets(rng, 2))
    images = paddle.zeros([2, 3, 9, 11])
    batch = Batch(images, images if consistency else None, targets, valid)
    loss = PortraitNetObjective(boundary, consistency)(lambda _: (mask, edge), batch)
    labels, counts = (paddle.concat([x] * (count // 2)) for x in (targets, valid))
    expected = slow_loss(*(x.numpy().astype(np.float64) for x in (mask, labels)), counts.numpy(), 0.0, 1)
    if boundary:
        line = (contour(labels[:, 1], 5) > 0.5).astype("float32")
        expected += 0.1 * float(focal_loss(edge, line, counts))
    if consistency:
        expected += 2 * float(consistency_loss(mask[:2], mask[2:]))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


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


def test_a_photo_is_no_weights(tmp_path):
    """Its first byte asks the unpickler for something that its error tells of in two lines."""
    path = tmp_path / "model.pdparams"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(ModelError) as caught:
        read_params(path)
    assert str(caught.value) == (
        f"{path}: the parameters cannot be read (A load persistent id instruction was encountered, but no "
        "persistent_load function was specified.); copy or train the model again"
    )


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


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_floating_point_weights_of_another_width(dtype):
    network = paddle.nn.Linear(2, 2)
    params = {"weight": np.array([[1, 0.5], [-2, 0.25]], dtype), "bias": np.array([3, 4], dtype)}
    load_params(network, params, Path("source"))
    assert network.weight.numpy().tolist() == [[1, 0.5], [-2, 0.25]]
    assert network.bias.numpy().tolist() == [3, 4]
    assert network.weight.dtype == network.bias.dtype == paddle.float32


@pytest.mark.parametrize("dtype", [np.int8, np.int64, bool, np.complex64, object, "U3", "M8[s]", [("a", np.int32)]])
def test_weights_that_are_no_floating_point_numbers(dtype):
    network = paddle.nn.Linear(2, 2)
    before = network.weight.numpy()
    params = {"weight": np.ones((2, 2), np.float32), "bias": np.zeros(2, dtype)}
    with pytest.raises(ModelError, match=r"^source: the parameter bias has values of the type .*, not floating-point"):
        load_params(network, params, Path("source"))
    assert np.array_equal(network.weight.numpy(), before)
