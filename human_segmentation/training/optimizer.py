"""The optimiser and its learning rate."""

import paddle
from paddle import nn
from paddle.optimizer import AdamW
from paddle.optimizer.lr import CosineAnnealingDecay, LinearWarmup, LRScheduler, PolynomialDecay, StepDecay

SCHEDULES = ("cosine", "poly", "step")
WARMUP_SHARE = 0.03
WEIGHT_DECAY = 0.01
POLY_POWER = 0.9
STEP_EPOCHS, STEP_FACTOR = 20, 0.95
"""PortraitNet's schedule: the rate times 0.95 every 20 epochs."""


def build_schedule(name: str, rate: float, epochs: int, steps_per_epoch: int) -> LRScheduler:
    """The learning rate, step by step.

    Args:
        name: "cosine" or "poly", which begin with a linear warm-up and end at 0, or "step".
        rate: Highest learning rate.
        epochs: Epochs of the whole run.
        steps_per_epoch: Steps of an epoch.
    """
    if name == "step":
        return StepDecay(rate, step_size=STEP_EPOCHS * steps_per_epoch, gamma=STEP_FACTOR)
    steps = epochs * steps_per_epoch
    warmup = max(1, round(WARMUP_SHARE * steps))
    rest = max(1, steps - warmup)
    if name == "cosine":
        after = CosineAnnealingDecay(rate, T_max=rest, eta_min=0.0)
    else:
        after = PolynomialDecay(rate, decay_steps=rest, end_lr=0.0, power=POLY_POWER)
    return LinearWarmup(after, warmup, start_lr=0.0, end_lr=rate)


def build_optimizer(network: nn.Layer, rate: LRScheduler, clip: float | None) -> AdamW:
    """AdamW, with weight decay on weights but not on biases and normalisation.

    Args:
        network: What is trained.
        rate: The schedule.
        clip: Largest norm of all gradients together; None leaves them.
    """
    decayed = {p.name for p in network.parameters() if p.ndim > 1}
    return AdamW(
        rate,
        parameters=network.parameters(),
        weight_decay=WEIGHT_DECAY,
        apply_decay_param_fun=lambda name: name in decayed,
        grad_clip=None if clip is None else paddle.nn.ClipGradByGlobalNorm(clip),
    )
