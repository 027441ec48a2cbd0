"""Ctrl-C and SIGTERM during a training: the step is finished first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruption(last_saved: str) -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM so that a step can finish first; a second one stops at once.

    Outside the main thread signals cannot be caught, and nothing is collected.

    Args:
        last_saved: what a person who stopped at once should know of the last checkpoint.
    """
    received: list[int] = []

    def note(number: int, _frame: object) -> None:
        if received:
            raise KeyboardInterrupt(f"Stopped at once; {last_saved}")
        received.append(number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
