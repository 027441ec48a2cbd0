"""Standard streams whose failure never stops the work.

The reader may exit (`| head`), lack a character of a name (cp1252), or be missing (`2>&-`, pythonw).
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
    """The raw stream under stdout or stderr; output after the reader has exited is discarded.

    `failure` is the first other error, such as a full disk.
    """

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write, ignoring errors; returns the number of all bytes."""
        try:
            written = super().write(data)
        except OSError as error:
            if error.errno not in _BROKEN_PIPE:
                self.failure = self.failure or error
            written = memoryview(data).nbytes
        return written


def steady_streams() -> None:
    """Make stdout and stderr accept all output: for Onar's own programs, before anything else.

    Characters missing in the encoding are written as `?`. Streams replaced by a notebook or a test are left unchanged.
    """
    _open_closed_descriptors()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the process
        elif stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _steady(stream))


def lost_output() -> OSError | None:
    """The error by which output on stdout was lost, except a broken pipe; call it at the end."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.failure if isinstance(raw, _Outlet) else None


def _open_closed_descriptors() -> None:
    """Open closed descriptors 0 to 2 as the null device: otherwise the next file gets one, and a library's messages."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number


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
        outlet, stream.encoding, "replace", line_buffering=stream.line_buffering, write_through=stream.write_through
    )
