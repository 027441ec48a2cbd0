"""The display while photo files are completed: a table of their states on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from onar.completion.in_process import Outcome
from onar.system.console import is_watched, progress_bar
from onar.system.language import translate_message

if TYPE_CHECKING:
    from rich.table import Table

STATES = ("completed", "unchanged", "existed", "failed")


def watched(outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    """The outcomes of a total number of photos; meanwhile, how many of them are in which state, and the time left."""
    if is_watched():
        yield from _with_table(outcomes, total)
    else:
        yield from progress_bar(outcomes, total=total, unit="photo")


def _with_table(outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    from rich.console import Console
    from rich.live import Live

    console, counts, start = Console(file=sys.stderr), Counter[str](), time.monotonic()
    # Lines that are printed meanwhile go above the table; those of a stdout elsewhere stay there.
    is_same = sys.stdout is not None and sys.stdout.isatty()
    live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=is_same)
    with live:
        live.update(state_table(counts, total, 0), refresh=True)
        for outcome in outcomes:
            counts[outcome.state] += 1
            live.update(state_table(counts, total, time.monotonic() - start), refresh=True)
            yield outcome


def state_table(counts: Counter[str], total: int, seconds: float) -> Table:
    """A line for each state with its number of photos, and what is left, with the time that it will take."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right")
    for state in STATES:
        if counts[state]:
            table.add_row(str(counts[state]), translate_message(state))
    left = total - counts.total()
    # What existed took hardly any time.
    done = counts.total() - counts["existed"]
    remaining = translate_message(f"left, about {_duration(seconds / done * left)}" if done and left else "left")
    table.add_row(str(left), remaining)
    return table


def _duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> _duration(59.6), _duration(3725)
    ('1:00', '1:02:05')
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
