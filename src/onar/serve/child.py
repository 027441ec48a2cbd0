"""A process that does one piece of work after the other for a server, and can be ended in the middle of one.

A thread cannot be stopped, and what a library has taken of memory it may keep; a process that is ended stops at once
and gives back everything. It is a new Python that has inherited nothing but its standard streams (GPUs do not survive
a fork). Tasks come in on stdin, answers go out on stdout, both pickled. When the server is gone, however it ended, that
is the end of stdin, and of the child.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from onar.errors import OnarError, OutOfMemoryError, is_out_of_memory
from onar.serve.pace import seconds_alone
from onar.system.devices import return_freed_memory

_KILLED = -9
"""What a process returns that was killed. The system does so with the largest where memory runs out; a server that does
it itself has answered already."""

_NO_MEMORY = "there is not enough memory for this: mark less, or send a smaller photo"


class LostChildError(OnarError):
    """The child has ended in the middle of its work."""


class TooMuchWorkError(OnarError):
    """The work would not be done in the time allowed."""


@dataclass(frozen=True)
class Task:
    """Something to be done.

    Attributes:
        work: a function that can be pickled, as its result must be.
        time_limit: seconds that it may take.
        speed: CPU seconds that this machine needs for one that is expected.
    """

    work: Callable[[], Any]
    time_limit: float
    speed: float = 1.0


@dataclass(frozen=True)
class Expected:
    """How long the main part of a task will take, as it says itself when it begins."""

    cpu_seconds: float


@dataclass(frozen=True)
class Done:
    """What a task has come to, and how long the part has taken for which it expected something."""

    result: Any
    cpu_seconds: float | None


@dataclass(frozen=True)
class Failed:
    """What a task has raised; the traceback of what nobody expects."""

    error: OnarError | None
    traceback: str


# ---------------------------------------------------------------- in the server


class Child:
    """A child process, as the server sees it. All that waits for it may wait in threads.

    Attributes:
        pid: its number.
        ended: it was killed.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-c", f"from {__name__} import main; main()"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        # In a session of its own Ctrl-C does not reach it: what is in the queue is still completed then.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        assert self._process.stdin
        assert self._process.stdout
        self._tasks, self._answers = self._process.stdin, self._process.stdout
        self.pid = self._process.pid
        self.ended = False

    def do(self, task: Task, expects: Callable[[float], None] = lambda _: None) -> Done:
        """Have something done.

        Args:
            task: what.
            expects: is told what the task says of itself.

        Raises:
            LostChildError: the child ended before it was done.
            OnarError: what the work raised; another error comes as `RuntimeError` with the child's traceback.
        """
        message = pickle.dumps(task, pickle.HIGHEST_PROTOCOL)
        try:
            self._tasks.write(message)
            self._tasks.flush()
            while isinstance(answer := pickle.load(self._answers), Expected):
                expects(answer.cpu_seconds)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise self._loss() from error
        if isinstance(answer, Failed):
            raise answer.error or RuntimeError(f"in the child process:\n{answer.traceback}")
        assert isinstance(answer, Done)
        return answer

    def kill(self) -> None:
        """End it now; what waits for it raises `LostChildError`."""
        self.ended = True
        self._process.kill()

    def bury(self) -> None:
        """Let go of it once it has ended, or is about to."""
        self._process.wait()
        with suppress(OSError):  # what it did not read
            self._tasks.close()
        self._answers.close()

    def _loss(self) -> OnarError:
        self.kill()  # when it has ended by itself, this does nothing
        code = self._process.wait()
        if code == _KILLED:
            return OutOfMemoryError(_NO_MEMORY)
        return LostChildError(f"the process at work has ended with the code {code}; the server's log may say more")


# ---------------------------------------------------------------- in the child


class _Desk:
    """What is being done in this process, and where its answers go."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._task: Task | None = None
        self._cpu_seconds: float | None = None

    def do(self, task: Task) -> None:
        """Do something and answer."""
        self._task, self._cpu_seconds = task, None
        answer: Done | Failed
        try:
            answer = Done(task.work(), self._cpu_seconds)
        except Exception as error:
            if is_out_of_memory(error):
                answer = Failed(OutOfMemoryError(_NO_MEMORY), "")
            elif isinstance(error, OnarError):
                answer = Failed(error, "")
            else:
                answer = Failed(None, traceback.format_exc())
        self._task = None
        self._send(answer)

    @contextmanager
    def expecting(self, cpu_seconds: float) -> Iterator[None]:
        """See the function."""
        assert self._task is not None
        self._send(Expected(cpu_seconds))
        seconds = seconds_alone(cpu_seconds, self._task.speed)
        if seconds > self._task.time_limit:
            raise TooMuchWorkError(
                f"this would take {seconds:.0f} s here, and {self._task.time_limit:g} s are allowed: mark less at a "
                "time, send a smaller photo, or ask for texture network"
            )
        start = time.process_time()
        yield
        self._cpu_seconds = time.process_time() - start

    def _send(self, message: Expected | Done | Failed) -> None:
        pickle.dump(message, self._answers, pickle.HIGHEST_PROTOCOL)
        self._answers.flush()


_desk: _Desk | None = None
"""Only in a child."""


def expecting(cpu_seconds: float) -> AbstractContextManager[None]:
    """Say how long the work in hand will about take in this block; in a process that is no child, to nobody.

    Args:
        cpu_seconds: by `effort`; how far this machine is from that, the server learns.

    Raises:
        TooMuchWorkError: even if nothing else ran here, it would be more than what is allowed.
    """
    return nullcontext() if _desk is None else _desk.expecting(cpu_seconds)


def main() -> None:
    """Do what comes in on stdin until its end."""
    global _desk
    for stop in (signal.SIGINT, signal.SIGTERM):  # often sent to all processes of a server, which ends this one itself
        signal.signal(stop, signal.SIG_IGN)
    tasks, _desk = _take_streams()
    todo: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks, todo), daemon=True).start()
    while True:
        try:
            _desk.do(todo.get())
        except OSError:  # nobody reads the answer
            os._exit(1)
        return_freed_memory()


def _take_streams() -> tuple[BinaryIO, _Desk]:
    """Tasks and answers; what else is printed on stdout, also by libraries, goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, _Desk(answers)


def _receive(tasks: BinaryIO, todo: queue.SimpleQueue[Task]) -> None:
    """Pass tasks on; at the end of them, end the process, whatever it is doing."""
    while True:
        try:
            todo.put(pickle.load(tasks))
        except EOFError:
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
