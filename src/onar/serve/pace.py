"""Estimate how long work takes on this machine, from earlier estimates and the times it took."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from onar.system.devices import cpu_share

_HISTORY = 15
"""Number of measurements in the medians."""
_MIN_ESTIMATE = 0.5
"""Minimum estimate, in CPU seconds, to learn from: of shorter work, most time goes into what is not estimated."""

_MAX_RATIO = 4.0
"""Maximum factor between machines; a larger one comes from the work, not from the machine."""
_BUSY_CPUS = 1.5
"""CPUs that a large hole uses on average: its two copies run in parallel, each in one thread."""


def seconds_alone(cpu_seconds: float, speed: float, threads: int = 0) -> float:
    """Wall-clock seconds of work on an otherwise idle machine.

    Args:
        cpu_seconds: the estimate.
        speed: actual CPU seconds per estimated one.
        threads: maximum number of the work's threads; 0 for one per CPU.
    """
    return cpu_seconds * speed / min(_BUSY_CPUS, cpu_share(), threads or math.inf)


class Pace:
    """Learns the speed of this machine and the usual time of work, which is killed after `time_limit` seconds.

    `threads` is as for `seconds_alone`.

    >>> pace = Pace(time_limit=60)
    >>> pace.expect(2), pace.learn(6)
    (None, None)
    >>> pace.speed
    2.0
    """

    def __init__(self, time_limit: float, threads: int = 0) -> None:
        self._time_limit = time_limit
        self._threads = threads
        self._seconds = deque([1.0], maxlen=_HISTORY)
        self._ratios = deque([1.0], maxlen=_HISTORY)
        self._started: float | None = None
        self._expected: float | None = None

    @property
    def speed(self) -> float:
        """Actual CPU seconds per estimated one; independent of the machine's load."""
        return median(self._ratios)

    @property
    def is_estimated(self) -> bool:
        """Whether the current work has sent an estimate, so that what precedes its main part is done."""
        return self._expected is not None

    @property
    def _usual(self) -> float:
        """Median seconds of recent work, which single outliers do not change."""
        return median(self._seconds)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Measure the work in the block."""
        self._started = start = time.monotonic()
        self._expected = None
        try:
            yield
        finally:
            self._started = None
            self._seconds.append(time.monotonic() - start)

    def expect(self, cpu_seconds: float) -> None:
        """Record the estimate of the current work, from now on."""
        self._expected = cpu_seconds

    def learn(self, cpu_seconds: float | None) -> None:
        """Compare the estimate of the current work, if any, with the CPU seconds it took."""
        if cpu_seconds is not None and self._expected is not None and self._expected >= _MIN_ESTIMATE:
            self._ratios.append(min(max(cpu_seconds / self._expected, 1 / _MAX_RATIO), _MAX_RATIO))

    def seconds_left(self, waiting: int) -> int:
        """Estimated seconds until the current work and the given number of waiting clients are done; at least 1."""
        return max(1, math.ceil(self._work_left() + waiting * self._usual))

    def _work_left(self) -> float:
        """Estimated seconds left of the current work, at most until its timeout; overdue work takes as long again."""
        started = self._started
        if started is None:
            return self._usual
        elapsed = time.monotonic() - started
        expected = self._usual
        if self._expected is not None:
            expected = seconds_alone(self._expected, self.speed, self._threads)
        left = expected - elapsed if elapsed < expected else elapsed
        return min(left, max(0.0, self._time_limit - elapsed))
