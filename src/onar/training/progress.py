"""The progress of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from onar.settings.options import Precision


@dataclass
class Progress:
    """The progress of a run; all of it is in the checkpoint."""

    epoch: int = 0  # finished epochs
    step: int = 0  # optimiser steps so far
    # photos of the current epoch that all processes have used. Any number of processes can share the rest
    images: int = 0
    averaged: int = 0  # of these, photos of steps that were not skipped, whose losses are in `sums`
    # losses of the current epoch, each weighted by the photos of its step
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0  # time spent training in the current epoch
    waiting: float = 0.0  # of these, seconds spent waiting for data
    skipped: list[str] = field(default_factory=list)  # one line, `file: reason`, for each photo that could not be read
    upscaled: dict[int, bool] = field(default_factory=dict)  # photos smaller than the crop, by index
    stream: list[dict[str, Any]] | None = None  # position of each process in its stream at the last checkpoint
    bad_steps: int = 0  # steps that were skipped because a loss or gradient was not finite
    bad_steps_in_a_row: int = 0  # number of the latest steps that were skipped
    best_step: int = 0  # the step after which validation gave the best score; 0 when there was none
    best_score: float | None = None  # that score, the one named by `best_by`; None when there was none
    stale_epochs: int = 0  # epochs without improvement since then
    mixed_precision: Precision = "no"  # the number format that the run began with
    tracking_id: str = ""  # names the run to a tracker on a server
    spent: float = 0.0  # seconds of the run until this checkpoint
    planned_steps: int = 0  # number of steps that `max_minutes` allows; 0 until that is known
    epoch_end: float = 0.0  # seconds for validation, pictures and a checkpoint at the end of an epoch; 0 until measured
    run_end: float = 0.0  # further seconds at the end of the run

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
