"""What is known of a training from the files it leaves, while it runs and afterwards; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from onar.errors import OnarError
from onar.setting_checks import read_toml
from onar.training.results_folder import Record, Results

POINTS = 300
"""Most points of a curve; of more, the means of neighbours are drawn."""

PROGRESS = frozenset({"epoch", "epochs_done", "step", "seconds", "images_per_second"})
"""What a line of the log says of how far and how fast a run is; lines of other events, such as a bad step, do not."""


@dataclass(frozen=True)
class LoggedRun:
    """What a training has logged so far.

    Attributes:
        records: the lines of its log with `PROGRESS`, those of steps and epochs; empty before the first.
        epochs: how many there will be, a broken number when `max_steps` or `max_minutes` ends the run earlier.
        finished: whether the final weights are there.
    """

    records: list[Record]
    epochs: float
    finished: bool

    @property
    def seconds_left(self) -> float:
        """Training time that is left at the speed of the last epoch; validation comes on top."""
        last = self.records[-1]
        share_of_epoch = last["epochs_done"] - (last["epoch"] - 1)
        return float(last["seconds"] / max(share_of_epoch, 1e-9) * max(0.0, self.epochs - last["epochs_done"]))

    def loss_curve(self, name: str) -> pd.DataFrame | None:
        """One loss as columns epoch and loss: at the logged steps, or of a short run at the epochs' averages."""
        steps = [record for record in self.records if record["kind"] == "step" and name in record]
        epochs = [record for record in self.records if record["kind"] == "epoch" and name in record]
        points = [(record["epochs_done"], record[name]) for record in (steps if len(steps) > 1 else epochs)]
        return _curve(points, "loss")

    def score_curves(self, name: str) -> pd.DataFrame | None:
        """One validation score as columns epoch, score and method."""
        points = [
            (record["epoch"], scores[name], method)
            for record in self.records
            for method, scores in record.get("validation", {}).items()
            if name in scores
        ]
        return _curve(points, "score", "method")


def find_runs(roots: Sequence[Path]) -> dict[str, Path]:
    """Results folders by name, the newest first: those named, and those directly in a folder that is named."""
    found = {log.parent for root in roots for pattern in ("log.jsonl", "*/log.jsonl") for log in root.glob(pattern)}
    newest_first = sorted(found, key=lambda folder: -seconds_of_change(folder))
    return {str(folder): folder for folder in newest_first}


def seconds_of_change(folder: Path) -> float:
    """When the log of a run was last written, in seconds since 1970; 0 when there is none."""
    try:
        return Results(folder).log.stat().st_mtime
    except OSError:
        return 0.0


def seconds_since_change(folder: Path) -> float:
    """How long ago the log of a run was last written."""
    return max(0.0, time.time() - seconds_of_change(folder))


def read_run(folder: Path) -> LoggedRun:
    """Read the log and the settings of a run; raises `OnarError` when the settings cannot be read."""
    return _read_run(folder, seconds_of_change(folder), Results(folder).generator.exists())


@lru_cache(maxsize=8)
def _read_run(folder: Path, _changed: float, finished: bool) -> LoggedRun:
    """Read a run once for everybody who watches it, until its log changes."""
    results = Results(folder)
    settings, lines = read_toml(results.config), results.records()
    records = [line for line in lines if PROGRESS.issubset(line)]
    if not isinstance(epochs := settings.get("epochs"), int):
        raise OnarError(f"{results.config} is not the configuration of a training")
    # The latest plan; logs of earlier versions have none.
    steps = next((line["steps"] for line in reversed(lines) if "steps" in line), settings.get("max_steps"))
    if records and steps is not None:
        steps_per_epoch = records[-1]["step"] / records[-1]["epochs_done"]
        epochs = min(float(epochs), steps / steps_per_epoch)
    return LoggedRun(records, float(epochs), finished)


def count_sheets(folder: Path) -> int:
    """How many epochs have a sample sheet; they are numbered from 1."""
    results, count = Results(folder), 0
    while results.samples(count + 1).is_file():
        count += 1
    return count


def _curve(points: list[tuple[Any, ...]], *names: str) -> pd.DataFrame | None:
    """Points as a table with the columns epoch and those named, no longer than needed; None when there are none.

    A plot that is given an empty table never learns what is in the later ones.
    """
    if not points:
        return None
    curve = pd.DataFrame(points, columns=["epoch", *names])
    if len(names) > 1 or len(curve) <= POINTS:
        return curve
    return curve.groupby(curve.index * POINTS // len(curve)).mean()
