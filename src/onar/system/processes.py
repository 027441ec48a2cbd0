"""What the processes of one training do together: exact sums with gradients, and what one decides for all.

In a single process, the usual case, everything here does nothing beside its work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from onar.errors import OnarError

Result = TypeVar("Result")


def process_count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def process_index() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if process_count() > 1 else 0


def is_main_process() -> bool:
    """Whether this is the process that writes, prints and decides."""
    return process_index() == 0


def sum_over_processes(x: Tensor) -> Tensor:
    """Sum of a tensor over all processes, the same in each; its gradient is that of the sum of all their losses.

    `DistributedDataParallel` then averages the gradients of the weights, so each process should scale its loss to
    make the mean over the processes the loss that is meant.

    Args:
        x: any shape, the same in every process, on the device that the processes communicate from.
    """
    return _Sum.apply(x) if process_count() > 1 else x


def mean_over_processes(x: Tensor) -> Tensor:
    """Mean of all elements in all processes; a process with more elements counts for more."""
    if process_count() == 1:
        return x.mean()
    sums = sum_over_processes(torch.stack([x.sum(), x.new_tensor(x.numel())]))
    return sums[0] / sums[1]


class _Sum(torch.autograd.Function):
    """torch has this function, too, but only in deprecated and in private modules."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return sum_over_processes(gradient)


def gather(value: Result) -> list[Result]:
    """The values of all processes, in the order of their numbers."""
    values: list[Any] = [value] * process_count()
    if len(values) > 1:
        distributed.all_gather_object(values, value)
    return values


def from_main(work: Callable[[], Result]) -> Result:
    """Do something in the main process alone, and return its result in every process.

    Raises:
        OnarError: what `work` raised, in the main process; the others exit without a word, so that it is said once.
    """
    if process_count() == 1:
        return work()
    answer: list[Any] = [None]
    if is_main_process():
        try:
            answer[0] = work()
        except OnarError as error:
            answer[0] = error
    distributed.broadcast_object_list(answer)
    if isinstance(answer[0], OnarError):
        raise answer[0] if is_main_process() else SystemExit(1)
    result: Result = answer[0]
    return result


@contextmanager
def naming_lost_processes() -> Iterator[None]:
    """Turn the communication library's error into one line: another process died, or did not answer in time.

    Raises:
        OnarError: the work in this context waited in vain for another process.
    """
    try:
        yield
    except RuntimeError as error:
        # NCCL's errors have a class of their own, Gloo's are known by their text alone.
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise OnarError(
            "another process of this training died, as its own message tells, or did not answer for --process_timeout "
            "minutes; the same command goes on from the last checkpoint"
        ) from error
