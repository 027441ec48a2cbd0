"""Read, work, write, one item after the other: threads read the next items and write the last ones.

Decoding and encoding release the GIL. Each item in the queue is in memory, so there are few.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")
W = TypeVar("W")
O = TypeVar("O")  # noqa: E741
P = ParamSpec("P")
T = TypeVar("T")


def read_work_write(
    items: Iterable[I], read: Callable[[I], R], work: Callable[[R], W], write: Callable[[W], O], threads: int
) -> Iterator[tuple[I, Future[O]]]:
    """Yield each item with the done future of its result, in order; an item that fails stops no other.

    Args:
        items: taken when their turn comes.
        read: called in a thread, for up to `threads` items ahead.
        work: called in this thread.
        write: called in a thread, for up to `threads` items behind.
        threads: 0 calls everything in this thread.

    >>> done = read_work_write("ab", str.upper, lambda letter: 2 * letter, list, threads=0)
    >>> [future.result() for _, future in done]
    [['A', 'A'], ['B', 'B']]
    """
    with ThreadPoolExecutor(threads) if threads else _InLine() as executor:
        writing: deque[tuple[I, Future[O]]] = deque()
        for item, reading in _submit_ahead(executor, read, items, threads):
            writing.append((item, _submit_result(executor, write, work, reading)))
            del reading
            while len(writing) > threads:
                yield _done(*writing.popleft())
        while writing:
            yield _done(*writing.popleft())


def _submit_result(
    executor: Executor, write: Callable[[W], O], work: Callable[[R], W], reading: Future[R]
) -> Future[O]:
    """Work, and submit the writing; a failure becomes that of the future.

    A function of its own: to clear the frames of its traceback would close the generator.
    """
    try:
        return executor.submit(write, work(reading.result()))
    except Exception as error:  # of any kind: the other items go on
        failed: Future[O] = Future()
        failed.set_exception(error)
        return failed


def _done(item: I, future: Future[O]) -> tuple[I, Future[O]]:
    future.exception()
    return item, future


class _InLine(Executor):
    """Runs each call at once, in the calling thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _submit_ahead(
    executor: Executor, function: Callable[[I], T], items: Iterable[I], ahead: int
) -> Iterator[tuple[I, Future[T]]]:
    """Yield each item with the future of its result, keeping the next `ahead` items submitted."""
    waiting: deque[tuple[I, Future[T]]] = deque()
    for item in items:
        waiting.append((item, executor.submit(function, item)))
        if len(waiting) > ahead:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()
