"""Parts of every training: average of the weights (EMA), learning rate schedules, states, and finite losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

RateFactor = Callable[[int], float]  # steps so far -> factor on a learning rate


class NotFiniteError(Exception):
    """A loss or a gradient is not a number or infinite; the message says which."""


def read_finite(values: Mapping[str, Tensor]) -> dict[str, float]:
    """The numbers of scalars on one device; raises `NotFiniteError` that names the first which is not finite."""
    # one transfer for all numbers: reading them one by one would let a GPU wait each time.
    numbers = dict(zip(values, torch.stack([value.detach() for value in values.values()]).tolist(), strict=True))
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise NotFiniteError(f"{name} is {number}")
    return numbers


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients pass through a network without reaching its parameters."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def join_states(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The states of networks, optimisers and schedules, by names that stay the same from version to version."""
    return {name: part.state_dict() for name, part in parts.items()}


def load_states(parts: Mapping[str, Any], states: Mapping[str, Any]) -> None:
    """Set parts to what `join_states` returned."""
    for name, part in parts.items():
        part.load_state_dict(states[name])


class MovingAverage(AveragedModel):
    """Exponential moving average (EMA) of the weights of a network, with a warm-up that forgets the first ones.

    Args:
        network: whose weights are averaged.
        decay: at most this share of the average stays with each update.
        use_buffers: average buffers, too; otherwise they are those of the network.
    """

    def __init__(self, network: nn.Module, decay: float, *, use_buffers: bool = False) -> None:
        super().__init__(network, use_buffers=use_buffers)
        self.decay = decay

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take in the weights of now; the first ones are taken as they are."""
        # the count is on the CPU, wherever the weights are; torch's own update copies it to a GPU and back.
        updates = int(self.n_averaged)
        share = 1 - min(self.decay, (1 + updates) / (10 + updates))
        weights = zip(self.module.parameters(), model.parameters(), strict=True)
        buffers = zip(self.module.buffers(), model.buffers(), strict=True)
        for averages, pairs in ((True, weights), (self.use_buffers, buffers)):
            for kept, new in pairs:
                kept.lerp_(new, share) if averages and updates and kept.is_floating_point() else kept.copy_(new)
        self.n_averaged += 1


def learning_rate_factor(schedule: str, warmup_steps: int, total_steps: int) -> RateFactor:
    """Factor on the learning rate: a linear warm-up, then constant or half a cosine down to 0.

    >>> factor = learning_rate_factor("cosine", warmup_steps=1, total_steps=11)
    >>> [round(factor(step), 2) for step in (0, 1, 6, 11)]
    [0.5, 1.0, 0.5, 0.0]
    """

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / (warmup_steps + 1))
        if schedule == "constant":
            return rise
        done = max(0, step - warmup_steps) / max(1, total_steps - warmup_steps)
        return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor


def advance(optimizer: Optimizer, schedule: LambdaLR) -> None:
    """Take the learning rate of the next step, also after a step that was skipped."""
    optimizer._opt_called = True  # type: ignore[attr-defined]  # torch warns of a schedule that is ahead
    schedule.step()


def set_rate(optimizer: Optimizer, schedule: LambdaLR, rate: float) -> None:
    """Go on with another learning rate, before its factor."""
    if schedule.base_lrs == [rate]:
        return
    schedule.base_lrs = [rate]
    (group,) = optimizer.param_groups
    group["initial_lr"], group["lr"] = rate, rate * schedule.lr_lambdas[0](schedule.last_epoch)
    schedule._last_lr = [group["lr"]]
