"""One run's results folder: the names in it, its lock, its configuration, its log and its checkpoints."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from filelock import FileLock, Timeout

from onar.data.photo_folders import is_results_folder
from onar.errors import OnarError
from onar.imaging.listing import some
from onar.settings.checks import plain_settings
from onar.settings.fit import FitConfig
from onar.system.console import warn
from onar.system.files import remove_partial, write_text
from onar.training.resume import Checkpoint, refuse_other_settings
from onar.training.setting_kinds import FREE_KEYS, LENGTH_KEYS, RATE_KEYS
from onar.weights.tensors import DamagedFileError, load_state, save_state

NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})
"""Errors of network and FUSE drives that cannot lock a file."""
CHECKPOINTS_KEPT = 2  # the newest ones; the best one is kept beside them

Record = dict[str, Any]

_HOLDER = re.compile(r"process (\d{1,18}) on (.*)")
"""The holder of the folder's lock, as a file in it says; the file is empty when the lock is free."""


class Results:
    """The results folder of one run; nothing is made or read before `open`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self.log = folder / "log.jsonl"
        self.config = folder / "config.toml"
        self.generator = folder / "generator_final.pth"
        self.discriminator = folder / "discriminator_final.pth"
        self.best_generator = folder / "generator_best.pth"
        self.weights_place = folder / "weights.txt"
        self.skipped = folder / "skipped.txt"
        self._lock = FileLock(folder / ".lock")
        self._lock_holder = folder / ".lock_holder"

    def open(self) -> None:
        """Make the folder when it is missing, and keep others from writing to it until `close`.

        The lock is the operating system's: it is gone when this process is, however it ends.

        Raises:
            OnarError: the folder cannot be made or written to, holds files of another program that would be
                replaced, or another run is writing to it.
        """
        self._refuse_others_files()
        folders = self.folder, self.folder / "samples", self.checkpoints
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            self._lock_holder.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
        except Timeout as error:
            holder = self._lock_holder.read_text(encoding="utf-8") if self._lock_holder.exists() else "another process"
            raise OnarError(
                f"{holder} is training into {self.folder}: wait for it or stop it, or choose another `results_dir`"
            ) from error
        except OSError as error:
            raise OnarError(f"cannot write to `results_dir` {self.folder}: {error.strerror}") from error
        for folder in folders:
            remove_partial(folder)

    def _refuse_others_files(self) -> None:
        """Raise `OnarError` when the folder is not of a run, and holds files that a run would replace or remove."""
        if is_results_folder(self.folder):
            return
        there = [path for path in (self.config, self.log, self.skipped, *self._final_files()) if path.exists()]
        there += [*self._checkpoint_files(), *(path for _, path in self._pictures()), *self._events()]
        if there:
            raise OnarError(
                f"`results_dir` {self.folder} is no results folder of Onar, and holds {some(there)}, which training "
                "would replace: choose another folder"
            )

    def _take_lock(self) -> None:
        """Lock the folder; a drive without locks is reported, and used all the same."""
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise
        except (NotImplementedError, OSError) as error:
            if getattr(error, "errno", None) not in (None, *NO_LOCKS):
                raise
            warn(f"onar: the drive of {self.folder} keeps no locks: let no other run write to it")

    def close(self) -> None:
        """Let others write to the folder."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):  # a disk that is full, or a folder that is gone
                self._lock_holder.write_text("", encoding="utf-8")
        self._lock.release()

    def is_written_to(self) -> bool | None:
        """Whether a process trains into the folder now; None when that is unknown.

        The lock itself is not tried: that would keep a training from starting in that moment.
        """
        try:
            holder = self._lock_holder.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None
        found = _HOLDER.fullmatch(holder)
        if found is None or found[2] != platform.node() or os.name != "posix":
            return None if holder else False
        return _is_alive(int(found[1]))

    def is_finished(self) -> bool:
        """Whether the final weights are in the folder, or written to the place that it names."""
        return self.generator.is_file() or self.weights_place.is_file()

    def finish_elsewhere(self, weights: Path) -> None:
        """Say where the final weights are, and drop the checkpoints."""
        write_text(self.weights_place, f"{weights}\n")
        for path in self._checkpoint_files():
            path.unlink()

    def _final_files(self) -> tuple[Path, ...]:
        """The files of a finished run."""
        return self.generator, self.discriminator, self.best_generator, self.weights_place

    def checkpoint(self, step: int) -> Path:
        """The resumable state after a step."""
        return self.checkpoints / f"step_{step:08d}.pt"

    def samples(self, epoch: int) -> Path:
        """The sample sheet of an epoch, counted from 1."""
        return self.folder / "samples" / f"samples_epoch_{epoch}.png"

    def loss_curves(self, epoch: int) -> Path:
        """The loss curves up to an epoch, counted from 1."""
        return self.folder / f"loss_curves_epoch_{epoch}.png"

    def validation_curves(self, epoch: int) -> Path:
        """The validation scores up to an epoch, counted from 1."""
        return self.folder / f"validation_curves_epoch_{epoch}.png"

    def append(self, record: Record) -> None:
        """Add one line to the log."""
        _append(self.log, json.dumps(record))

    def write_skipped(self, lines: Sequence[str]) -> None:
        """Replace the list of unreadable photos; none leave no file."""
        if lines:
            write_text(self.skipped, "".join(f"{line}\n" for line in lines))
        else:
            self.skipped.unlink(missing_ok=True)

    def append_skipped(self, line: str) -> None:
        """Add an unreadable photo to the list."""
        _append(self.skipped, line)

    def records(self) -> list[Record]:
        """The log so far; lines of other programs, and what a crash cut off, are left out."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [record for line in lines if (record := _record_of(line)) is not None]

    def save_checkpoint(self, state: dict[str, Any], step: int, best_step: int) -> Path:
        """Write the resumable state after a step, then drop all but the newest two and that of the best step."""
        path = self.checkpoint(step)
        try:
            save_state(path, state)
        except OnarError as error:
            raise OnarError(f"{error}. Set that right, and the same command goes on; {self.last_good()}") from error
        for old in self._checkpoint_files()[:-CHECKPOINTS_KEPT]:
            if old != self.checkpoint(best_step):
                old.unlink()
        return path

    def last_good(self) -> str:
        """A sentence that names the newest checkpoint."""
        files = self._checkpoint_files()
        return f"the last good checkpoint is {files[-1]}" if files else "no checkpoint had been written yet"

    def refuse_small_disk(self, checkpoint_bytes: int) -> None:
        """Raise `OnarError` when the disk cannot hold the checkpoints of the training."""
        # while a checkpoint is being written, the best one and those that it pushes out are all there.
        needed = (CHECKPOINTS_KEPT + 2) * checkpoint_bytes
        held = sum(path.stat().st_size for path in self._checkpoint_files())
        free = shutil.disk_usage(self.folder).free
        if held + free < needed:
            raise OnarError(
                f"the checkpoints in {self.folder} need {needed - held:,} more bytes, and {free:,} are free: "
                "make room, or choose a `results_dir` on another disk"
            )

    def find_checkpoint(self, config: FitConfig) -> Checkpoint | None:
        """The checkpoint that `config.resume` asks for; None starts from the beginning. Nothing is changed.

        Raises:
            UsageError: the checkpoint belongs to a run with other settings.
            OnarError: the folder holds a finished run, or the checkpoint cannot be read or is none.
        """
        if config.resume == "never":
            return None
        if config.resume != "auto":
            path = Path(config.resume)
            try:
                checkpoint = Checkpoint(path, load_state(path, sealed=True))
            except DamagedFileError as error:
                raise OnarError(f"{error}; `resume` takes a whole file from a checkpoints folder, or auto") from error
            refuse_other_settings(checkpoint, config, FREE_KEYS | LENGTH_KEYS | RATE_KEYS)
            return checkpoint
        newest = self._newest_whole_checkpoint()
        if newest is not None:
            more = frozenset() if self.generator.exists() else LENGTH_KEYS | RATE_KEYS
            refuse_other_settings(newest, config, FREE_KEYS | more)
        if self.generator.exists():
            raise OnarError(
                f"{self.folder} holds a finished run: choose another `results_dir`, or replace it with `resume` never"
            )
        return newest

    def start(self, config: FitConfig, checkpoint: Checkpoint | None, checkpoint_bytes: int = 0) -> None:
        """Save the configuration, and remove files that are later than the checkpoint; raises for a small disk."""
        self.refuse_small_disk(checkpoint_bytes)
        obsolete, epochs = [*self._checkpoint_files(), self.log, self.skipped, *self._events()], 0
        if checkpoint and checkpoint.path.resolve().parent == self.checkpoints.resolve():
            obsolete = [path for path in self._checkpoint_files() if path.name > checkpoint.path.name]
            epochs = checkpoint.state["progress"]["epoch"]
            self._rewind_log(**checkpoint.state["progress"])
        obsolete += [path for epoch, path in self._pictures() if epoch > epochs]
        for path in (*obsolete, *self._final_files()):
            path.unlink(missing_ok=True)
        write_text(self.config, tomli_w.dumps(plain_settings(config)))

    def _rewind_log(self, step: int, epoch: int, **_progress: Any) -> None:
        """Forget what was logged after a step and a number of finished epochs: it will happen again."""

        def stays(line: str) -> bool:
            record = _record_of(line)
            if record is None:  # of another program, or cut off by a crash
                return line.endswith("\n")
            return bool(record["step"] <= step and (record["kind"] != "epoch" or record["epoch"] <= epoch))

        lines = self.log.read_text(encoding="utf-8").splitlines(keepends=True) if self.log.exists() else []
        write_text(self.log, "".join(line.rstrip("\n") + "\n" for line in lines if stays(line)))

    def _newest_whole_checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint that is not damaged; warns of each one that is."""
        damage: list[DamagedFileError] = []
        for path in reversed(self._checkpoint_files()):
            try:
                checkpoint = Checkpoint(path, load_state(path, sealed=True))
            except DamagedFileError as error:
                damage.append(error)
                continue
            for damaged in damage:
                warn(f"onar: {damaged}; going on from {path.name} instead")
            return checkpoint
        if damage:
            raise OnarError(f"{damage[0]}, and no older checkpoint is whole: start again with `resume` never")
        return None

    def _pictures(self) -> Iterator[tuple[int, Path]]:
        """Every sheet and every plot of curves, with the epoch at whose end it was drawn."""
        for path_of in (self.samples, self.loss_curves, self.validation_curves):
            any_epoch = path_of(0)
            start, _, ending = any_epoch.name.rpartition("0")
            for path in any_epoch.parent.glob(f"{start}*{ending}"):
                number = path.name.removeprefix(start).removesuffix(ending)
                if number.isdecimal():
                    yield int(number), path

    def _events(self) -> list[Path]:
        """Files of --track tensorboard."""
        return list(self.folder.glob("tensorboard/events.out.tfevents.*"))

    def _checkpoint_files(self) -> list[Path]:
        return sorted(self.checkpoints.glob("step_*.pt"))


def _append(path: Path, line: str) -> None:
    """Add a line to a file; raises `OnarError` when the disk refuses."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError as error:
        raise OnarError(f"cannot write {path}: {error.strerror}") from error


def _record_of(line: str) -> Record | None:
    """The record in a line of the log; None for anything else."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    wanted = {"kind": str, "step": int, "epoch": int}
    is_own = isinstance(record, dict) and all(isinstance(record.get(name), kind) for name, kind in wanted.items())
    return record if is_own else None


def _is_alive(process: int) -> bool:
    """Whether there is a process of that number on this computer."""
    try:
        os.kill(process, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True
