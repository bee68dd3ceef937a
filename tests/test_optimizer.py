"""The learning rate's course, and what the optimiser does with weights and gradients."""

import numpy as np
import paddle
import pytest
from paddle import nn

from human_segmentation.training.optimizer import build_optimizer, build_schedule


def rates(name, epochs, steps_per_epoch):
    schedule = build_schedule(name, 0.5, epochs, steps_per_epoch)
    found = []
    for _ in range(epochs * steps_per_epoch + 1):
        found.append(schedule())
        schedule.step()
    return np.array(found)


@pytest.mark.parametrize(
    ("name", "course"),
    [("cosine", lambda t: 0.5 + 0.5 * np.cos(np.pi * t)), ("poly", lambda t: (1 - t) ** 0.9)],
)
def test_warm_up_and_then_down_to_nothing(name, course):
    found = rates(name, 10, 20)
    warmup = 6  # 3 %
    np.testing.assert_allclose(found[: warmup + 1], 0.5 * np.arange(warmup + 1) / warmup, atol=1e-6)
    np.testing.assert_allclose(found[warmup:], 0.5 * course(np.arange(195) / 194), atol=1e-5)
    assert abs(found[-1]) < 1e-9


def test_steps_of_portraitnet():
    found = rates("step", 41, 3)
    np.testing.assert_allclose(found[[0, 59, 60, 119, 120, 122]], 0.5 * 0.95 ** np.array([0, 0, 1, 1, 2, 2]))


@pytest.fixture
def network():
    paddle.seed(0)
    return nn.Sequential(nn.Conv2D(3, 4, 3), nn.BatchNorm2D(4), nn.Conv2D(4, 2, 1))


def test_only_weights_decay(network):
    before = {name: value.numpy() for name, value in network.named_parameters()}
    optimizer = build_optimizer(network, build_schedule("step", 0.5, 1, 1), None)
    for parameter in network.parameters():
        parameter.grad = paddle.zeros_like(parameter)
    optimizer.step()
    for name, value in network.named_parameters():
        factor = 1 - 0.5 * 0.01 if value.ndim > 1 else 1
        np.testing.assert_allclose(value.numpy(), before[name] * factor, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("clip", [None, 0.001])
def test_gradients_are_clipped_together(network, clip):
    """Adam's first moment is a tenth of the first gradient."""
    optimizer = build_optimizer(network, build_schedule("step", 0.5, 1, 1), clip)
    generator = np.random.default_rng(0)
    trained = [parameter for parameter in network.parameters() if parameter.trainable]  # not the running statistics
    gradients = {p.name: generator.standard_normal(p.shape).astype(np.float32) for p in trained}
    for parameter in trained:
        parameter.grad = paddle.to_tensor(gradients[parameter.name])
    optimizer.step()
    norm = np.sqrt(sum(np.square(gradient).sum() for gradient in gradients.values()))
    scale = 1 if clip is None else clip / norm
    moments = {name: value.numpy() for name, value in optimizer.state_dict().items() if "moment1" in name}
    assert len(moments) == len(gradients)
    for name, gradient in gradients.items():
        (moment,) = [value for key, value in moments.items() if key.startswith(f"{name}_")]
        np.testing.assert_allclose(moment, 0.1 * scale * gradient, rtol=1e-4)
