"""Progress: the share of the work that is done, by the estimated costs of its parts."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[float], None]
"""Is called with the share that is done, from 0 to 1, never less than before, from any thread but one call at a time.
The work ends with what it raises."""


def ignore(share: float, /) -> None:
    """Report to no one."""


class WorkProgress:
    """Progress of work of a total cost, in any unit.

    >>> progress = WorkProgress(print, total=4)
    >>> progress.advance(1)
    0.25
    >>> part = progress.part(cost=2, total=10)
    >>> part.advance(5)
    0.5
    >>> progress.finish()
    1.0
    """

    def __init__(self, report: OnProgress = ignore, total: float = 1.0) -> None:
        self._report = report
        self._total = total
        self._done = 0.0
        self._lock = Lock()

    def advance(self, cost: float) -> None:
        """Work of that cost is done; 0 only asks whether to go on."""
        with self._lock:
            self._reach(self._done + cost)

    def finish(self) -> None:
        """All is done."""
        with self._lock:
            self._reach(self._total)

    def part(self, cost: float, total: float) -> WorkProgress:
        """Progress of a part of the work: its cost here, and the total of the costs that it counts itself."""
        reached = 0.0

        def report(share: float) -> None:
            nonlocal reached
            further, reached = share - reached, share
            self.advance(cost * further)

        return WorkProgress(report, total)

    def _reach(self, done: float) -> None:
        self._done = min(done, self._total)
        self._report(self._done / self._total if self._total else 1.0)
