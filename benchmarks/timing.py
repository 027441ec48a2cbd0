"""Paired timing: functions are timed in one process and in turns, so that noise affects all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

REPEATS = 5
WARM_UP = 1


@dataclass(frozen=True)
class Times:
    """Seconds of each repeat of one function; repeat i was measured in the same turn as repeat i of the others."""

    seconds: list[float]

    @property
    def median(self) -> float:
        """Median in seconds."""
        return median(self.seconds)

    @property
    def best(self) -> float:
        """Minimum in seconds: the least affected by other programs."""
        return min(self.seconds)

    def ratio(self, other: Times) -> float:
        """Median of the ratios to the other function in the same turn."""
        return median(mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=True))


def interleave(
    functions: Mapping[str, Callable[[], object]], repeats: int = REPEATS, warm_up: int = WARM_UP
) -> dict[str, Times]:
    """Time functions by name in turns (A B C, A B C), after turns to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(warm_up + repeats):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - started)
    return {name: Times(values[warm_up:]) for name, values in seconds.items()}
