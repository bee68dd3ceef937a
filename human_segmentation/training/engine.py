"""The training loop."""

import time
from collections.abc import Callable, Iterable

import numpy as np
import paddle
import paddle.nn.functional as F
from numpy.typing import NDArray
from paddle import nn
from paddle.optimizer import Optimizer

from human_segmentation.inference.preprocess import Preprocess
from human_segmentation.training import distributed
from human_segmentation.training.ema import WeightAverage
from human_segmentation.training.interrupt import uninterrupted
from human_segmentation.training.objectives import Batch, Objective


class NetworkEngine:
    """Runs a network as it stands in memory, for evaluation while it trains."""

    def __init__(self, network: nn.Layer) -> None:
        self.network = network

    @paddle.no_grad()
    def __call__(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps a float32 [N, 3 or 4, H, W] to the softmax scores float32 [N, classes, H, W]."""
        self.network.eval()
        return F.softmax(self.network(paddle.to_tensor(tensor)), axis=1).numpy()


def train_one_epoch(
    forward: Callable[[paddle.Tensor], paddle.Tensor],
    network: nn.Layer,
    batches: Iterable[list[paddle.Tensor]],
    objective: Objective,
    preprocess: Preprocess,
    optimizer: Optimizer,
    average: WeightAverage,
    scaler: paddle.amp.GradScaler,
    show: Callable[[float], None],
) -> tuple[float, float]:
    """Trains on every batch once.

    Args:
        forward: The network in training mode.
        network: The same, for its gradients.
        batches: What `TrainingSet` gives, stacked.
        objective: The loss.
        preprocess: Normalises the photos.
        optimizer: Its learning rate moves on every step.
        average: Follows the weights.
        scaler: Scales the loss in mixed precision; one that is not enabled leaves the precision alone.
        show: Is told the loss of every step.

    Returns:
        The mean loss and the seconds spent waiting for photos.

    Raises:
        FloatingPointError: The loss is not a number, or the weights are none at the end.
    """
    losses: list[float] = []
    waited, before = 0.0, time.perf_counter()
    for samples in batches:
        waited += time.perf_counter() - before
        batch = _batch(samples, preprocess)
        with uninterrupted():
            with paddle.amp.auto_cast(enable=scaler.is_enable()):
                loss = objective(forward, batch)
            losses.append(float(loss))
            if not np.isfinite(losses[-1]):
                raise FloatingPointError(f"the loss is {losses[-1]} at step {len(losses)}")
            show(losses[-1])
            scaler.scale(loss).backward()
            distributed.average_step(network)
            scaler.step(optimizer)
            scaler.update()
            optimizer.clear_grad()
            optimizer._learning_rate.step()
            average.update()
        before = time.perf_counter()
    # Paddle's ReLU makes 0 of what is no number, so that the loss may not show it; the average never forgets it.
    if not all(np.isfinite(value.numpy()).all() for value in average.state_dict().values()):
        raise FloatingPointError(f"the weights are no numbers any more after {len(losses)} steps")
    return float(np.mean(losses)), waited


def _batch(samples: list[paddle.Tensor], preprocess: Preprocess) -> Batch:
    """A batch from shares of classes, where they count, photos, and plain photos and priors if there are any."""
    shares, valid, *rest = samples
    photos = [paddle.to_tensor(preprocess.normalize(x.numpy())) for x in rest if x.ndim == 4]
    priors = [_unit(x).unsqueeze(1) for x in rest if x.ndim == 3]
    images, *plain = (paddle.concat([photo, *priors], axis=1) for photo in photos)
    return Batch(images, plain[0] if plain else None, _unit(shares), _unit(valid))


def _unit(x: paddle.Tensor) -> paddle.Tensor:
    """uint8 in [0, 255] as float32 in [0, 1]."""
    return x.astype("float32") / 255
