"""Batches of training samples: their order, and the processes that prefetch them."""

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

from onar.data.photo_sets import ORDER
from onar.data.samples import Key
from onar.errors import OnarError, UsageError
from onar.system.console import warn
from onar.system.state import opencv_alone

MAX_SOCKET_PATH = 103
"""Maximum bytes of a socket's path on all systems."""

STALL_SECONDS = 180
"""Seconds without a batch before a warning."""

_MORE_FILES = "too many open files for processes that read photos: raise the limit with ulimit -n 4096"
_MORE_SHARED_MEMORY = "too little shared memory for processes that read photos: give a container --shm-size 2g"

FILES_BESIDE, FILES_OF_A_READER = 12, 8
"""Open files of a loader, and of each of its reading processes: pipes, and batches in transit."""

LIMITS = {
    "Too many open files": _MORE_FILES,
    "ancdata": _MORE_FILES,
    "Bus error": _MORE_SHARED_MEMORY,
    "unable to write to file </torch": _MORE_SHARED_MEMORY,
    "unable to allocate shared memory": _MORE_SHARED_MEMORY,
}
"""Parts of torch's messages about limits of the system -> advice."""

_PR_SET_PDEATHSIG = 1


class EpochBatches:
    """Batches of keys for `TrainingPhotos`: a distributed sampler that can resume at any photo.

    The order is an infinite sequence of passes over the photos, each shuffled. An epoch is the next `photos_per_epoch`
    (over all processes; by default a pass) of this sequence, so epochs of any size use every photo equally often.

    The processes divide each global batch evenly, `batch_size` photos each, so the order does not depend on their
    number. If fewer photos than processes are left at the end of an epoch, some photos are used twice.

    >>> [len(batch) for batch in EpochBatches(10, batch_size=4, seed=0)]
    [4, 4, 2]
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
        """Set the next epoch, counted from 0, and the number of its photos that have been used."""
        self.epoch, self.done = epoch, done

    def count(self, done: int = 0) -> int:
        """Number of batches left in an epoch after `done` photos, the same for every process."""
        return -(-(self.photos_per_epoch - done) // self.together)

    def photos_done(self, done: int, batches: int) -> int:
        """Number of used photos of an epoch, over all processes, after `batches` more batches."""
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
    """A DataLoader that raises an `OnarError` of a reading process unchanged, without a traceback in its text."""

    def __iter__(self) -> Any:
        """Yield batches: the entries of `Sample`, stacked."""
        if self.num_workers:
            refuse_long_temporary_folder()
            refuse_few_files(self.num_workers)
        with naming_lost_readers():
            with opencv_alone():
                batches = super().__iter__()
            if self.num_workers:
                _READING.add(self)
            for batch in _warn_of_stalls(batches):
                if isinstance(batch, OnarError):
                    self.end()
                    raise batch
                yield batch

    def end(self) -> None:
        """End the reading processes; the next iteration starts new ones."""
        iterator: Any = self._iterator  # of this class only with processes
        if iterator is not None:
            iterator._shutdown_workers()
            self._iterator = None


_READING: WeakSet[PhotoLoader] = WeakSet()
"""Loaders that have started processes."""


@atexit.register
def end_readers() -> None:
    """End the reading processes of all loaders of this process; garbage collection may take minutes to do so.

    At exit multiprocessing waits for them, and they ignore its SIGTERM (`start_worker`): with some versions of PyTorch,
    a training stopped with Ctrl-C never ended.
    """
    for loader in list(_READING):
        loader.end()


def refuse_long_temporary_folder() -> None:
    """Raise `UsageError` if the path of a socket would be too long: reading processes would wait forever.

    multiprocessing creates sockets as `pymp-12345678/listener-12345678` in the temporary folder.
    """
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) + len("/pymp-12345678/listener-12345678") > MAX_SOCKET_PATH:
        raise UsageError(
            f"TMPDIR {folder} is too long for the sockets of processes that read photos: set a shorter one, such as "
            "TMPDIR=/tmp, or take `num_workers` 0"
        )


def refuse_few_files(num_workers: int) -> None:
    """Raise `OnarError` if the limit of open files is too low for the reading processes."""
    try:
        import resource

        there = len(os.listdir("/proc/self/fd"))
    except (ImportError, OSError):  # Windows, macOS
        return
    needed = there + FILES_BESIDE + FILES_OF_A_READER * num_workers
    if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] < needed:
        raise OnarError(f"{_MORE_FILES} ({needed} are needed), or take fewer with `num_workers`")


def _warn_of_stalls(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield batches, with a warning if the next one takes longer than `STALL_SECONDS`."""
    minutes = f"{STALL_SECONDS / 60:.0f} minutes"
    message = f"onar: no photos were read for {minutes}: their drive may not answer; still waiting"
    while True:
        timer = Timer(STALL_SECONDS, warn, [message])
        timer.daemon = True
        timer.start()
        try:
            batch = next(batches)
        except StopIteration:
            return
        finally:
            timer.cancel()
        yield batch


@contextmanager
def naming_lost_readers() -> Iterator[None]:
    """Map torch's errors about reading processes that were killed, or could not start, to `OnarError` with one line."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # With "fork" a process starts as a copy of its parent; otherwise it runs the script again, up to the guard.
        if limit := next((advice for words, advice in LIMITS.items() if words in str(error)), ""):
            raise OnarError(f"{limit}, or take `num_workers` 0") from error
        begins_anew = multiprocessing.get_start_method() != "fork" and "killed by signal" not in str(error)
        if not (str(error).startswith("DataLoader worker") or (begins_anew and isinstance(error, BrokenPipeError))):
            raise
        if begins_anew:
            raise OnarError(
                "a process that reads photos could not begin: it runs this script again, so the script must start its "
                'work under `if __name__ == "__main__":`, or with num_workers=0'
            ) from error
        raise OnarError(
            "a process that reads photos was killed, probably out of memory; use a smaller `num_workers`"
        ) from error


def leave_to_main_process() -> None:
    """Exit silently if this is a child process that runs the user's script again, for lack of a main guard.

    It would train, too; its parent reports the reason (`naming_lost_readers`).
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # set while the script is run again
        raise SystemExit(1)


class ErrorsAsItems(Dataset[Any]):
    """A dataset that returns an `OnarError` instead of raising it, because torch would add a long traceback."""

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
    """A loader of `TrainingPhotos` or `ValidationPhotos` by the keys of each batch, prefetched by reading processes.

    With `num_workers` of 0 this process reads; samples do not depend on it.
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
    """Stack the samples of a batch; an error among them replaces the batch."""
    return next((item for item in items if isinstance(item, OnarError)), None) or default_collate(items)


def start_worker(_worker: int) -> None:
    """Initialise a reading process: ignore signals, end with the training process, and use one OpenCV thread.

    Ctrl-C and signals of a scheduler reach all processes, and training needs photos until the end of its step. The
    second SIGTERM, which is torch's, ends this process.
    """
    for name in ("SIGINT", "SIGHUP", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if sys.platform == "linux":  # also while waiting for a drive
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGTERM, lambda number, _frame: signal.signal(number, signal.SIG_DFL))
    cv2.setNumThreads(1)
