import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial, wraps
from pathlib import Path
from typing import Any

import psutil
import pytest

from onar.errors import OnarError, OutOfMemoryError, UsageError
from onar.serve.child import Child, Task
from onar.serve.errors import BusyError, LostChildError, TimeLimitError, TooMuchWorkError
from onar.serve.pace import Pace, seconds_alone
from onar.serve.worker import GRACE, Worker
from tests.support import child_tasks as tasks
from tests.support.processes import SERVING, Process
from tests.support.runs import has_ended, wait_until
from tests.support.server import run_async

pytestmark = pytest.mark.process


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker(places=8, time_limit=30)
    yield worker
    worker.end()


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """An asynchronous test, in a loop of its own."""

    @wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        run_async(asyncio.wait_for(test(*arguments, **fixtures), timeout=60))

    return run


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


# ---------------------------------------------------------------- turns
@in_loop
async def test_work_runs_one_at_a_time_in_order_of_arrival(worker: Worker, tmp_path: Path) -> None:
    async def ask(number: int) -> None:
        with worker.place():
            await worker.run(partial(tasks.alone, tmp_path, number))

    await asyncio.gather(*(ask(number) for number in range(8)))
    assert (tmp_path / "order").read_text().split() == [str(number) for number in range(8)]


def test_without_a_free_place_a_client_is_refused_at_once() -> None:
    worker = Worker(places=1, time_limit=30)
    with worker.place(), pytest.raises(BusyError, match="busy with 1 requests"), worker.place():
        pass
    with worker.place():
        assert worker.taken == 1


@in_loop
async def test_work_abandoned_before_its_turn_never_starts(worker: Worker, tmp_path: Path) -> None:
    first = asyncio.create_task(worker.run(partial(tasks.wait_for, tmp_path / "go on")))
    second = asyncio.create_task(worker.run(partial(Path.touch, tmp_path / "begun")))
    await until(lambda: worker.waiting)
    second.cancel()
    await until(lambda: not worker.waiting)
    (tmp_path / "go on").touch()
    await first
    assert await worker.run(partial(Path.exists, tmp_path / "begun")) is False


@in_loop
async def test_work_whose_weights_took_long_to_load_is_asked_again_and_not_killed(worker: Worker) -> None:
    worker.time_limit = 30
    pid = await worker.run(os.getpid)
    with pytest.raises(BusyError, match=r"loading the weights took 25 of 30 s, .* try again") as raised:
        await worker.run(tasks.fill_after_loading_for_long)
    assert raised.value.retry_after == 1
    assert await worker.run(os.getpid) == pid


