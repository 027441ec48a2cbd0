"""How long work takes here: what is expected of it, and what it took in the end."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from onar.system.devices import available_cpus

_REMEMBERED = 15
"""Of the last works."""
_TELLING = 0.5
"""CPU seconds that work must be expected to take: of less, most is not what was reckoned with."""

_FASTEST = 4.0
"""Times that a machine is faster or slower than expected; beyond that, it was the work that was another."""
_BUSY_CPUS = 1.5
"""What a large hole keeps busy on average: its two copies are made side by side, but each of them in one thread."""


def seconds_alone(cpu_seconds: float, speed: float) -> float:
    """How long work will take if nothing else runs here.

    Args:
        cpu_seconds: that are expected.
        speed: CPU seconds that are needed here for one that is expected.
    """
    return cpu_seconds * speed / min(_BUSY_CPUS, available_cpus())


class Pace:
    """What a worker learns from its work.

    Args:
        time_limit: seconds after which work is ended.
    """

    def __init__(self, time_limit: float) -> None:
        self._time_limit = time_limit
        self._seconds = deque([1.0], maxlen=_REMEMBERED)
        self._ratios = deque([1.0], maxlen=_REMEMBERED)
        self._started: float | None = None
        self._expected: float | None = None

    @property
    def speed(self) -> float:
        """CPU seconds that are needed here for one that is expected; what else runs here makes no difference."""
        return median(self._ratios)

    @property
    def _usual(self) -> float:
        """Seconds that the last works took in the middle: one giant says nothing of the next."""
        return median(self._seconds)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work goes on in this block."""
        self._started = start = time.monotonic()
        self._expected = None
        try:
            yield
        finally:
            self._started = None
            self._seconds.append(time.monotonic() - start)

    def expect(self, cpu_seconds: float) -> None:
        """The work in hand says how long it will take from now on."""
        self._expected = cpu_seconds

    def learn(self, cpu_seconds: float | None) -> None:
        """The work in hand has taken so much of what it expected, if it expected anything."""
        if cpu_seconds is not None and self._expected is not None and self._expected >= _TELLING:
            self._ratios.append(min(max(cpu_seconds / self._expected, 1 / _FASTEST), _FASTEST))

    def seconds_left(self, waiting: int) -> int:
        """Seconds in which what is being done and so many who wait will about be done; at least 1."""
        return max(1, math.ceil(self._work_left() + waiting * self._usual))

    def _work_left(self) -> float:
        """Seconds of the work in hand, never more than until it is ended.

        What has taken longer than expected will about take as long again.
        """
        started = self._started
        if started is None:
            return self._usual
        elapsed = time.monotonic() - started
        expected = self._usual if self._expected is None else seconds_alone(self._expected, self.speed)
        left = expected - elapsed if elapsed < expected else elapsed
        return min(left, max(0.0, self._time_limit - elapsed))
