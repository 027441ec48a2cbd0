"""A child process that runs tasks one after the other, and can be killed in the middle of one.

A thread cannot be killed, and a library may never return the memory it took; a killed process frees everything at once.
The child is a new Python that inherits only its standard streams (GPUs do not survive a fork). Tasks arrive on stdin,
answers leave on stdout, both pickled. When the server ends, for any reason, stdin ends, and so does the child.
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
from onar.serve.errors import BusyError, CancelledError, LostChildError, TooMuchWorkError
from onar.serve.pace import seconds_alone
from onar.system.devices import return_freed_memory

_KILLED = -9
"""Exit code of a killed process. When memory runs out, the system kills the largest process; when the server kills the
child, it has answered already."""

_STEP = 0.01
"""Share of the work after which its progress is reported again."""

_NO_MEMORY = "there is not enough memory for this: mark less, or send a smaller photo"


@dataclass(frozen=True)
class Task:
    """Work for the child, picklable as its result; `speed` and `threads` are as for `seconds_alone`."""

    work: Callable[[], Any]
    time_limit: float
    speed: float = 1.0
    threads: int = 0


@dataclass(frozen=True)
class Cancel:
    """Ends a task, by its number, when it next reports its progress."""

    number: int


@dataclass(frozen=True)
class Reached:
    """The share of a task's main part that is done, from 0 to 1."""

    share: float


@dataclass(frozen=True)
class Expected:
    """A task's own estimate of its main part, sent when that begins."""

    cpu_seconds: float


@dataclass(frozen=True)
class Done:
    """The result of a task, and the CPU seconds of the part it estimated."""

    result: Any
    cpu_seconds: float | None


@dataclass(frozen=True)
class Failed:
    """The error of a task; for an unexpected error, its traceback."""

    error: OnarError | None
    traceback: str


# ---------------------------------------------------------------- in the server


