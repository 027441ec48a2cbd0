"""A queue in front of one model: work runs one piece at a time, in a child process that is replaced when it is killed.

A client first takes one of a few places; if all are taken, it is refused at once instead of late. The work then waits
for its turn. A client that leaves frees its place and turn, and its running work is killed: no client waits for a
result that is no longer wanted.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from anyio import CancelScope, move_on_after

from onar.errors import OnarError
from onar.serve.child import Child, Task
from onar.serve.errors import BusyError, TimeLimitError
from onar.serve.pace import Pace

T = TypeVar("T")

GRACE = 0.4
"""Seconds in which abandoned work may still end by itself: less than a new process takes to start."""


def _no_warm_up() -> None:
    """Picklable default of `warm_up`."""


class Worker:
    """Runs work one piece at a time in a child process. All methods but `start` and `end` belong to the event loop.

    Args:
        places: maximum number of clients whose requests are being read, wait or run; `taken` are in use.
        time_limit: seconds that a client waits for its turn, and then for its result.
        warm_up: runs first in each new child, such as to load weights; `replaced` children ended or were killed.
        threads: maximum number of threads of the work, for estimates; 0 for one per CPU.
    """

    def __init__(
        self, places: int, time_limit: float, warm_up: Callable[[], Any] = _no_warm_up, threads: int = 0
    ) -> None:
        self.places = places
        self.time_limit = time_limit
        self.taken = 0
        self.waiting = 0
        self.replaced = 0
        self._warm_up = warm_up
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1)
        self._child: Child | None = None
        self._threads = threads
        self._pace = Pace(time_limit, threads)
        self._closed = False
        self._aborted = False
        self._waits: set[CancelScope] = set()
        self._all_free = asyncio.Event()
        self._all_free.set()

    @property
    def is_closed(self) -> bool:
        """Whether new clients are refused, because the server is being stopped."""
        return self._closed

    @property
    def in_progress(self) -> int:
        """1 while work runs, else 0."""
        return int(self._turn.locked())

    @property
    def pid(self) -> int | None:
        """Process id of the child, if there is one."""
        return self._child.pid if self._child else None

    def start(self) -> Any:
        """Start the child before the first work; returns the result of its warm-up, or raises its error."""
        child = Child()
        self._child = child
        try:
            return child.do(Task(self._warm_up, math.inf)).result
        except BaseException:
            self._drop(child)
            raise

    def end(self) -> None:
        """Kill the child, even in the middle of work."""
        self._closed = True
        if self._child:
            self._child.kill()
        self._thread.shutdown()
        if self._child:
            self._drop(self._child)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place for the block; raises `BusyError` if all are taken."""
        if self._closed:
            raise self._stopping()
        if self.taken >= self.places:
            raise self._busy(f"the server is busy with {self.taken} requests")
        self.taken += 1
        self._all_free.clear()
        try:
            yield
        finally:
            self.taken -= 1
            if self.taken == 0:
                self._all_free.set()

    async def run(
        self,
        work: Callable[[], T],
        waited: Callable[[float], None] = lambda _: None,
        reached: Callable[[float], None] = lambda _: None,
    ) -> T:
        """Call `work`, a picklable function, in the child when its turn comes. To be awaited inside `place`.

        Cancelling gives up the turn; running work ends by itself within `GRACE`, or is killed. Waiting and running have
        separate timeouts: under a common one, work would start just before its client gives up, and a busy server would
        finish nothing.

        Args:
            work: what to call.
            waited: is called with the seconds until its turn.
            reached: is called, in another thread, with the share of the work that is done, where it reports that.

        Raises:
            BusyError: the turn does not come in time, or the server is stopped.
            TimeLimitError: the work takes too long.
            LostChildError: the child ended by itself.
            OnarError: raised by the work.
        """
        if self._aborted:
            raise self._stopping()
        try:
            return await self._run(work, waited, reached)
        except OnarError as error:
            if self._aborted:
                raise self._stopping() from error
            raise

    async def _run(self, work: Callable[[], T], waited: Callable[[float], None], reached: Callable[[float], None]) -> T:
        start = time.monotonic()
        try:
            await self._wait_for_turn()
        finally:
            waited(time.monotonic() - start)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._have_child)
        except BaseException:
            self._turn.release()
            raise
        result = loop.run_in_executor(self._thread, self._do, work, reached)
        result.add_done_callback(self._end_turn)
        try:
            done, _ = await asyncio.wait({result}, timeout=self.time_limit)
        except asyncio.CancelledError:
            if self._child and not result.done():
                self._child.cancel()
            loop.call_later(GRACE, self._give_up, result)
            raise
        if not done:
            self._give_up(result)
            if not self._pace.is_estimated:
                log = "in %g s a photo was not read, or its weights were not loaded: a larger --time_limit would help"
                logging.getLogger(__name__).error(log, self.time_limit)
            raise TimeLimitError(f"not done within {self.time_limit:g} s")
        return result.result()

    async def close(self) -> None:
        """Refuse new clients, and wait until all places are free."""
        self._closed = True
        await self._all_free.wait()

    def abort(self) -> None:
        """Refuse waiting clients, too, and kill running work; all get `BusyError`."""
        self._closed = self._aborted = True
        for wait in self._waits:
            wait.cancel()
        if self._child:
            self._child.kill()

    async def _wait_for_turn(self) -> None:
        self.waiting += 1
        try:
            with move_on_after(self.time_limit) as limit:
                self._waits.add(limit)
                await self._turn.acquire()
        finally:
            self.waiting -= 1
            self._waits.discard(limit)
        if limit.cancelled_caught:
            raise self._busy(f"waited {self.time_limit:g} s in the queue")

    def _give_up(self, result: asyncio.Future[T]) -> None:
        if not result.done() and self._child:
            self._child.kill()

    def _end_turn(self, result: asyncio.Future[T]) -> None:
        self._turn.release()
        if not result.cancelled():
            result.exception()  # retrieved, or asyncio would report errors that are no longer awaited
        if not self._closed:
            self._thread.submit(self._replace)

    def _stopping(self) -> BusyError:
        return BusyError("the server is being stopped", retry_after=math.ceil(self.time_limit))

    def _busy(self, reason: str) -> BusyError:
        seconds = self._pace.seconds_left(self.waiting)
        return BusyError(f"{reason}: try again in {seconds} s", seconds)

    # ---------------------------------------------------------------- in the worker's one thread

    def _do(self, work: Callable[[], T], reached: Callable[[float], None]) -> T:
        assert self._child is not None
        with self._pace.working():
            task = Task(work, self.time_limit, self._pace.speed, self._threads)
            done = self._child.do(task, self._pace.expect, reached)
        self._pace.learn(done.cpu_seconds)
        result: T = done.result
        return result

    def _replace(self) -> None:
        """Start a child for the next work, which retries and reports the error if that fails."""
        with suppress(OnarError):
            self._have_child()

    def _have_child(self) -> None:
        """Start a child if there is none; raises `OnarError`, and logs its reason, which may name paths."""
        if self._child and self._child.ended:
            self._drop(self._child)
            self.replaced += 1
        if self._child is None:
            try:
                self.start()
            except Exception as error:
                logging.getLogger(__name__).error("the worker process cannot be restarted: %s", error)
                raise OnarError("the worker process cannot be restarted; the server's log says more") from error

    def _drop(self, child: Child) -> None:
        self._child = None
        child.kill()
        child.close()
