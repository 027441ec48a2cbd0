"""The time limit of a run: how many steps fit into it, and when it is over.

The first steps are timed. Then the number of steps is set once, so that the learning rate schedules end with the last
one. If the machine becomes slower after that, the run ends when the time is over.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TIMED_SHARE = 0.1  # of the time goes into steps before their number is set ...
MAX_TIMING = 60.0  # ... but no more seconds than these
AIM = 0.95  # share of the time left that is planned for; the rest is for what turns out slower


class Budget:
    """The time of a run: what it may take, what it has taken, and how long its steps are.

    Args:
        seconds: what the whole run may take, parts before a stop included.

    Attributes:
        latest_step: seconds from the end of the last step but one to the end of the last, waiting for data included.
        timed_seconds: sum of these over all steps of this process but its first, which warms up.
        timed_steps: how many these are.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.latest_step = self.timed_seconds = 0.0
        self.timed_steps = 0
        self._step_began: float | None = None  # none until the first step of this process has ended
        self.begin()

    def begin(self, spent: float | None = None) -> None:
        """Start the clock.

        Args:
            spent: seconds that the run had taken until it was stopped. The time until the first step after the stop is
                not counted: it goes into loading what was loaded before, too.
        """
        self._spent_before = spent
        self._begun = time.monotonic() - (spent or 0.0)  # of the run, had it never been stopped

    @property
    def spent(self) -> float:
        """Seconds of the run so far."""
        return time.monotonic() - self._begun

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.seconds - self.spent

    def count_step(self) -> None:
        """Time the step that has just ended."""
        now = time.monotonic()
        if self._step_began is not None:
            self.latest_step = now - self._step_began
            self.timed_seconds += self.latest_step
            self.timed_steps += 1
        elif self._spent_before is not None:
            self._begun = now - self._spent_before
        self._step_began = now

    def start_step(self) -> None:
        """Say that what followed the last step, such as a checkpoint, is no part of the next one."""
        if self._step_began is not None:
            self._step_began = time.monotonic()

    @contextmanager
    def repeated_work(self) -> Iterator[None]:
        """Do not count work that a run does again because it was stopped."""
        started = time.monotonic()
        yield
        if self._spent_before is not None:
            self._begun += time.monotonic() - started

    @property
    def knows_speed(self) -> bool:
        """Whether enough steps were timed to plan by."""
        return self.timed_seconds >= min(TIMED_SHARE * self.seconds, MAX_TIMING)

    @property
    def step_seconds(self) -> float:
        """Mean seconds of the timed steps."""
        return self.timed_seconds / self.timed_steps


def steps_that_fit(seconds: float, max_steps: int, cost: Callable[[int], float]) -> int:
    """How many more steps fit into the seconds left, of which `AIM` is planned for; `cost` is steps -> seconds.

    >>> steps_that_fit(100, 1000, lambda steps: 2 * steps)
    47
    """
    return bisect_right(range(1, max_steps + 1), AIM * seconds, key=cost)


def epoch_ends(steps: int, left_in_epoch: int, steps_per_epoch: int) -> int:
    """How many epochs end within the given number of further steps, when the run ends with them."""
    return 1 + max(0, math.ceil((steps - left_in_epoch) / steps_per_epoch))
