"""Batches of training samples: which photos, in which order, and the processes that read them ahead."""

from __future__ import annotations

import atexit
import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Any
from weakref import WeakSet

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, default_collate

from onar.data.samples import ORDER, Key
from onar.errors import OnarError, UsageError
from onar.system.console import warn
from onar.system.state import opencv_alone

MAX_SOCKET_PATH = 103
"""Bytes of a path that every system takes for a socket."""

STALL_SECONDS = 180

_MORE_FILES = "too many open files for processes that read photos: raise the limit with ulimit -n 4096"
_MORE_SHARED_MEMORY = "too little shared memory for processes that read photos: give a container --shm-size 2g"

FILES_BESIDE, FILES_OF_A_READER = 12, 8
"""Files that reading photos opens beside its processes, and for each of them: pipes, and batches on their way."""

LIMITS = {
    "Too many open files": _MORE_FILES,
    "ancdata": _MORE_FILES,
    "Bus error": _MORE_SHARED_MEMORY,
    "unable to write to file </torch": _MORE_SHARED_MEMORY,
    "unable to allocate shared memory": _MORE_SHARED_MEMORY,
}
"""What torch says of the limits that reading processes meet, and what to do."""

_PR_SET_PDEATHSIG = 1


class EpochBatches:
    """Batches of keys for `TrainingPhotos`: epoch by epoch, from any photo, for any one of several processes.

    Imagine an endless row of passes over the photos, each in a random order of its own. An epoch is the next
    `photos_per_epoch` of that row, so that small and large epochs alike use every photo equally often. With as many
    as there are photos, an epoch is a pass.

    The processes cut each batch from the row together and divide it evenly, so its order does not depend on how many
    they are. Only where fewer photos than processes are left at the end of an epoch do some photos serve twice.

    Args:
        photo_count: photos in the folder.
        batch_size: photos in one batch of one process.
        seed: another seed gives another order.
        photos_per_epoch: photos in an epoch, over all processes; by default all photos once.
        rank: number of this process.
        world_size: how many processes share each batch.
    """

    def __init__(
        self,
        photo_count: int,
        batch_size: int,
        seed: int,
        *,
        photos_per_epoch: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.photo_count = photo_count
        self.photos_per_epoch = photos_per_epoch or photo_count
        self.seed = seed
        self.rank, self.world_size = rank, world_size
        self.together = batch_size * world_size
        self.epoch, self.done = 0, 0

    def start(self, epoch: int, done: int = 0) -> None:
        """Set the epoch that iterating yields next, counted from 0, and how many of its photos have been used."""
        self.epoch, self.done = epoch, done

    def count(self, done: int = 0) -> int:
        """Batches that an epoch has left after so many of its photos, the same for every process."""
        return -(-(self.photos_per_epoch - done) // self.together)

    def photos_done(self, done: int, batches: int) -> int:
        """Photos of an epoch, over all processes, that are used after so many more batches."""
        return min(done + batches * self.together, self.photos_per_epoch)

    def __len__(self) -> int:
        return self.count(self.done)

    def __iter__(self) -> Iterator[list[Key]]:
        keys = self._epoch_keys()
        for start in range(self.done, self.photos_per_epoch, self.together):
            batch = keys[start : start + self.together]
            if len(batch) < self.world_size:  # every process must make the step
                batch = np.resize(batch, (self.world_size, 2))
            part = np.array_split(batch, self.world_size)[self.rank]
            yield [(number, index) for number, index in part.tolist()]

    def _epoch_keys(self) -> NDArray[np.int64]:
        """The keys of the epoch for all processes, N×2."""
        start, count = self.epoch * self.photos_per_epoch, self.photo_count
        end = start + self.photos_per_epoch
        passes = []
        for number in range(start // count, -(-end // count)):
            order = np.random.default_rng((self.seed, ORDER, number)).permutation(count)
            order = order[max(0, start - number * count) : end - number * count]
            passes.append(np.stack([np.full_like(order, number), order], axis=1))
        return np.concatenate(passes)


class PhotoLoader(DataLoader[Any]):
    """A DataLoader that raises an `OnarError` of a reading process as it was, not as a page of traceback."""

    def __iter__(self) -> Any:
        """Yield batches: the entries of `Sample`, stacked."""
        if self.num_workers:
            refuse_long_temporary_folder()
            refuse_few_files(self.num_workers)
        with naming_lost_readers():
            with opencv_alone():
                batches = super().__iter__()
            if self.num_workers:
                _READING.add(batches)
            for batch in _warn_of_stalls(batches):
                if isinstance(batch, OnarError):
                    self._iterator = None  # ends the reading processes now; left to garbage collection it can take 5 s
                    raise batch
                yield batch


_READING: WeakSet[Any] = WeakSet()
"""Iterators whose processes read photos."""


@atexit.register
def _end_readers() -> None:
    """End reading processes before multiprocessing waits for them: `start_worker` has them ignore its one SIGTERM.

    Recent versions of PyTorch do this themselves; with others a training that was stopped with Ctrl-C never ended.
    """
    for batches in list(_READING):
        batches._shutdown_workers()


def refuse_long_temporary_folder() -> None:
    """Raise `UsageError` where reading processes would wait for ever, for sockets that have no name.

    multiprocessing makes them in a folder of its own, `pymp-` and 8 letters, as `listener-` and 8 letters.
    """
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) + len("/pymp-12345678/listener-12345678") > MAX_SOCKET_PATH:
        raise UsageError(
            f"TMPDIR {folder} is too long for the sockets of processes that read photos: set a shorter one, such as "
            "TMPDIR=/tmp, or take --num_workers 0"
        )


def refuse_few_files(num_workers: int) -> None:
    """Raise `OnarError` where the limit of open files is too low: reading processes then end in pages of traceback."""
    try:
        import resource

        there = len(os.listdir("/proc/self/fd"))
    except (ImportError, OSError):  # Windows, macOS
        return
    needed = there + FILES_BESIDE + FILES_OF_A_READER * num_workers
    if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] < needed:
        raise OnarError(f"{_MORE_FILES} ({needed} are needed), or take fewer with --num_workers")


def _warn_of_stalls(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield batches; where one does not come for minutes, a line on stderr says so."""
    while True:
        timer = Timer(STALL_SECONDS, _warn_of_stall)
        timer.daemon = True
        timer.start()
        try:
            batch = next(batches)
        except StopIteration:
            return
        finally:
            timer.cancel()
        yield batch


def _warn_of_stall() -> None:
    warn(
        f"onar: no photos have come for {STALL_SECONDS / 60:.0f} minutes, and the wait goes on: the drive that "
        "they are on may not answer"
    )


@contextmanager
def naming_lost_readers() -> Iterator[None]:
    """Turn torch's error about a reading process that has gone into one line.

    Raises:
        OnarError: a process that reads photos was stopped, or could not begin.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        # With "fork" a process begins where its parent is; otherwise it runs the script again, up to the guard.
        if limit := _reached_limit(str(error)):
            raise OnarError(f"{limit}, or take --num_workers 0") from error
        begins_anew = multiprocessing.get_start_method() != "fork" and "killed by signal" not in str(error)
        if not (str(error).startswith("DataLoader worker") or (begins_anew and isinstance(error, BrokenPipeError))):
            raise
        if begins_anew:
            raise OnarError(
                "a process that reads photos could not begin: it runs this script again, so the script must start its "
                'work under `if __name__ == "__main__":`, or with num_workers=0'
            ) from error
        raise OnarError(
            "a process that reads photos was stopped, probably for want of memory; use a smaller --num_workers"
        ) from error


def _reached_limit(reason: str) -> str:
    """What to do about a limit of the system that reading processes have met, by torch's words; empty for others."""
    for words, advice in LIMITS.items():
        if words in reason:
            return advice
    return ""


def leave_to_main_process() -> None:
    """End this process, without a word, when it only runs a script again that has no main guard.

    It would train, too; its parent tells why it is gone (`naming_lost_readers`).
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # set while the script is run again
        raise SystemExit(1)


class ErrorsAsItems(Dataset[Any]):
    """A dataset that returns an `OnarError` instead of raising it: torch would turn a raised one into a page."""

    def __init__(self, samples: Dataset[Any]) -> None:
        self.samples = samples

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.samples[key]
        except OnarError as error:
            return error


def photo_loader(
    samples: Dataset[Any], batches: Iterable[list[Any]], num_workers: int, pin_memory: bool = False
) -> PhotoLoader:
    """Read samples in batches, ahead of their use, in processes of their own.

    Args:
        samples: `TrainingPhotos` or `ValidationPhotos`.
        batches: for each batch the keys of its samples, such as `EpochBatches`.
        num_workers: reading processes; 0 reads in this one. The samples are the same.
        pin_memory: keep batches where a GPU copies them from.
    """
    return PhotoLoader(
        ErrorsAsItems(samples),
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        worker_init_fn=start_worker,
        persistent_workers=num_workers > 0,
    )


def _collate(items: list[Any]) -> Any:
    """Stack the samples of a batch; if one is an error, that is the batch."""
    return next((item for item in items if isinstance(item, OnarError)), None) or default_collate(items)


def start_worker(_worker: int) -> None:
    """Leave signals to the training process, end with it, and take one core (torch sees to its own threads).

    Ctrl-C in a terminal and signals from a scheduler reach all processes, and training still takes some photos until
    its step is done. The second SIGTERM ends this process: that one is torch's.
    """
    for name in ("SIGINT", "SIGHUP", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if sys.platform == "linux":  # also while this process waits for a drive
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGTERM, lambda number, _frame: signal.signal(number, signal.SIG_DFL))
    cv2.setNumThreads(1)
