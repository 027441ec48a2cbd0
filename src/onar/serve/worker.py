"""One model, many clients: photos are completed one after the other, off the event loop.

Whoever wants something done takes one of a few places first; with all places taken, the answer is "busy" at once
instead of late. The work then waits for its turn, and whoever stops waiting gives up turn and place.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from anyio import CancelScope, CapacityLimiter, from_thread, to_thread

from onar.errors import OnarError

T = TypeVar("T")


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


class Worker:
    """Does one thing at a time. Its methods belong to the event loop, but for `run_from_thread`.

    Args:
        places: most clients whose requests are read, wait or are being worked on.
        time_limit: seconds that one of them waits for its result, its turn included.
    """

    def __init__(self, places: int, time_limit: float) -> None:
        self.places = places
        self.time_limit = time_limit
        self.taken = 0
        self._turn = CapacityLimiter(1)
        self._usual_seconds = 1.0
        self._closed = False
        self._all_free = asyncio.Event()
        self._all_free.set()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._turn.statistics().tasks_waiting

    @property
    def in_progress(self) -> int:
        """1 while something is being worked on, else 0."""
        return self._turn.borrowed_tokens

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place, and give it back at the end of the block.

        Raises:
            BusyError: there is none.
        """
        if self._closed:
            raise BusyError("the server is being stopped", retry_after=math.ceil(self.time_limit))
        if self.taken >= self.places:
            seconds = math.ceil(self.taken * self._usual_seconds)
            raise BusyError(f"the server is busy with {self.taken} requests: try again in {seconds} s", seconds)
        self.taken += 1
        self._all_free.clear()
        try:
            yield
        finally:
            self.taken -= 1
            if self.taken == 0:
                self._all_free.set()

    async def run(self, work: Callable[[], T]) -> T:
        """Call `work` in a thread when its turn comes. To be awaited inside `place`.

        Cancelling gives up the turn. Work that has begun cannot be stopped: it goes on to its end, with nobody waiting
        for the result, and only then the next begins.

        Raises:
            TimeLimitError: there is no result in time.
        """
        turn = CancelScope()
        task = asyncio.create_task(self._take_turn(work, turn))
        try:
            done, _ = await asyncio.wait({task}, timeout=self.time_limit)
            if not done:
                raise TimeLimitError(f"not done within {self.time_limit:g} s")
            return task.result()
        finally:
            # Not `task.cancel()`: that would let the next one begin while this one is still in its thread.
            turn.cancel()
            task.add_done_callback(_ignore_outcome)

    async def _take_turn(self, work: Callable[[], T], turn: CancelScope) -> T:
        with turn:
            return await to_thread.run_sync(self._timed, work, limiter=self._turn)
        raise asyncio.CancelledError  # the turn was given up

    def run_from_thread(self, work: Callable[[], T]) -> T:
        """`run` in a place, for callers in a thread that the event loop started, such as handlers of the page.

        Raises:
            BusyError: there is no place.
            TimeLimitError: there is no result in time.
        """
        return from_thread.run(self._run_in_place, work)

    async def _run_in_place(self, work: Callable[[], T]) -> T:
        with self.place():
            return await self.run(work)

    async def close(self) -> None:
        """Give no more places, and wait until all are free."""
        self._closed = True
        await self._all_free.wait()

    def _timed(self, work: Callable[[], T]) -> T:
        start = time.monotonic()
        try:
            return work()
        finally:
            # The last ones count most: photos and hours differ.
            self._usual_seconds += 0.2 * (time.monotonic() - start - self._usual_seconds)


def _ignore_outcome(task: asyncio.Task[T]) -> None:
    """Ask for what a task raised, so that asyncio does not report it as never asked for."""
    if not task.cancelled():
        task.exception()
