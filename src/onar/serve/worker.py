"""One model, many clients: photos are completed one after the other, off the event loop.

Whoever wants something done takes one of a few places first; with all places taken, the answer is "busy" at once
instead of late. The work then waits for its turn, and whoever stops waiting gives up turn and place.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from anyio import fail_after

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
    """Does one thing at a time. Its methods belong to the event loop.

    Args:
        places: most clients whose requests are read, wait or are being worked on.
        time_limit: seconds that one of them waits for its turn, and then for its result.

    Attributes:
        taken: how many places are taken.
        waiting: how many wait for their turn.
    """

    def __init__(self, places: int, time_limit: float) -> None:
        self.places = places
        self.time_limit = time_limit
        self.taken = 0
        self.waiting = 0
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1)
        self._usual_seconds = 1.0
        self._closed = False
        self._all_free = asyncio.Event()
        self._all_free.set()

    @property
    def in_progress(self) -> int:
        """1 while something is being worked on, else 0."""
        return int(self._turn.locked())

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
        """Call `work` in a thread when its turn comes. To be awaited inside `place`.

        Cancelling gives up the turn. Work that has begun cannot be stopped: it goes on to its end, with nobody waiting
        for the result, and only then the next begins. Waiting has a limit of its own, because under one for both,
        work would begin just before its client gives up, and a busy server would do nothing else.

        Raises:
            BusyError: the turn does not come in time.
            TimeLimitError: the work takes too long.
        """
        await self._wait_for_turn()
        result = asyncio.get_running_loop().run_in_executor(self._thread, self._timed, work)
        result.add_done_callback(self._end_turn)
        done, _ = await asyncio.wait({result}, timeout=self.time_limit)
        if not done:
            raise TimeLimitError(f"not done within {self.time_limit:g} s")
        return result.result()

    async def close(self) -> None:
        """Give no more places, and wait until all are free."""
        self._closed = True
        await self._all_free.wait()

    async def _wait_for_turn(self) -> None:
        self.waiting += 1
        try:
            with fail_after(self.time_limit):
                await self._turn.acquire()
        except TimeoutError as error:
            raise self._busy(f"the turn did not come within {self.time_limit:g} s") from error
        finally:
            self.waiting -= 1

    def _end_turn(self, result: asyncio.Future[T]) -> None:
        self._turn.release()
        if not result.cancelled():
            result.exception()  # asked for here, or asyncio would report errors that nobody waits for any more

    def _busy(self, reason: str) -> BusyError:
        seconds = math.ceil(self.taken * self._usual_seconds)
        return BusyError(f"{reason}: try again in {seconds} s", seconds)

    def _timed(self, work: Callable[[], T]) -> T:
        start = time.monotonic()
        try:
            return work()
        finally:
            # The last ones count most: photos and hours differ.
            self._usual_seconds += 0.2 * (time.monotonic() - start - self._usual_seconds)
