"""Collective operations of a distributed training: exact sums with gradients, and decisions of the main process.

In a single process, the usual case, each is the identity.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from onar.errors import OnarError

Result = TypeVar("Result")


def process_count() -> int:
    """Number of processes that train together (world size)."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def process_index() -> int:
    """Rank of this process, from 0."""
    return distributed.get_rank() if process_count() > 1 else 0


def is_main_process() -> bool:
    """Whether this is the main process, which writes, prints and decides (rank 0)."""
    return process_index() == 0


def sum_over_processes(x: Tensor) -> Tensor:
    """Sum of a tensor, of any shape, over all processes; its gradient is that of the sum of all their losses.

    `DistributedDataParallel` then averages the gradients of the weights, so each process should scale its loss such
    that the mean over the processes is the intended loss.

    >>> sum_over_processes(torch.tensor([1.0, 2.0]))  # one process
    tensor([1., 2.])
    """
    return _Sum.apply(x) if process_count() > 1 else x


def mean_over_processes(x: Tensor) -> Tensor:
    """Mean of all elements in all processes, weighted by the number of elements of each.

    >>> mean_over_processes(torch.tensor([1.0, 2.0]))
    tensor(1.5000)
    """
    if process_count() == 1:
        return x.mean()
    sums = sum_over_processes(torch.stack([x.sum(), x.new_full((), x.numel())]))
    return sums[0] / sums[1]


class _Sum(torch.autograd.Function):
    """All-reduce with a gradient; torch has it in deprecated and private modules only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return sum_over_processes(gradient)


def gather(value: Result) -> list[Result]:
    """The values of all processes, by rank."""
    values: list[Any] = [value] * process_count()
    if len(values) > 1:
        distributed.all_gather_object(values, value)
    return values


def from_main(work: Callable[[], Result]) -> Result:
    """Call a function in the main process only, and return its result in every process.

    The main process raises its `OnarError`; the others exit silently, so that it is printed once.
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


def from_main_with_tensors(work: Callable[[], Result], device: torch.device) -> Result:
    """As `from_main`, for a result with large tensors on the CPU, one of which is on the `device` at a time.

    Only the rest is pickled: a pickle of the tensors would be several more copies of them in every process.
    """
    if process_count() == 1:
        return work()
    tensors: list[Tensor] = []
    pickled, forms = from_main(lambda: _pickle_without(work(), tensors))
    received = (_receive(at, tensors, form, device) for at, form in enumerate(forms))
    result: Result = _Unpickler(BytesIO(pickled), list(received)).load()
    return result


TensorForm = tuple[torch.Size, torch.dtype, tuple[int, ...]]
"""Shape, type and strides of a tensor."""


def _receive(at: int, tensors: Sequence[Tensor], form: TensorForm, device: torch.device) -> Tensor:
    """The tensor of that number, of the main process."""
    shape, dtype, strides = form
    sent = tensors[at] if is_main_process() else torch.empty_strided(shape, strides, dtype=dtype)
    moved = sent.to(device).contiguous()
    if moved.numel():
        distributed.broadcast(moved, 0)
    return sent if is_main_process() else sent.copy_(moved)


def _pickle_without(value: Any, tensors: list[Tensor]) -> tuple[bytes, list[TensorForm]]:
    """Pickle a value without its tensors, which are added to the list; and their forms."""
    file = BytesIO()
    _Pickler(file, tensors).dump(value)
    return file.getvalue(), [(tensor.shape, tensor.dtype, tensor.stride()) for tensor in tensors]


class _Pickler(pickle.Pickler):
    """Writes the number of each tensor in its place."""

    def __init__(self, file: BytesIO, tensors: list[Tensor]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.tensors = tensors

    def persistent_id(self, value: Any) -> int | None:
        if not isinstance(value, Tensor):
            return None
        self.tensors.append(value)
        return len(self.tensors) - 1


class _Unpickler(pickle.Unpickler):
    """Puts the tensors back; what it reads comes from the main process of the same training."""

    def __init__(self, file: BytesIO, tensors: Sequence[Tensor]) -> None:
        super().__init__(file)
        self.tensors = tensors

    def persistent_load(self, number: int) -> Tensor:
        return self.tensors[number]


@contextmanager
def naming_lost_processes() -> Iterator[None]:
    """Turn errors of the communication library into `OnarError` of one line: another process died, or timed out."""
    try:
        yield
    except RuntimeError as error:
        # NCCL's errors have their own class, Gloo's are recognised by their text only.
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise OnarError(
            "another process of this training died, see its own message, or did not answer for --process_timeout "
            "minutes; the same command continues from the last checkpoint"
        ) from error
