"""What a person at a console sees: lines, bars and tables.

It also works where there is no console: without stderr there are no bars, and lines that nobody reads stop nothing.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

_WIDE = 10_000
"""Columns that a table may take: lines that a terminal wraps can still be read, cells that are cut off cannot."""


def say(text: str) -> None:
    """Print on stdout, past the bars, at once."""
    _print(text, sys.stdout)


def warn(text: str) -> None:
    """Print on stderr, past the bars, at once."""
    _print(text, sys.stderr)


def _print(text: str, stream: TextIO | None) -> None:
    if stream is None:  # pythonw
        return
    with suppress(BrokenPipeError):  # nobody reads any more
        tqdm.write(text, file=stream)
        stream.flush()


def progress_bar(items: Iterable[Any] | None = None, **options: Any) -> Any:
    """A bar of tqdm on stderr; by default only where that is a terminal.

    Args:
        items: what to go through, if anything.
        options: as tqdm has them.
    """
    if sys.stderr is None:
        options["disable"] = True
    return tqdm(items, **{"disable": None, "dynamic_ncols": True, **options})


SECONDS_BETWEEN_LINES = 30
"""Where no bar can be drawn."""


def training_bar(**options: Any) -> Any:
    """A bar of tqdm on stderr; where that is no terminal, as in a log or a notebook, a line every half minute."""
    if sys.stderr is not None and sys.stderr.isatty():
        return progress_bar(**{"disable": False, **options})
    lines = {"file": _Lines(sys.stderr), "mininterval": SECONDS_BETWEEN_LINES, "ncols": 0, "ascii": True}
    return progress_bar(None, **{"disable": False, **lines, **options})


class _Lines:
    """Writes what tqdm draws over and over in lines below each other.

    Args:
        stream: what to write to.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write a state of the bar as a line; line breaks and empty states, which only clear, are left out."""
        if self._stream is not None and (line := text.strip("\r\n ")):
            with suppress(BrokenPipeError):
                self._stream.write(f"{line}\n")

    def flush(self) -> None:
        """Send it on its way."""
        if self._stream is not None:
            with suppress(BrokenPipeError):
                self._stream.flush()


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as text: the first column to the left, the others to the right.

    Args:
        header: the names of the columns.
        rows: of as many cells.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for number, title in enumerate(header):
        table.add_column(Text(title), justify="right" if number else "left", no_wrap=True)
    return _as_text(table, rows)


def text_list(rows: Mapping[str, str]) -> str:
    """Names and what is said of each, as text."""
    return _as_text(Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False), rows.items())


def _as_text(table: Table, rows: Iterable[Sequence[str]]) -> str:
    for row in rows:
        table.add_row(*map(Text, row))  # as text: brackets in a name are no markup
    console = Console(file=io.StringIO(), width=_WIDE, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
