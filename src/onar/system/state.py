"""Process-wide settings that Onar changes, possibly in another program's process: all here, locked, and restored.

Threads share these settings. If each thread saved and restored them, it would restore another thread's change. So the
first user of a setting changes it, and the last one restores it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import torch
    from torch import nn

TELEMETRY_OFF = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: reports machine and program from its import on
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray: reports the cluster
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub: reports torch's version and coding agents
    "WANDB_ERROR_REPORTING": "false",  # wandb: reports its own errors, beside the runs
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets: reports what was opened, also local folders
}
"""Environment variables that disable the telemetry of packages."""


def disable_telemetry() -> None:
    """Disable the telemetry of the packages that Onar uses, in this process and its children.

    Call it before any of them is imported. Variables that the user has set are kept. If another program has imported
    ONNX Runtime before, only later reports are disabled.
    """
    for name, value in TELEMETRY_OFF.items():
        os.environ[name] = os.environ.get(name) or value
    runtime = sys.modules.get("onnxruntime")
    if runtime is not None and os.environ["ORT_DISABLE_TELEMETRY"] not in ("0", "false"):
        with suppress(AttributeError):  # another thread is importing it
            runtime.disable_telemetry_events()


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables that are unset, for the block and the processes it starts.

    >>> with environment({"ONAR_EXAMPLE": "1"}):
    ...     os.environ["ONAR_EXAMPLE"]
    '1'
    >>> "ONAR_EXAMPLE" in os.environ
    False
    """
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


# ---------------------------------------------------------------- Pillow


_lock = threading.RLock()
_limits: list[float] = []
_limit_before: int | None = None
_limit_set: object = object()  # nothing yet


@contextmanager
def pillow_opens(pixels: float) -> Iterator[None]:
    """Raise Pillow's pixel limit to this number, possibly `inf`; never lower it, because it applies to all threads."""
    with _lock:
        _limits.append(pixels)
        _apply_limits()
    try:
        yield
    finally:
        with _lock:
            _limits.remove(pixels)
            _apply_limits()


def _apply_limits() -> None:
    global _limit_before, _limit_set
    from PIL import Image

    settings: Any = Image
    limit = settings.MAX_IMAGE_PIXELS
    if limit != _limit_set:  # another program has changed it
        _limit_before = limit
    wanted, _limit_set = max(_limits, default=0), _limit_before
    if _limit_before is not None and wanted > 2 * _limit_before:  # Pillow refuses more than twice its limit
        _limit_set = None if wanted == inf else -(-int(wanted) // 2)
    settings.MAX_IMAGE_PIXELS = _limit_set


class _InQuietThreads:
    """The module pattern of a warnings filter: matches Pillow's modules in threads that have asked for it."""

    def __init__(self) -> None:
        self.threads: Counter[int] = Counter()

    def match(self, module: str) -> bool:
        return self.threads[threading.get_ident()] > 0 and module.startswith("PIL.")


_in_quiet_threads = _InQuietThreads()
_QUIET = ("ignore", None, Warning, _in_quiet_threads, 0)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Suppress Pillow's warnings in this thread.

    Warnings filters are process-wide, and `warnings.catch_warnings` is not thread-safe.
    """
    filters, thread = cast(list[Any], warnings.filters), threading.get_ident()
    with _lock:
        if _QUIET not in filters:
            filters.insert(0, _QUIET)
        _in_quiet_threads.threads[thread] += 1
    try:
        yield
    finally:
        with _lock:
            _in_quiet_threads.threads -= Counter([thread])  # drops counts of 0
            if not _in_quiet_threads.threads:
                for there in (filters, warnings.filters):  # another program may have restored an earlier list
                    with suppress(ValueError):
                        cast(list[Any], there).remove(_QUIET)


# ---------------------------------------------------------------- settings of other libraries


class _Setting:
    """A setting that is changed while it has users, and restored after the last one.

    `of_threads`: each thread has its own value; a new thread inherits the last one set.
    """

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], None], of_threads: bool = False) -> None:
        self._read, self._write, self._of_threads = read, write, of_threads
        self._wanted = 0
        self._before: Any = None

    @contextmanager
    def set_to(self, value: Any) -> Iterator[None]:
        """Set it to `value` in the block."""
        with _lock:
            if not self._wanted:
                self._before = self._read()
            self._wanted += 1
            self._write(value)
        try:
            yield
        finally:
            with _lock:
                self._wanted -= 1
                if self._of_threads or not self._wanted:
                    self._write(self._before)


@cache
def _torch_threads() -> _Setting:
    import torch

    return _Setting(torch.get_num_threads, torch.set_num_threads, of_threads=True)


def cpu_threads(count: int) -> AbstractContextManager[None]:
    """Set the number of torch's CPU threads in the block; 0 changes nothing.

    Convolutions split their work by the number of threads, so another number can change the last bit of a sum.
    """
    return _torch_threads().set_to(count) if count else nullcontext()


@cache
def _convolution_search() -> _Setting:
    import torch

    cudnn: Any = torch.backends.cudnn
    return _Setting(lambda: cudnn.benchmark, lambda value: setattr(cudnn, "benchmark", value))


def timed_convolutions(device: torch.device) -> AbstractContextManager[None]:
    """Let a CUDA device time its algorithms for each new size of a convolution in the block, and keep the fastest.

    For sizes that stay the same: each new one costs as much as some passes.
    """
    return _convolution_search().set_to(True) if device.type == "cuda" else nullcontext()


@cache
def _opencv_threads() -> _Setting:
    import cv2

    return _Setting(cv2.getNumThreads, cv2.setNumThreads)


def opencv_alone() -> AbstractContextManager[None]:
    """Stop OpenCV's threads for the block.

    A forked process inherits the list of threads but not the threads, and deadlocks when it stops them
    (`data.batches.start_worker`). A process that completed photos before training has some.
    """
    return _opencv_threads().set_to(1)


@cache
def _level_of(logger: str) -> _Setting:
    log = logging.getLogger(logger)
    return _Setting(lambda: log.level, log.setLevel)


@contextmanager
def quiet_loggers(*names: str) -> Iterator[None]:
    """Silence loggers below `logging.CRITICAL` in the block."""
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(_level_of(name).set_to(logging.CRITICAL))
        yield


# ---------------------------------------------------------------- networks


@dataclass
class _Evaluated:
    """The modes of a network's modules before evaluation, and the number of its users."""

    training: dict[nn.Module, bool]
    users: int = 0


_evaluated: WeakKeyDictionary[nn.Module, _Evaluated] = WeakKeyDictionary()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Set a network to evaluation mode in the block, and restore the mode of each module afterwards."""
    with _lock:
        if network not in _evaluated:
            _evaluated[network] = _Evaluated({module: module.training for module in network.modules()})
            network.eval()
        _evaluated[network].users += 1
    try:
        yield
    finally:
        with _lock:
            evaluated = _evaluated[network]
            evaluated.users -= 1
            if not evaluated.users:
                del _evaluated[network]
                for module, training in evaluated.training.items():
                    module.training = training


# ---------------------------------------------------------------- forked processes


def _forget_other_threads() -> None:
    """Reset the lock in a forked process: the threads that held them do not exist there."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)
