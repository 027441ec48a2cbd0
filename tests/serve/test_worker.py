import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from onar.serve.worker import BusyError, TimeLimitError, Worker


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), timeout=60))


def test_one_thing_is_done_at_a_time_in_the_order_of_asking() -> None:
    async def test() -> None:
        worker, running, order = Worker(places=8, time_limit=30), threading.Semaphore(1), []

        def work(number: int) -> None:
            assert running.acquire(blocking=False)
            order.append(number)
            running.release()

        async def ask(number: int) -> None:
            with worker.place():
                await worker.run(lambda: work(number))

        await asyncio.gather(*(ask(number) for number in range(8)))
        assert order == list(range(8))

    run(test)


def test_who_finds_no_place_is_refused_at_once() -> None:
    async def test() -> None:
        worker = Worker(places=1, time_limit=30)
        with worker.place(), pytest.raises(BusyError, match="busy with 1 requests"), worker.place():
            pass
        with worker.place():
            assert worker.taken == 1

    run(test)


def test_work_given_up_before_its_turn_is_never_begun() -> None:
    async def test() -> None:
        worker, go_on, begun = Worker(places=2, time_limit=30), threading.Event(), threading.Event()
        first = asyncio.create_task(worker.run(go_on.wait))
        second = asyncio.create_task(worker.run(begun.set))
        while not worker.waiting:
            await asyncio.sleep(0)
        second.cancel()
        while worker.waiting:
            await asyncio.sleep(0)
        go_on.set()
        await first
        assert await worker.run(lambda: begun.is_set()) is False

    run(test)


def test_work_that_takes_too_long_keeps_the_next_waiting_but_not_its_client() -> None:
    async def test() -> None:
        worker, go_on, ended = Worker(places=2, time_limit=0.05), threading.Event(), threading.Event()

        def work() -> None:
            go_on.wait()
            ended.set()

        with pytest.raises(TimeLimitError, match=r"not done within 0.05 s"):
            await worker.run(work)
        assert worker.in_progress == 1
        worker.time_limit = 30
        next_one = asyncio.create_task(worker.run(ended.is_set))
        while not worker.waiting:
            await asyncio.sleep(0)
        go_on.set()
        assert await next_one

    run(test)


def test_whose_turn_does_not_come_in_time_is_told_to_come_back_and_nothing_is_begun() -> None:
    async def test() -> None:
        worker, go_on, begun = Worker(places=2, time_limit=0.05), threading.Event(), threading.Event()
        first = asyncio.create_task(worker.run(go_on.wait))
        while not worker.in_progress:
            await asyncio.sleep(0)
        with pytest.raises(BusyError, match=r"the turn did not come within 0.05 s: try again in \d+ s"):
            await worker.run(begun.set)
        go_on.set()
        with suppress(TimeLimitError):
            await first
        worker.time_limit = 30
        assert await worker.run(begun.is_set) is False

    run(test)


def test_errors_reach_who_asked_and_free_the_turn() -> None:
    async def test() -> None:
        worker = Worker(places=1, time_limit=30)
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 / 0)
        assert await worker.run(lambda: "next") == "next"
        assert worker.in_progress == 0

    run(test)


def test_a_closed_worker_finishes_and_takes_nothing_new() -> None:
    async def test() -> None:
        worker, go_on = Worker(places=2, time_limit=30), threading.Event()

        async def ask() -> str:
            with worker.place():
                return await worker.run(lambda: "done" if go_on.wait() else "")

        asked = asyncio.create_task(ask())
        while not worker.in_progress:
            await asyncio.sleep(0)
        closing = asyncio.create_task(worker.close())
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="being stopped"), worker.place():
            pass
        assert not closing.done()
        go_on.set()
        assert await asked == "done"
        await closing

    run(test)
