"""The shares that are done of running work, which its clients ask for while they wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial


class Shares:
    """Shares from 0 to 1 by the ids of work, which clients choose; forgotten when the work ends.

    >>> shares = Shares()
    >>> with shares.showing("a") as reached:
    ...     reached(0.5)
    ...     shares.of("a")
    0.5
    >>> shares.of("a")
    """

    def __init__(self) -> None:
        self._shares: dict[str, float] = {}

    @contextmanager
    def showing(self, work_id: str) -> Iterator[Callable[[float], None]]:
        """Yields what sets the share of work during the block, from any thread."""
        try:
            yield partial(self._shares.__setitem__, work_id)
        finally:
            self._shares.pop(work_id, None)

    def of(self, work_id: str) -> float | None:
        """The share of work; None before its first report, and of unknown work."""
        return self._shares.get(work_id)
