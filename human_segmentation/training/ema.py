"""Exponential moving average of the weights."""

import paddle
from paddle import nn


class WeightAverage:
    """Keeps an exponential moving average of a network's parameters and batch-norm statistics.

    Polyak and Juditsky, 1992. The averaged weights are usually better than the last ones when the learning rate is
    high. The average warms up: its first steps forget faster, so that the random start does not linger.

    Args:
        network: The network that is trained.
        decay: Share of the old average that a step keeps.
    """

    def __init__(self, network: nn.Layer, decay: float) -> None:
        self.network = network
        self.decay = decay
        self.steps = 0
        self.average = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @paddle.no_grad()
    def update(self) -> None:
        """Adds the network's present weights to the average."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in self.network.state_dict().items():
            average = self.average[name]
            average.scale_(decay)
            average.add_(value.detach() * (1 - decay))

    def state_dict(self) -> dict[str, paddle.Tensor]:
        """The averaged weights by name."""
        return self.average
