"""Ctrl-C and signals of a terminal or scheduler during a training: the step is finished first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruption(last_saved: str) -> Iterator[list[int]]:
    """Collect SIGINT, SIGTERM, SIGHUP and SIGUSR1, so that the step is finished; a second signal stops at once.

    SIGHUP stays ignored where it is, as under nohup. SLURM can send SIGUSR1 before a time limit. Outside the main
    thread signals cannot be caught, and nothing is collected. The message of a stop at once names what was
    `last_saved`.
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