class Child:
    """A child process, as the server sees it; `ended` if it was killed. Its methods block: call them in a thread."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-c", f"from {__name__} import main; main()"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        # In its own session Ctrl-C does not reach it, so that the queue is still completed.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
        )
        assert self._process.stdin
        assert self._process.stdout
        self._tasks, self._answers = self._process.stdin, self._process.stdout
        self._sending = threading.Lock()
        self._sent = 0
        self.pid = self._process.pid
        self.ended = False

    def do(
        self,
        task: Task,
        expects: Callable[[float], None] = lambda _: None,
        reaches: Callable[[float], None] = lambda _: None,
    ) -> Done:
        """Run a task; `expects` is called with its estimate, `reaches` with the share that is done.

        Raises:
            LostChildError: the child ended first.
            OnarError: raised by the work; any other error becomes a `RuntimeError` with the child's traceback.
        """
        message = pickle.dumps(task, pickle.HIGHEST_PROTOCOL)
        try:
            with self._sending:
                self._sent += 1
                self._send(message)
            while isinstance(answer := pickle.load(self._answers), Expected | Reached):
                if isinstance(answer, Expected):
                    expects(answer.cpu_seconds)
                else:
                    reaches(answer.share)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise self._loss() from error
        if isinstance(answer, Failed):
            raise answer.error or RuntimeError(f"in the child process:\n{answer.traceback}")
        assert isinstance(answer, Done)
        return answer

    def cancel(self) -> None:
        """Ask it to end its task by itself; has no effect while that is still being sent."""
        if self._sending.acquire(blocking=False):
            try:
                self._send(pickle.dumps(Cancel(self._sent), pickle.HIGHEST_PROTOCOL))
            except (OSError, ValueError):  # it has ended
                pass
            finally:
                self._sending.release()

    def _send(self, message: bytes) -> None:
        self._tasks.write(message)
        self._tasks.flush()

    def kill(self) -> None:
        """Kill it; a call that waits for it raises `LostChildError`."""
        self.ended = True
        self._process.kill()

    def close(self) -> None:
        """Wait until it has ended, and close its pipes."""
        self._process.wait()
        with suppress(OSError):  # unread input
            self._tasks.close()
        self._answers.close()

    def _loss(self) -> OnarError:
        self.kill()  # no effect if it has ended by itself
        code = self._process.wait()
        if code == _KILLED:
            return OutOfMemoryError(_NO_MEMORY)
        return LostChildError(f"the worker process ended with exit code {code}; the server's log may say more")


# ---------------------------------------------------------------- in the child


class _Runner:
    """The current task of this process, and the stream for its answers."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._task: Task | None = None
        self._cpu_seconds: float | None = None
        self._started = 0.0
        self._number = 0
        self._cancelled = 0
        self._reported = 0.0

    def cancel(self, number: int) -> None:
        """End the task of that number, the first being 1, when it next reports its progress."""
        self._cancelled = number

    def reach(self, share: float) -> None:
        """See the function `reached`."""
        if self._cancelled == self._number:
            raise CancelledError("cancelled")
        if share >= self._reported + _STEP:
            self._reported = share
            self._send(Reached(share))

    def do(self, task: Task) -> None:
        """Run a task and send the answer."""
        self._task, self._cpu_seconds, self._started = task, None, time.monotonic()
        self._number, self._reported = self._number + 1, 0.0
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
        """See the function `expecting`."""
        assert self._task is not None
        self._send(Expected(cpu_seconds))
        seconds, limit = seconds_alone(cpu_seconds, self._task.speed, self._task.threads), self._task.time_limit
        if seconds > limit:
            raise TooMuchWorkError(
                f"this would take {seconds:.0f} s here, and {limit:g} s are allowed: mark less at a time, send a "
                "smaller photo, or ask for texture network"
            )
        passed = time.monotonic() - self._started
        if passed + seconds > limit:  # after a kill in the middle, the next try would have to load the weights again
            raise BusyError(
                f"reading the photo and loading the weights took {passed:.0f} of {limit:g} s, and filling takes "
                f"{seconds:.0f} s: try again, now that the weights are loaded, or mark less at a time"
            )
        start = time.process_time()
        yield
        self._cpu_seconds = time.process_time() - start

    def _send(self, message: Expected | Reached | Done | Failed) -> None:
        pickle.dump(message, self._answers, pickle.HIGHEST_PROTOCOL)
        self._answers.flush()


_runner: _Runner | None = None
"""None in a process that is not a child."""


def expecting(cpu_seconds: float) -> AbstractContextManager[None]:
    """Report the estimated time of the block to the server, which learns its speed by it; no effect outside a child.

    Raises `TooMuchWorkError` if, on an idle machine, too, it would take more than the time allowed.
    """
    return nullcontext() if _runner is None else _runner.expecting(cpu_seconds)


def reached(share: float) -> None:
    """Report the share of the work that is done, from 0 to 1; no effect outside a child.

    Raises `CancelledError` when the work was cancelled.
    """
    if _runner is not None:
        _runner.reach(share)


def main() -> None:
    """Run the tasks that arrive on stdin until its end."""
    global _runner
    for stop in (signal.SIGINT, signal.SIGTERM):  # often sent to all processes of a server, which ends this one itself
        signal.signal(stop, signal.SIG_IGN)
    tasks, _runner = _take_streams()
    todo: queue.SimpleQueue[Task] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks, todo), daemon=True).start()
    while True:
        try:
            _runner.do(todo.get())
        except OSError:  # the server has gone
            os._exit(1)
        return_freed_memory()


def _take_streams() -> tuple[BinaryIO, _Runner]:
    """The streams of tasks and answers; all other output on stdout, also of libraries, is redirected to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sys.stdin.buffer, _Runner(answers)


def _receive(tasks: BinaryIO, todo: queue.SimpleQueue[Task]) -> None:
    """Queue tasks; at the end of stdin, end the process, even in the middle of a task."""
    while True:
        try:
            message = pickle.load(tasks)
            if isinstance(message, Cancel):
                assert _runner is not None
                _runner.cancel(message.number)
            else:
                todo.put(message)
        except EOFError:
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
