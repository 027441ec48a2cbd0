"""Standard streams on which nothing that becomes of a message can stop the work.

Whoever reads may go away (`| head`), have no letter for a name (cp1252), or never have been there (`2>&-`, pythonw).
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

_BROKEN_PIPE = {errno.EPIPE, errno.EINVAL} if sys.platform == "win32" else {errno.EPIPE}


class _Outlet(io.FileIO):
    """What is behind stdout or stderr; once nobody reads, what is written goes nowhere.

    Attributes:
        failure: the first other error, such as that of a full disk.
    """

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write what can be written; returns the number of bytes taken, always all of them."""
        try:
            written = super().write(data)
        except OSError as error:
            if error.errno not in _BROKEN_PIPE:
                self.failure = self.failure or error
            written = memoryview(data).nbytes
        return written


def steady_streams() -> None:
    """Make stdout and stderr take everything: to be called first, by a program that is Onar's own.

    Letters that the reader's encoding does not have come out as `?`. Streams that a notebook or a test has put in the
    place of the process's own stay as they are.
    """
    _open_closed_descriptors()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
        elif stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _steady(stream))


def lost_output() -> OSError | None:
    """Why something that was printed on stdout is lost, other than that nobody reads; to be asked at the end."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.failure if isinstance(raw, _Outlet) else None


def _open_closed_descriptors() -> None:
    """Give the numbers 0 to 2 to nothing: else the next file opened gets one, and a library's messages go there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free


def _steady(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="replace")
    if stream.isatty():
        return stream
    with suppress(OSError):
        stream.flush()
    outlet = io.BufferedWriter(_Outlet(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(
        outlet,
        stream.encoding,
        "replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
