"""Processes for tests that need a real one: a pid, an exit code, signals, an environment, a session, limits.

They are forked from a process that has imported the training, because importing it takes three seconds of CPU time, and
forking a tenth of one. What tests the start of the interpreter, or what libraries read from the environment when they
are imported, starts `sys.executable`. What needs no process calls `tests.support.runs.run_onar`.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

from tests.support.fork_server import Request

REPOSITORY = Path(__file__).resolve().parent.parent.parent
LONGEST = 300
"""Seconds after which a process is killed: for hangs only."""


TRAINING = (
    *("onar.cli", "onar.training.gan.verb", "onar.data.doctor", "onar.completion.verb", "onar.inference.inpainter"),
    # What a training imports when it has begun.
    *("efficientnet_lite_pytorch", "matplotlib.figure", "patchmatch", "pydantic.dataclasses", "torch._dynamo"),
    "torchmetrics",
)
SERVING = ("onar.cli", "onar.serve.server", "onar.inference.inpainter", "uvicorn.protocols.http.h11_impl")


@cache
def fork_server(modules: tuple[str, ...], environment: tuple[tuple[str, str], ...]) -> socket.socket:
    """Start one, which ends with this process.

    Args:
        modules: what it imports.
        environment: variables that are read on import, such as those that choose instructions.
    """
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tests.support.fork_server", str(theirs.fileno()), *modules]
    subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **dict(environment)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        start_new_session=True,  # Ctrl-C ends the tests, and so their processes
    )
    theirs.close()
    return ours


class Process:
    """A forked process, with the interface of `subprocess.Popen`.

    Args:
        arguments: what follows `python`: "-m", a module and its arguments; "-c", code and its arguments; or a script.
        stdout, stderr: descriptors that it writes to; by default stdout is a pipe, and stderr a file.
        preloaded, on_import: modules that are imported already, and variables that these read; each pair has a fork
            server of its own.
        cwd, env, start_new_session: as `subprocess.Popen`.

    Attributes:
        pid: its number.
        stdout: what it prints.
        returncode: once it is known to have ended, the exit code, or minus the number of the signal that ended it.
    """

    def __init__(
        self,
        *arguments: object,
        stdout: int | None = None,
        stderr: int | None = None,
        preloaded: tuple[str, ...] = TRAINING,
        on_import: dict[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: dict[str, str] | None = None,
        start_new_session: bool = False,
    ) -> None:
        on_import = on_import or {}
        environment = {**(os.environ if env is None else env), **on_import}
        request = Request(tuple(map(str, arguments)), environment, os.path.abspath(cwd or "."), start_new_session)
        reader, writer = os.pipe()
        self.stdout: IO[str] = os.fdopen(reader, encoding="utf-8", errors="replace")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - until the process has ended
        self._connection, theirs = socket.socketpair()
        with open(os.devnull, "rb") as nothing, theirs, os.fdopen(writer, "wb"):
            streams = [writer if stdout is None else stdout, self._errors.fileno() if stderr is None else stderr]
            descriptors = [nothing.fileno(), *streams, theirs.fileno()]
            socket.send_fds(fork_server(preloaded, tuple(sorted(on_import.items()))), [b"\n"], descriptors)
        with self._connection.makefile("wb") as file:
            pickle.dump(request, file)
        self._replies = self._connection.makefile()
        self.pid = int(self._replies.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._wait(0)

    def wait(self, timeout: float = LONGEST) -> int:
        """Wait for its end; returns the exit code."""
        if (code := self._wait(timeout)) is None:
            self.kill()
            raise TimeoutError(f"process {self.pid} has not ended after {timeout} seconds")
        return code

    def communicate(self, timeout: float = LONGEST) -> tuple[str, str]:
        """Wait for its end; returns what it has written to stdout and to stderr. After the timeout it is killed."""
        timer = threading.Timer(timeout, self.kill)
        timer.start()
        said = self.stdout.read()
        self.wait(timeout)
        timer.cancel()
        self._errors.seek(0)
        return said, self._errors.read().decode("utf-8", "replace")

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: object, _traceback: object) -> None:
        if kind is not None:
            self.kill()
        self.wait()
        self.stdout.close()
        self._errors.close()

    def _wait(self, seconds: float) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], seconds)[0]:
            self.returncode = int(self._replies.readline())
            self._connection.close()
        return self.returncode


def run(*arguments: object, code: int | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a process to its end, to that exit code if one is given; arguments and options as `Process`."""
    with Process(*arguments, **options) as process:
        said, errors = process.communicate()
    done = subprocess.CompletedProcess(arguments, process.wait(), said, errors)
    assert code in (None, done.returncode), errors
    return done
