"""Parts of every training: average of the weights (EMA), learning rate schedules, states, and finite losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

RateFactor = Callable[[int], float]  # steps so far -> factor on a learning rate


class NotFiniteError(Exception):
    """A loss or a gradient is not a number or infinite; the message says which."""


def require_finite(values: Mapping[str, Tensor]) -> None:
    """Raise `NotFiniteError` that names the first value which is not a finite number."""
    for name, value in values.items():
        if not math.isfinite(number := float(value.detach())):
            raise NotFiniteError(f"{name} is {number}")


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


def moving_average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Exponential moving average (EMA) for `AveragedModel`, with a warm-up that forgets the initial weights."""

    @torch.no_grad()
    def average(averaged: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        now = min(decay, (1 + float(updates)) / (10 + float(updates)))
        for kept, new in zip(averaged, current, strict=True):
            kept.lerp_(new, 1 - now) if kept.is_floating_point() else kept.copy_(new)

    return average


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
