"""Batches from worker processes. Errors in these come as sentences, in Paddle's loader and in PyTorch's."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Sequence

import numpy as np
import paddle
from numpy.typing import NDArray
from paddle.io import BatchSampler, DataLoader

from human_segmentation.datasets.dataset import TrainingSet
from human_segmentation.errors import DataError
from human_segmentation.training import distributed

PR_SET_PDEATHSIG = 1
"""Linux's number for the request to be told of the parent's end."""


class Batches:
    """The batches of an epoch, made by worker processes.

    Args:
        training_set: Where the samples come from.
        sampler: The positions of the samples of each batch.
    """

    def __init__(self, training_set: TrainingSet, sampler: BatchSampler) -> None:
        self._loader = DataLoader(
            Guarded(training_set),
            batch_sampler=sampler,
            num_workers=_workers(),
            collate_fn=stack,
            worker_init_fn=_end_with_parent,
        )

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[list[paddle.Tensor]]:
        """Gives batches: the fields of `TrainingSet`'s samples, each stacked.

        Raises:
            DataError: A photo or a label cannot be used.
        """
        for batch in self._loader:
            check_batch(batch)
            yield batch


class Guarded:
    """Samples, and in the place of one that cannot be used its error: a loader makes a traceback of what is raised.

    Args:
        training_set: Where the samples come from.
    """

    def __init__(self, training_set: TrainingSet) -> None:
        self.training_set = training_set

    def __len__(self) -> int:
        return len(self.training_set)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], ...] | DataError:
        """A sample of `TrainingSet`, or its error."""
        try:
            return self.training_set[index]
        except DataError as error:
            return error


def stack(samples: Sequence[tuple[NDArray[np.uint8], ...] | DataError]) -> list[NDArray[np.uint8]]:
    """The fields of samples, each stacked; where there is an error, its sentence is the only field, in bytes."""
    fields = []
    for sample in samples:
        if isinstance(sample, DataError):
            sentence = bytearray(os.fsencode(str(sample)))  # PyTorch warns of what cannot be written, such as bytes
            return [np.frombuffer(sentence, np.uint8)]
        fields.append(sample)
    return [np.stack(field) for field in zip(*fields, strict=True)]


def check_batch(batch: Sequence[paddle.Tensor]) -> None:
    """Looks for an error in what `stack` gave, as tensors of Paddle or PyTorch.

    Raises:
        DataError: A photo or a label cannot be used.
    """
    if len(batch) == 1:
        raise DataError(os.fsdecode(batch[0].numpy().tobytes()))


def _workers() -> int:
    """One on a CPU, whose cores the network takes itself; beside GPUs, the share of this process."""
    return 1 if paddle.get_device() == "cpu" else max(1, (os.cpu_count() or 1) // distributed.world())


def _end_with_parent(_worker: int) -> None:
    """Ties a worker process to the run; it would wait for ever where the run is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
