"""Several processes that train one network, each on its share of every batch.

Started by `python -m paddle.distributed.launch --nproc_per_node 2 --backend gloo train.py ...`; without it, the world
has one process and every function here does nothing.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TypeVar

import paddle
from paddle import distributed, nn

from human_segmentation.errors import HumanSegError

T = TypeVar("T")


def start() -> None:
    """Joins the other processes, where there are any."""
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1 and not distributed.is_initialized():
        if not paddle.is_compiled_with_cuda():  # the launcher for several machines does not say so itself
            os.environ.setdefault("PADDLE_DISTRI_BACKEND", "gloo")
        distributed.init_parallel_env()


def rank() -> int:
    """Number of this process; 0 writes files and talks."""
    return distributed.get_rank()


def world() -> int:
    """Number of processes."""
    return distributed.get_world_size()


def share(items: Sequence[T]) -> Sequence[T]:
    """Those items that this process takes; each is taken by one."""
    return items[rank() :: world()]


def barrier() -> None:
    """Waits for the other processes."""
    if world() > 1:
        with _together():
            distributed.barrier()


def mean_of(tensors: Sequence[paddle.Tensor]) -> None:
    """Replaces tensors by their means over all processes; one message carries them all."""
    if world() == 1:
        return
    with paddle.no_grad(), _together():
        flat = paddle.concat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        flat = flat / world()
        parts = paddle.split(flat, [tensor.size for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.set_value(part.reshape(tensor.shape))


def average_step(network: nn.Layer) -> None:
    """Averages gradients and batch-norm statistics, between `backward` and the optimiser's step."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    # Paddle counts the statistics among the parameters, as those without a gradient.
    mean_of([*gradients, *(p for p in network.parameters() if p.stop_gradient)])


def broadcast(network: nn.Layer) -> None:
    """Gives every process the network of process 0."""
    if world() > 1:
        with _together():
            for value in network.state_dict().values():
                distributed.broadcast(value, src=0)


def gathered(value: T) -> list[T]:
    """The value of every process, in the order of their numbers."""
    if world() == 1:
        return [value]
    values: list[T] = []
    with _together():
        distributed.all_gather_object(values, value)
    return values


@contextlib.contextmanager
def _together() -> Iterator[None]:
    """Says in one sentence that another process has left; what went wrong, that one has said."""
    try:
        yield
    except RuntimeError as error:
        raise HumanSegError("another process of this run has ended early; the other workerlog files say why") from error
