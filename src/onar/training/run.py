"""The task of a training, with batches, a step, an evaluation and weights; and the state of its run."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from onar.imaging.sheets import Picture
from onar.metrics.held_out import Scores
from onar.metrics.table import METRICS
from onar.settings.fit import FitConfig
from onar.training.budget import Budget
from onar.training.progress import Progress
from onar.training.results_folder import Results


class TrainingTask(ABC):
    """The task of a training. The engine, `fit`, calls the methods in the order in which they stand here.

    A task is made before the results folder is opened, and checks its settings then.
    """

    device: torch.device  # where it computes
    epochs: int  # of the whole training
    max_steps: int | None = None  # end with this step, also within an epoch; None: no limit
    patience: int | None = None  # end when `best_by` has not improved for this many epochs; None: do not stop early
    best_by: str = ""  # the score of "onar" by which the best checkpoint is kept; empty: none is
    images_per_epoch: int  # samples in one epoch of all processes
    starts_trained: bool = False  # from weights that have been trained: validated before the first step
    is_whole: bool = True  # the weights are those after a step: not during an update, nor after one that failed
    memory_advice: str  # settings that need less memory; completes "out of memory at "
    nan_advice: str  # completes "Start again with ", when a loss is not finite

    @abstractmethod
    def open_data(self, run: Run, state: dict[str, Any] | None) -> None:
        """Open the data of a run whose number of steps is not known yet; `state` is the checkpoint it goes on from."""

    @abstractmethod
    def steps_left(self, images: int) -> int:
        """Steps that an epoch has left after the given number of its images."""

    @abstractmethod
    def build(self, total_steps: int) -> None:
        """Build networks and optimisers, whose learning rate schedules end with the given step."""

    @property
    @abstractmethod
    def state_bytes(self) -> int:
        """About the size of a checkpoint."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned, with the learning rates of now."""

    def on_start(self) -> None:  # noqa: B027
        """Called when the results folder is ready for the run."""

    @property
    def start_facts(self) -> dict[str, Any]:
        """Facts for the first record of the log."""
        return {"device": self.device.type, "processes": 1}

    @abstractmethod
    def batches(self) -> Iterator[tuple[Any, int]]:
        """Batches for the steps left in the epoch, with the number of images of each."""

    @abstractmethod
    def step(self, batch: Any) -> dict[str, float]:
        """Take a step: losses by printed name, and other numbers for the log; `NotFiniteError` leaves the weights."""

    @abstractmethod
    def plan(self, total_steps: int) -> None:
        """Let the learning rate schedules end with another step."""

    @abstractmethod
    def rates(self) -> dict[str, float]:
        """Learning rates by the names of their settings."""

    def track(self, numbers: dict[str, float], step: int) -> None:  # noqa: B027
        """Pass numbers of the log to the tracker."""

    def before_report(self) -> None:  # noqa: B027
        """Called in every process at the end of an epoch, before the main one reports."""

    def evaluate(self) -> dict[str, Scores]:
        """Validation scores by method, those of the training itself as "onar"; empty without validation."""
        return {}

    def evaluation_seconds(self) -> float:
        """Seconds that `evaluate` takes; 0 without validation."""
        started = time.monotonic()
        return time.monotonic() - started if self.evaluate() else 0.0

    def sample_rows(self) -> Sequence[Sequence[Picture]]:
        """Rows of masked, completed and original; empty: no sample sheet is drawn."""
        return []

    def before_checkpoint(self) -> None:  # noqa: B027
        """Called in every process before the main one writes a checkpoint."""

    def data_record(self) -> dict[str, Any]:
        """Record of the data for a checkpoint."""
        return {}

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything a later process needs to go on exactly here."""

    @abstractmethod
    def save_weights(self) -> str:
        """Write the weights; returns a line about where they are. Called in the main process."""


@dataclass
class Run:
    """One training while it runs."""

    task: TrainingTask
    config: FitConfig
    results: Results
    progress: Progress
    budget: Budget
    total_steps: int = 0
    last_checkpoint: float = field(default_factory=time.monotonic)

    def steps_left_in_epoch(self) -> int:
        """Steps that the current epoch still takes."""
        return self.task.steps_left(self.progress.images)

    def is_done(self) -> bool:
        """Whether no step is left."""
        progress = self.progress
        return progress.epoch >= self.task.epochs or progress.step >= self.total_steps or self.is_stale()

    def count_steps(self) -> int:
        """Steps of the whole run: those made, and those that are left."""
        progress, task = self.progress, self.task
        left = self.steps_left_in_epoch() + (task.epochs - progress.epoch - 1) * task.steps_left(0)
        steps = progress.step + left
        return min(task.max_steps or steps, progress.planned_steps or steps, steps)

    def end_after(self, steps: int) -> None:
        """End the run, and its learning rate schedules, with the given step."""
        self.total_steps = self.progress.planned_steps = steps
        self.task.plan(steps)

    def time_verdict(self) -> Literal["", "plan", "over"]:
        """Action for --max_minutes after a step: none, set the number of steps, or end the run here."""
        progress = self.progress
        if self.config.max_minutes is None or progress.step >= self.total_steps:
            return ""
        epoch_ends = 1 if self.steps_left_in_epoch() else 2
        if self.budget.left < self.budget.latest_step + epoch_ends * progress.epoch_end + progress.run_end:
            return "over"
        return "plan" if not progress.planned_steps and self.budget.knows_speed else ""

    def note_scores(self, scores: Scores) -> None:
        """Remember this step when it has the best score of those whose checkpoints are in the results folder."""
        progress, score = self.progress, scores[self.task.best_by]
        best = progress.best_score if self.results.checkpoint(progress.best_step).exists() else None
        lower_is_better = not METRICS[self.task.best_by].higher_is_better
        if best is None or (score < best if lower_is_better else score > best):
            progress.best_step, progress.best_score, progress.stale_epochs = progress.step, score, 0
        else:
            progress.stale_epochs += 1

    def is_stale(self) -> bool:
        """Whether validation has not improved for as many epochs as `patience` allows."""
        return self.task.patience is not None and self.progress.stale_epochs >= self.task.patience
