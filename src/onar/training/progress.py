"""The progress of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from onar.settings.options import Precision


@dataclass
class Progress:
    """The progress of a run; all of it is in the checkpoint.

    Attributes:
        epoch: finished epochs.
        step: optimiser steps so far.
        images: photos of the current epoch that all processes have used. Any number of processes can share the rest.
        averaged: of these, photos of steps that were not skipped, whose losses are in `sums`.
        sums: losses of the current epoch, each weighted by the photos of its step.
        seconds: time spent training in the current epoch.
        waiting: of these, seconds spent waiting for data.
        skipped: one line, `file: reason`, for each photo that could not be read.
        upscaled: photos smaller than the crop, by index.
        stream: position of each process in its stream at the last checkpoint.
        bad_steps: steps that were skipped because a loss or gradient was not finite.
        bad_steps_in_a_row: number of the latest steps that were skipped.
        best_step: the step after which validation gave the best score; 0 when there was none.
        best_score: that score, the one named by `best_by`; None when there was none.
        stale_epochs: epochs without improvement since then.
        mixed_precision: the number format that the run began with.
        tracking_id: names the run to a tracker on a server.
        spent: seconds of the run until this checkpoint.
        planned_steps: number of steps that `max_minutes` allows; 0 until that is known.
        epoch_end: seconds for validation, pictures and a checkpoint at the end of an epoch; 0 until measured.
        run_end: further seconds at the end of the run.
    """

    epoch: int = 0
    step: int = 0
    images: int = 0
    averaged: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    waiting: float = 0.0
    skipped: list[str] = field(default_factory=list)
    upscaled: dict[int, bool] = field(default_factory=dict)
    stream: list[dict[str, Any]] | None = None
    bad_steps: int = 0
    bad_steps_in_a_row: int = 0
    best_step: int = 0
    best_score: float | None = None
    stale_epochs: int = 0
    mixed_precision: Precision = "no"
    tracking_id: str = ""
    spent: float = 0.0
    planned_steps: int = 0
    epoch_end: float = 0.0
    run_end: float = 0.0

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Progress:
        """The progress in a checkpoint, also of an earlier version."""
        values = dict(state)
        if "best_psnr" in values:
            values["best_score"] = values.pop("best_psnr") or None
        if isinstance(values.get("skipped"), dict):
            values["skipped"] = [f"{path}: {reason}" for path, reason in values["skipped"].items()]
        return cls(**values)

    def add(self, losses: dict[str, float], images: int) -> None:
        """Count one optimiser step."""
        self.step += 1
        self.images += images
        self.averaged += images
        self.bad_steps_in_a_row = 0
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * images

    def skip(self, images: int) -> None:
        """Count a skipped step; its photos are used."""
        self.step += 1
        self.images += images
        self.bad_steps += 1
        self.bad_steps_in_a_row += 1

    @property
    def images_per_second(self) -> float:
        """Speed in the current epoch, waiting for data included."""
        return self.images / max(self.seconds, 1e-9)

    def averages(self) -> dict[str, float]:
        """Mean of each loss over the photos of the current epoch."""
        return {name: total / self.averaged for name, total in self.sums.items()}

    def finish_epoch(self) -> None:
        """Count the epoch and start the next one's sums."""
        self.epoch, self.images, self.averaged, self.sums = self.epoch + 1, 0, 0, {}
        self.seconds = self.waiting = 0.0
