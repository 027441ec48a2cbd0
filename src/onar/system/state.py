"""What Onar changes of its process, which may be another program's: all of it here, under locks, and restored.

Threads share these settings. What each of them saved and restored for itself would be another one's, so the first to
want a change makes it, and the last to want it restores what was there.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from torch import nn

TELEMETRY_OFF = {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime: from its import on, about this machine and program
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray: about the cluster
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub: which torch and which coding agent is there
    "WANDB_ERROR_REPORTING": "false",  # wandb: what fails in it, beside the runs it is to send
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",  # datasets: what was opened, even where that is a folder of this machine
}
"""What keeps packages from reporting about their users, as they read it from the environment."""


def disable_telemetry() -> None:
    """Keep the packages that Onar uses from reporting to anybody, in this process and in those that it starts.

    To be called before any of them is imported. What a person has set otherwise stays. Where another program has
    imported ONNX Runtime before, the report of that import has been made; what it would collect later is switched off.
    """
    for name, value in TELEMETRY_OFF.items():
        os.environ[name] = os.environ.get(name) or value
    runtime = sys.modules.get("onnxruntime")
    if runtime is not None and os.environ["ORT_DISABLE_TELEMETRY"] not in ("0", "false"):
        with suppress(AttributeError):  # it is just being imported, in another thread
            runtime.disable_telemetry_events()


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Have variables in the environment that are not there, for the block and the processes it starts."""
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


# ---------------------------------------------------------------- seeds of PatchMatch


@dataclass
class _Turns:
    """Who computes with which seed, where the process has one for all."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    waiting: deque[object] = field(default_factory=deque)
    seed: int = 0
    computing: int = 0


_turns = _Turns()


@contextmanager
def only_seed(seed: int, set_seed: Callable[[int], None]) -> Iterator[None]:
    """Compute with a seed that is one for the process: with others of the same seed, and while none of another does.

    Who comes first is served first, so nobody waits for ever. To be held while computing and for nothing else.

    Args:
        seed: the seed.
        set_seed: gives it to what computes.
    """
    turns, ticket = _turns, object()
    with turns.changed:
        turns.waiting.append(ticket)
        try:
            turns.changed.wait_for(lambda: turns.waiting[0] is ticket and (turns.computing == 0 or turns.seed == seed))
            if turns.computing == 0:
                set_seed(seed)
                turns.seed = seed
            turns.computing += 1
        finally:
            turns.waiting.remove(ticket)
            turns.changed.notify_all()
    try:
        yield
    finally:
        with turns.changed:
            turns.computing -= 1
            turns.changed.notify_all()


# ---------------------------------------------------------------- Pillow


_lock = threading.RLock()
_limits: list[float] = []
_limit_before: int | None = None
_limit_set: object = object()  # nothing yet


@contextmanager
def pillow_opens(pixels: float) -> Iterator[None]:
    """Let Pillow open pictures of so many pixels, which may be `inf`; a higher limit of its own stays.

    Pillow's limit holds for all threads. So it is raised, and never lowered.
    """
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
    if limit != _limit_set:  # set by another program since the last time
        _limit_before = limit
    wanted, _limit_set = max(_limits, default=0), _limit_before
    if _limit_before is not None and wanted > 2 * _limit_before:  # Pillow refuses what has more than twice as many
        _limit_set = None if wanted == inf else -(-int(wanted) // 2)
    settings.MAX_IMAGE_PIXELS = _limit_set


class _InQuietThreads:
    """Stands in a filter of warnings for the modules it is for: those of Pillow, in threads that want it."""

    def __init__(self) -> None:
        self.threads: Counter[int] = Counter()

    def match(self, module: str) -> bool:
        return self.threads[threading.get_ident()] > 0 and module.startswith("PIL.")


_in_quiet_threads = _InQuietThreads()
_QUIET = ("ignore", None, Warning, _in_quiet_threads, 0)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings to itself, in this thread.

    Filters of warnings are the process's, and `warnings.catch_warnings` in two threads leaves those of one of them.
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
            _in_quiet_threads.threads -= Counter([thread])  # leaves out what is 0
            if not _in_quiet_threads.threads:
                for there in (filters, warnings.filters):  # another program may have put back an earlier list
                    with suppress(ValueError):
                        cast(list[Any], there).remove(_QUIET)


# ---------------------------------------------------------------- others' settings


class _Setting:
    """A setting that is another one while anybody wants that.

    Args:
        read: gives it.
        write: sets it.
        of_threads: each thread has its own; one that begins takes over the last that was set.
    """

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], None], of_threads: bool = False) -> None:
        self._read, self._write, self._of_threads = read, write, of_threads
        self._wanted = 0
        self._before: Any = None

    @contextmanager
    def set_to(self, value: Any) -> Iterator[None]:
        """Have it `value` in the block."""
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


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let torch compute with so many CPU threads, and as before afterwards; 0 leaves them as they are.

    Convolutions share their work out by the number of threads, so another number can change the last bit of a sum.
    """
    with _torch_threads().set_to(count) if count else nullcontext():
        yield


@cache
def _opencv_threads() -> _Setting:
    import cv2

    return _Setting(cv2.getNumThreads, cv2.setNumThreads)


@contextmanager
def opencv_alone() -> Iterator[None]:
    """Have OpenCV end its threads, and start them again afterwards.

    A process that is forked off takes over the list of them but not the threads, and waits for ever when it is to end
    them (`data.batches.start_worker`). Whoever completed photos before they train has some.
    """
    with _opencv_threads().set_to(1):
        yield


@cache
def _level_of(logger: str) -> _Setting:
    log = logging.getLogger(logger)
    return _Setting(lambda: log.level, log.setLevel)


@contextmanager
def quiet_loggers(*names: str) -> Iterator[None]:
    """Let loggers say nothing below `logging.CRITICAL`."""
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(_level_of(name).set_to(logging.CRITICAL))
        yield


# ---------------------------------------------------------------- others' networks


@dataclass
class _Evaluated:
    """What a network was before it was evaluated, and how many evaluate it."""

    training: dict[nn.Module, bool]
    users: int = 0


_evaluated: WeakKeyDictionary[nn.Module, _Evaluated] = WeakKeyDictionary()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Have a network in evaluation, and afterwards each of its modules in the mode it was in."""
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


# ---------------------------------------------------------------- processes that are forked off


def _forget_other_threads() -> None:
    """A process that is forked off has one thread alone; what the others held or waited for, nobody will give back."""
    global _lock, _turns
    _lock, _turns = threading.RLock(), _Turns()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_other_threads)