@in_loop
async def test_weights_that_do_not_load_in_time_are_named_in_the_log(
    worker: Worker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await worker.run(os.getpid)
    worker.time_limit = 0.05
    with pytest.raises(TimeLimitError):
        await worker.run(partial(tasks.wait_for, tmp_path / "never"))
    assert "weights were not loaded: a larger --time_limit would help" in caplog.text


@in_loop
async def test_work_beyond_the_time_limit_is_killed_and_the_next_does_not_wait(worker: Worker, tmp_path: Path) -> None:
    await worker.run(os.getpid)
    worker.time_limit = 0.05
    with pytest.raises(TimeLimitError, match=r"not done within 0.05 s"):
        await worker.run(partial(tasks.wait_for, tmp_path / "never"))
    worker.time_limit = 30
    assert await worker.run(partial(str, "next")) == "next"
    assert worker.replaced == 1


@in_loop
async def test_abandoned_work_is_killed(worker: Worker, tmp_path: Path) -> None:
    pid = await worker.run(os.getpid)
    given_up = asyncio.create_task(
        worker.run(partial(tasks.begin_and_wait_for, tmp_path / "begun", tmp_path / "never"))
    )
    await until((tmp_path / "begun").exists)
    given_up.cancel()
    assert await worker.run(os.getpid) != pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@in_loop
async def test_work_abandoned_just_before_its_end_costs_no_process(worker: Worker, tmp_path: Path) -> None:
    pid = await worker.run(os.getpid)
    given_up = asyncio.create_task(
        worker.run(partial(tasks.begin_and_wait_for, tmp_path / "begun", tmp_path / "go on"))
    )
    await until((tmp_path / "begun").exists)
    given_up.cancel()
    (tmp_path / "go on").touch()
    assert await worker.run(os.getpid) == pid
    await asyncio.sleep(GRACE + 0.1)  # and nothing is ended late
    assert await worker.run(os.getpid) == pid


@in_loop
async def test_a_timeout_in_the_queue_is_busy_and_starts_nothing(worker: Worker, tmp_path: Path) -> None:
    first = asyncio.create_task(worker.run(partial(tasks.wait_for, tmp_path / "go on")))
    await until(lambda: worker.in_progress)
    worker.time_limit = 0.05
    with pytest.raises(BusyError, match=r"waited 0.05 s in the queue: try again in \d+ s"):
        await worker.run(partial(Path.touch, tmp_path / "begun"))
    worker.time_limit = 30
    (tmp_path / "go on").touch()
    with suppress(TimeLimitError):
        await first
    assert await worker.run(partial(Path.exists, tmp_path / "begun")) is False


@in_loop
async def test_a_closed_worker_finishes_and_takes_nothing_new(worker: Worker, tmp_path: Path) -> None:
    async def ask() -> str:
        with worker.place():
            return await worker.run(partial(tasks.wait_for, tmp_path / "go on"))

    asked = asyncio.create_task(ask())
    await until(lambda: worker.in_progress)
    closing = asyncio.create_task(worker.close())
    await asyncio.sleep(0)
    with pytest.raises(BusyError, match="being stopped"), worker.place():
        pass
    assert not closing.done()
    (tmp_path / "go on").touch()
    assert await asked == "done"
    await closing


@in_loop
async def test_an_aborted_worker_refuses_what_waits_and_what_runs(worker: Worker, tmp_path: Path) -> None:
    waits: list[float] = []

    async def ask() -> str:
        with worker.place():
            return await worker.run(partial(tasks.wait_for, tmp_path / "never"), waits.append)

    asked = [asyncio.create_task(ask()) for _ in range(2)]
    await until(lambda: worker.in_progress and worker.waiting)
    with worker.place():  # of a client that is still sending
        worker.abort()
        for each in asked:
            with pytest.raises(BusyError, match="being stopped"):
                await each
        with pytest.raises(BusyError, match="being stopped"):
            await worker.run(int)
    assert len(waits) == 2
    assert waits[1] > waits[0] >= 0
    await worker.close()


# ---------------------------------------------------------------- what comes back
@pytest.mark.parametrize("error", [OnarError("failed"), UsageError("used wrongly"), TooMuchWorkError("too much")])
@in_loop
async def test_errors_of_the_work_reach_its_client_and_free_the_turn(worker: Worker, error: Exception) -> None:
    pid = await worker.run(os.getpid)
    with pytest.raises(type(error)) as raised:
        await worker.run(partial(tasks.fail, error))
    assert (type(raised.value), str(raised.value)) == (type(error), str(error))
    assert await worker.run(os.getpid) == pid
    assert worker.in_progress == 0


@in_loop
async def test_an_unexpected_error_comes_with_its_traceback(worker: Worker) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in fail\n.*ZeroDivisionError: oh"):
        await worker.run(partial(tasks.fail, ZeroDivisionError("oh")))
    assert await worker.run(partial(str, "next")) == "next"


@in_loop
async def test_output_of_the_child_is_no_answer(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    assert await worker.run(partial(tasks.print_and_return, "hello")) == "hello"
    assert capfd.readouterr() == ("", "hello\nhello")


@in_loop
async def test_large_results_and_tasks_pass(worker: Worker) -> None:
    assert await worker.run(partial(bytes.upper, b"a" * 30_000_000)) == b"A" * 30_000_000


# ---------------------------------------------------------------- when it goes wrong
@in_loop
async def test_a_crash_is_reported_and_the_next_work_gets_another_child(worker: Worker) -> None:
    with pytest.raises(LostChildError, match="ended with exit code -11"):
        await worker.run(tasks.crash)
    assert await worker.run(partial(str, "next")) == "next"


@in_loop
async def test_out_of_memory_is_reported_from_python_and_from_the_system(worker: Worker) -> None:
    with pytest.raises(OutOfMemoryError, match="not enough memory for this: mark less"):
        await worker.run(tasks.take_gigabytes)
    pid = await worker.run(os.getpid)
    asked = asyncio.create_task(worker.run(partial(time.sleep, 60)))
    await until(lambda: worker.in_progress)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(OutOfMemoryError, match="not enough memory for this: mark less"):
        await asked
    assert await worker.run(partial(str, "next")) == "next"


@in_loop
async def test_a_failed_restart_is_reported_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    weights = tmp_path / "weights"
    weights.touch()
    worker = Worker(8, 30, partial(tasks.load, weights))
    request.addfinalizer(worker.end)
    await worker.run(os.getpid)
    weights.unlink()
    with pytest.raises(LostChildError):
        await worker.run(tasks.crash)
    with pytest.raises(OnarError, match=r"^the worker process cannot be restarted; the server's log says more\Z"):
        await worker.run(os.getpid)
    weights.touch()
    assert await worker.run(partial(str, "next")) == "next"
    assert str(weights) in caplog.text


def test_an_error_of_the_first_warm_up_is_raised_at_start(tmp_path: Path) -> None:
    worker = Worker(1, 30, partial(tasks.load, tmp_path / "nowhere"))
    with pytest.raises(OnarError, match=r"cannot read .*nowhere"):
        worker.start()
    worker.end()


@pytest.mark.parametrize("busy", [False, True])
def test_a_child_does_not_outlive_a_killed_server(tmp_path: Path, busy: bool) -> None:
    lines = ["from onar.serve.child import Child, Task", "import os, time", "child = Child()"]
    lines += ["print(child.do(Task(os.getpid, 9)).result, flush=True)"]
    lines += ["child.do(Task(__import__('functools').partial(time.sleep, 600), 9))" if busy else "time.sleep(600)"]
    with Process("-c", "\n".join(lines), preloaded=SERVING) as server:
        child = psutil.Process(int(server.stdout.readline()))
        server.kill()
    wait_until(lambda: has_ended(child))


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_child_ignores_signals_to_all_processes_of_a_server(stop: signal.Signals) -> None:
    child = Child()
    pid = child.do(Task(os.getpid, 9)).result
    os.kill(pid, stop)
    assert child.do(Task(os.getpid, 9)).result == pid
    child.kill()
    child.close()


# ---------------------------------------------------------------- how long it takes
@in_loop
async def test_too_much_work_is_refused_before_it_begins(worker: Worker) -> None:
    assert await worker.run(partial(tasks.expect_and_return, 10)) == "done"
    with pytest.raises(TooMuchWorkError, match=r"would take \d+ s here, and 30 s are allowed: mark less"):
        await worker.run(partial(tasks.expect_and_return, 1000))


def test_the_speed_of_the_machine_is_learned_from_past_work() -> None:
    pace = Pace(time_limit=60)
    assert pace.speed == 1
    for needed in (6, 400, 6, 6):  # an odd one makes no difference
        pace.expect(2)
        pace.learn(needed)
    assert pace.speed == 3
    pace.expect(0.1)
    pace.learn(9)  # too short to learn from
    assert pace.speed == 3


@pytest.mark.parametrize(("share", "threads", "seconds"), [(4, 0, 2), (4, 2, 2), (4, 1, 3), (0.5, 0, 6), (0.5, 1, 6)])
def test_estimates_count_the_share_of_a_container_and_the_threads_allowed(
    monkeypatch: pytest.MonkeyPatch, share: float, threads: int, seconds: float
) -> None:
    monkeypatch.setattr("onar.serve.pace.cpu_share", lambda: share)
    assert seconds_alone(3, 1, threads) == seconds


def test_refused_clients_get_an_estimate_of_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr("onar.serve.pace.cpu_share", lambda: 2.0)
    pace = Pace(time_limit=60)
    with pace.working():
        pace.expect(45)  # CPU seconds, of which 1.5 are done in a second
        assert pace.seconds_left(waiting=0) == 30
        now[0] += 20
        assert pace.seconds_left(waiting=0) == 10
        now[0] += 25  # it takes longer than expected
        assert pace.seconds_left(waiting=0) == 15
        now[0] += 14
        assert pace.seconds_left(waiting=0) == 1
    for _ in range(2):
        with pace.working():
            now[0] += 3
    assert pace.seconds_left(waiting=3) == 12  # the next ones will take what most have taken
