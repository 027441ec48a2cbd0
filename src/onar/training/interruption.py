"""Ctrl-C and the signals of a closed terminal or a scheduler during a training: the step is finished first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruption(last_saved: str) -> Iterator[list[int]]:
    """Collect SIGINT, SIGTERM, SIGHUP and SIGUSR1 so that a step can finish first; a second one stops at once.

    SIGHUP stays ignored where it is, as under nohup. SIGUSR1 is what SLURM sends before a time limit when asked to.

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
        before = {number: signal.signal(number, note) for number in _stopping_signals()}
    except ValueError:
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stopping_signals() -> list[signal.Signals]:
    """The signals of this system that ask a training to stop."""
    found = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)]
    ignored = [number for number in found if signal.getsignal(number) == signal.SIG_IGN]
    return [number for number in found if number not in ignored or number in (signal.SIGINT, signal.SIGTERM)]
