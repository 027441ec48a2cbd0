"""Console output: lines, progress bars and tables.

Works without a console, too: without stderr there are no bars, and a closed pipe stops nothing. rich and tqdm take as
long to import as OpenCV, so they are imported by the functions that draw with them.
"""

from __future__ import annotations

import io
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from onar.system.language import translate_message

if TYPE_CHECKING:
    from rich.table import Table

_WIDE = 10_000
"""Columns. Tables are never truncated: lines that a terminal wraps are readable, truncated cells are not."""


def say(text: str) -> None:
    """Print a line on stdout above the progress bars, flushed, in the user's language."""
    _print(translate_message(text), sys.stdout)


def warn(text: str) -> None:
    """Print a line on stderr above the progress bars, flushed, in the user's language."""
    _print(translate_message(text), sys.stderr)


def _print(text: str, stream: TextIO | None) -> None:
    if stream is None:  # pythonw
        return
    with suppress(BrokenPipeError):  # the reader has exited
        bars = getattr(sys.modules.get("tqdm"), "tqdm", None)
        if bars is None:  # not imported, so there is none to print above
            stream.write(f"{text}\n")
        else:
            bars.write(text, file=stream)
        stream.flush()


def progress_bar(items: Iterable[Any] | None = None, **options: Any) -> Any:
    """A tqdm progress bar on stderr, with tqdm's arguments.

    Without a terminal, as in a log or a notebook, a line every half minute, and none for what takes less.

    >>> list(progress_bar([1, 2], disable=True))
    [1, 2]
    """
    if not is_watched():
        options["delay"] = max(options.get("delay", 0), SECONDS_BETWEEN_LINES)
    return training_bar(items, **options)


SECONDS_BETWEEN_LINES = 30
"""Interval of progress lines where no bar can be drawn."""


def training_bar(items: Iterable[Any] | None = None, **options: Any) -> Any:
    """As `progress_bar`, but without a terminal also with a first and a last line, which has the losses."""
    from tqdm import TqdmMonitorWarning, tqdm

    if sys.stderr is None:
        options["disable"] = True
    if not is_watched():
        lines = {"file": _Lines(sys.stderr), "mininterval": SECONDS_BETWEEN_LINES, "maxinterval": SECONDS_BETWEEN_LINES}
        options = {**lines, "ncols": 0, "ascii": True, **options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmMonitorWarning)  # where no thread can be started it draws less often
        return tqdm(items, **{"dynamic_ncols": True, **options})


def is_watched() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def elapsed_time(text: str, delay: float = 2.0) -> Iterator[None]:
    """While work without steps goes on, show on stderr the seconds that it has taken, as `progress_bar` does.

    Args:
        text: what is done.
        delay: seconds after which something is shown on a terminal.
    """
    stream, done = sys.stderr, threading.Event()
    watched = is_watched()

    def show() -> None:
        started, shown = time.monotonic(), ""
        pause = delay if watched else SECONDS_BETWEEN_LINES
        with suppress(OSError, ValueError):  # the reader has exited, or the stream is closed
            while not done.wait(pause):
                shown, pause = f"{text}: {time.monotonic() - started:.0f} s", 1.0 if watched else pause
                stream.write(f"\r{shown}" if watched else f"{shown}\n")
                stream.flush()
            if shown and watched:
                stream.write(f"\r{' ' * len(shown)}\r")
                stream.flush()

    thread = threading.Thread(target=show, daemon=True)
    if stream is not None:
        with suppress(RuntimeError):  # no thread can be started
            thread.start()
    try:
        yield
    finally:
        done.set()
        if thread.ident is not None:
            thread.join()


class _Lines:
    """Writes the states of a tqdm bar as lines below each other."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write a state of the bar as a line; line breaks and empty states, which clear the bar, are skipped."""
        if self._stream is not None and (line := text.strip("\r\n ")):
            with suppress(BrokenPipeError):
                self._stream.write(f"{line}\n")

    def flush(self) -> None:
        """Flush the stream."""
        if self._stream is not None:
            with suppress(BrokenPipeError):
                self._stream.flush()


def text_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format rows of cells as text: the first column left-aligned, the others right-aligned.

    >>> print(text_table(["method", "PSNR"], [["bundled", "26.70"], ["telea", "25.1"]]))
    method    PSNR
    bundled  26.70
    telea     25.1
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for number, title in enumerate(header):
        table.add_column(Text(title), justify="right" if number else "left", no_wrap=True)
    return _as_text(table, rows)


def text_list(rows: Mapping[str, str]) -> str:
    """Format names and values as text, one pair per line.

    >>> print(text_list({"photos": "12", "kinds": "JPEG"}))
    photos  12
    kinds   JPEG
    """
    from rich.table import Table

    return _as_text(Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False), rows.items())


def _as_text(table: Table, rows: Iterable[Sequence[str]]) -> str:
    from rich.console import Console
    from rich.text import Text

    for row in rows:
        table.add_row(*map(Text, row))  # as text: brackets in a name are no markup
    console = Console(file=io.StringIO(), width=_WIDE, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
