"""One model, many clients: photos are completed one after the other, in a process that is replaced when it is ended.

Whoever wants something done takes one of a few places first; with all places taken, the answer is "busy" at once
instead of late. The work then waits for its turn. Whoever stops waiting gives up turn and place, and what is being
done for him is ended: the next one does not wait behind work that nobody wants.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from anyio import move_on_after

from onar.errors import OnarError
from onar.serve.child import Child, Task
from onar.serve.pace import Pace

T = TypeVar("T")

GRACE = 0.4
"""Seconds in which work that is given up may still end by itself: less than a new process takes to start."""


class BusyError(OnarError):
    """All places are taken.

    Attributes:
        retry_after: seconds in which those who are waiting will about be served.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimeLimitError(OnarError):
    """The work was not done in the time allowed."""


def _nothing() -> None:
    """To warm up with."""


class Worker:
    """Does one thing at a time, in a child process. But for `start` and `end`, its methods belong to the event loop.

    Args:
        places: most clients whose requests are read, wait or are being worked on.
        time_limit: seconds that one of them waits for its turn, and then for its result.
        warm_up: what each new child does first, such as to load weights.

    Attributes:
        taken: how many places are taken.
        waiting: how many wait for their turn.
        replaced: how many children have been ended, or have ended, and got a successor.
    """

    def __init__(self, places: int, time_limit: float, warm_up: Callable[[], Any] = _nothing) -> None:
        self.places = places
        self.time_limit = time_limit
        self.taken = 0
        self.waiting = 0
        self.replaced = 0
        self._warm_up = warm_up
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1)
        self._child: Child | None = None
        self._pace = Pace(time_limit)
        self._closed = False
        self._all_free = asyncio.Event()
        self._all_free.set()

    @property
    def in_progress(self) -> int:
        """1 while something is being worked on, else 0."""
        return int(self._turn.locked())

    @property
    def pid(self) -> int | None:
        """The number of the child process, when there is one."""
        return self._child.pid if self._child else None

    def start(self) -> Any:
        """Start the child now, and not with the first work; returns what its warm-up returns, and raises so, too."""
        child = Child()
        self._child = child
        try:
            return child.do(Task(self._warm_up, math.inf)).result
        except BaseException:
            self._drop(child)
            raise

    def end(self) -> None:
        """End the child, whatever it is doing."""
        self._closed = True
        if self._child:
            self._child.kill()
        self._thread.shutdown()
        if self._child:
            self._drop(self._child)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place, and give it back at the end of the block.

        Raises:
            BusyError: there is none.
        """
        if self._closed:
            raise BusyError("the server is being stopped", retry_after=math.ceil(self.time_limit))
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

    async def run(self, work: Callable[[], T]) -> T:
        """Call `work`, which can be pickled, in the child when its turn comes. To be awaited inside `place`.

        Cancelling gives up the turn, and ends what has begun. Waiting has a limit of its own, because under one for
        both, work would begin just before its client gives up, and a busy server would do nothing else.

        Raises:
            BusyError: the turn does not come in time.
            TimeLimitError: the work takes too long.
            LostChildError: the child ended by itself.
            OnarError: what the work raises.
        """
        await self._wait_for_turn()
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._have_child)
        except BaseException:
            self._turn.release()
            raise
        result = loop.run_in_executor(self._thread, self._do, work)
        result.add_done_callback(self._end_turn)
        try:
            done, _ = await asyncio.wait({result}, timeout=self.time_limit)
        except asyncio.CancelledError:
            loop.call_later(GRACE, self._give_up, result)
            raise
        if not done:
            self._give_up(result)
            raise TimeLimitError(f"not done within {self.time_limit:g} s")
        return result.result()

    async def close(self) -> None:
        """Give no more places, and wait until all are free."""
        self._closed = True
        await self._all_free.wait()

    async def _wait_for_turn(self) -> None:
        self.waiting += 1
        try:
            with move_on_after(self.time_limit) as limit:
                await self._turn.acquire()
        finally:
            self.waiting -= 1
        if limit.cancelled_caught:
            raise self._busy(f"the turn did not come within {self.time_limit:g} s")

    def _give_up(self, result: asyncio.Future[T]) -> None:
        if not result.done() and self._child:
            self._child.kill()

    def _end_turn(self, result: asyncio.Future[T]) -> None:
        self._turn.release()
        if not result.cancelled():
            result.exception()  # asked for here, or asyncio would report errors that nobody waits for any more
        if not self._closed:
            self._thread.submit(self._replace)

    def _busy(self, reason: str) -> BusyError:
        seconds = self._pace.seconds_left(self.waiting)
        return BusyError(f"{reason}: try again in {seconds} s", seconds)

    # ---------------------------------------------------------------- in the thread, one after the other

    def _do(self, work: Callable[[], T]) -> T:
        assert self._child is not None
        with self._pace.working():
            done = self._child.do(Task(work, self.time_limit, self._pace.speed), self._pace.expect)
        self._pace.learn(done.cpu_seconds)
        result: T = done.result
        return result

    def _replace(self) -> None:
        """Have a child ready for the next one, who tries again where that fails, and is told."""
        with suppress(OnarError):
            self._have_child()

    def _have_child(self) -> None:
        """Start a child where there is none; raises `OnarError`, and says why in the log, which may name places."""
        if self._child and self._child.ended:
            self._drop(self._child)
            self.replaced += 1
        if self._child is None:
            try:
                self.start()
            except Exception as error:
                logging.getLogger(__name__).error("what does the work cannot be started again: %s", error)
                raise OnarError("what does the work cannot be started again; the server's log says more") from error

    def _drop(self, child: Child) -> None:
        self._child = None
        child.kill()
        child.bury()
