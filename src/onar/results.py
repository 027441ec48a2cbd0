"""One run's results folder: the names in it, its configuration, its log and its checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from onar.config import TrainConfig
from onar.errors import OnarError, UsageError
from onar.files import write_text
from onar.tensor_files import load_state, save_state

CHECKPOINTS_KEPT = 2
# Settings that may differ between the parts of one run, because they change no weight.
FREE_KEYS = frozenset(
    {"resume", "results_dir", "device", "num_workers", "checkpoint_minutes", "log_every", "track", "content_weights"}
)

# Settings that say how long to train: a checkpoint that is named may be trained for longer.
LENGTH_KEYS = frozenset({"epochs", "max_steps"})

Record = dict[str, Any]


class Results:
    """The results folder of one run.

    Args:
        folder: made when missing, with `samples/` and `checkpoints/` in it.

    Raises:
        OnarError: the folder cannot be made or written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoints = folder / "checkpoints"
        self.log = folder / "log.jsonl"
        self.config = folder / "config.toml"
        self.generator = folder / "generator_final.pth"
        self.discriminator = folder / "discriminator_final.pth"
        self.skipped = folder / "skipped.txt"
        try:
            for part in (folder / "samples", self.checkpoints):
                part.mkdir(parents=True, exist_ok=True)
            probe = folder / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OnarError(f"cannot write to --results_dir {folder}: {error.strerror}") from error

    def samples(self, epoch: int) -> Path:
        """The sample sheet of an epoch, counted from 1."""
        return self.folder / "samples" / f"samples_epoch_{epoch}.png"

    def loss_curves(self, epoch: int) -> Path:
        """The loss curves up to an epoch, counted from 1."""
        return self.folder / f"loss_curves_epoch_{epoch}.png"

    def validation_curves(self, epoch: int) -> Path:
        """The validation scores up to an epoch, counted from 1."""
        return self.folder / f"validation_curves_epoch_{epoch}.png"

    def save_config(self, config: TrainConfig) -> None:
        """Keep the resolved configuration beside what it made."""
        write_text(self.config, config.to_toml())

    def append(self, record: Record) -> None:
        """Add one line to the log."""
        try:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise OnarError(f"cannot write {self.log}: {error.strerror}") from error

    def records(self) -> list[Record]:
        """The log so far; a last line that was cut off by a crash is left out."""
        if not self.log.exists():
            return []
        records = []
        for line in self.log.read_text(encoding="utf-8").splitlines():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return records

    def rewind(self, step: int) -> None:
        """Forget what was logged after a step, because it is about to happen again."""
        kept = [record for record in self.records() if record["step"] <= step]
        write_text(self.log, "".join(json.dumps(record) + "\n" for record in kept))

    def save_checkpoint(self, state: dict[str, Any], step: int) -> Path:
        """Write the resumable state after a step, then drop all but the newest two."""
        path = self.checkpoints / f"step_{step:08d}.pt"
        save_state(path, state)
        for old in self._checkpoint_files()[:-CHECKPOINTS_KEPT]:
            old.unlink()
        return path

    def newest_checkpoint(self) -> Path | None:
        """The newest resumable state, if there is one."""
        files = self._checkpoint_files()
        return files[-1] if files else None

    def clear(self) -> None:
        """Remove the checkpoints, log and final weights of an earlier run."""
        for path in (*self._checkpoint_files(), self.log, self.generator, self.discriminator, self.skipped):
            path.unlink(missing_ok=True)

    def state_to_resume(self, config: TrainConfig) -> dict[str, Any] | None:
        """Decide by `config.resume` where the run goes on; None starts from the beginning.

        Raises:
            UsageError: the checkpoint belongs to a run with other settings.
            OnarError: the folder holds a finished run, or the checkpoint cannot be read or is none.
        """
        if config.resume == "never":
            self.clear()
            return None
        named = config.resume != "auto"
        path = Path(config.resume) if named else self.newest_checkpoint()
        state = load_state(path) if path else None
        if path and state is not None:
            _refuse_other_settings(path, state, config, FREE_KEYS | LENGTH_KEYS if named else FREE_KEYS)
        if not named and self.generator.exists():
            raise OnarError(
                f"{self.folder} holds a finished run: choose another --results_dir, or replace it with --resume never"
            )
        if path and path.parent.resolve() == self.checkpoints.resolve():
            self._forget_after(path)
        else:
            self.clear()
        return state

    def _forget_after(self, checkpoint: Path) -> None:
        """Remove what the run wrote after one of its own checkpoints."""
        later = [path for path in self._checkpoint_files() if path.name > checkpoint.name]
        for path in (*later, self.generator, self.discriminator):
            path.unlink(missing_ok=True)

    def _checkpoint_files(self) -> list[Path]:
        return sorted(self.checkpoints.glob("step_*.pt"))


def _refuse_other_settings(path: Path, state: dict[str, Any], config: TrainConfig, free: frozenset[str]) -> None:
    if "config" not in state:
        raise OnarError(f"{path} is not a checkpoint of a run; --resume takes a file from a checkpoints folder")
    before, now = state["config"], config.to_plain()
    keys = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    differing = [key for key in keys if key not in free]
    if not differing:
        return
    changes = "; ".join(f"{key} was {before.get(key)}, is {now.get(key)}" for key in differing)
    longer = f"train it for longer with --resume {path}, " if LENGTH_KEYS.issuperset(differing) else ""
    raise UsageError(
        f"{path} belongs to a run with other settings ({changes}): {longer}choose another --results_dir, "
        "or replace that run with --resume never"
    )
