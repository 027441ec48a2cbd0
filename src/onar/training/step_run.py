"""Trainings of small networks that are counted in steps: from a checkpoint or the start to the last step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from onar.checkpoint import save_half_precision
from onar.errors import OnarError, OutOfMemoryError, UsageError, is_out_of_memory
from onar.settings.training import Precision
from onar.system.console import say
from onar.system.files import check_writable, replacing
from onar.training.budget import Budget, steps_that_fit
from onar.training.gan.step import NotFiniteError, Resumable, learning_rate_factor
from onar.training.interruption import interruption
from onar.training.step_config import StepConfig
from onar.weights.metadata import FORMAT
from onar.weights.tensors import load_state, save_state

WARMUP_STEPS = 50


@dataclass
class StepRun:
    """One training while it runs.

    Attributes:
        config: its settings.
        networks: what has a state.
        take_step: (number of steps before, factor on the learning rates) -> losses by name.
        precision: the number format that it began with.
        budget: its time.
        step: steps so far.
        total_steps: steps of the whole training.
        planned: the number of steps was set by --max_minutes.
        last_checkpoint: when the last one was written.
    """

    config: StepConfig
    networks: Resumable
    take_step: Callable[[int, float], dict[str, float]]
    precision: Precision
    budget: Budget = field(init=False)
    step: int = 0
    total_steps: int = field(init=False)
    planned: bool = False
    last_checkpoint: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.budget = Budget(60 * (self.config.max_minutes or math.inf))
        self.total_steps = self.config.steps

    def go_on(self, state: dict[str, Any]) -> None:
        """Go on from what `find_checkpoint` found."""
        self.networks.load_state_dict(state["gan"])
        self.budget.go_on(state["spent"])
        self.step = state["step"]
        limit = self.config.max_minutes
        if state.get("max_minutes", limit) == limit:  # otherwise the steps are planned anew
            self.total_steps, self.planned = state["total_steps"], state["planned"]
        say(f"Going on after step {self.step} of {self.total_steps}")

    def recipe(self) -> dict[str, Any]:
        """The settings that the weights came of, as the values TOML knows."""
        return self.config.recipe() | {"steps": self.step, "mixed_precision": self.precision}


def check_output(config: StepConfig) -> None:
    """Raise `OnarError` now when the output cannot be written later, or is there already."""
    check_writable(config.output)
    if config.output.exists() and not config.overwrite:
        raise OnarError(f"{config.output} is there already: name another --output, or replace it with --overwrite")


def find_checkpoint(config: StepConfig) -> dict[str, Any] | None:
    """The state of a training that was stopped, if there is one; raises `OnarError` when it had other settings."""
    if not config.checkpoint.exists():
        return None
    state = load_state(config.checkpoint, sealed=True)
    before, now = state["recipe"], config.recipe()
    for name in sorted(before.keys() | now.keys()):
        if name not in before:
            raise UsageError(
                f"{config.checkpoint} is of an earlier version, which knew no --{name}: "
                "name another --output, or remove the file to start anew"
            )
        if before[name] != now.get(name):
            raise UsageError(
                f"{config.checkpoint} is of a training with --{name} {before[name]}, not {now.get(name)}: "
                "take that again, name another --output, or remove the file to start anew"
            )
    return state


def train_to_the_end(run: StepRun) -> None:
    """Take the steps that are left; the checkpoint stays until `write_weights`.

    Raises:
        OnarError: a loss is not finite, memory ran out, or the checkpoint cannot be written.
        KeyboardInterrupt: Ctrl-C; the state is saved.
    """
    try:
        with interruption(f"the last checkpoint is {run.config.checkpoint}") as interrupted:
            _train(run, interrupted)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        settings = ", ".join(f"--{name} {getattr(run.config, name)}" for name in run.config.take_memory)
        advice = "lower one of them" if len(run.config.take_memory) > 1 else "lower it"
        raise OutOfMemoryError(f"out of memory at {settings}: {advice}") from error


def write_weights(run: StepRun, network: nn.Module, metadata: dict[str, str]) -> None:
    """Write the file that a training is for, in half precision, and remove the checkpoint.

    Raises:
        OnarError: the file cannot be written.
    """
    with replacing(run.config.output) as temporary:
        save_half_precision(temporary, network, {"format": str(FORMAT), **metadata})
    run.config.checkpoint.unlink(missing_ok=True)


def _train(run: StepRun, interrupted: list[int]) -> None:
    """Train to the last step; raises `KeyboardInterrupt` with the state saved when somebody asks for that."""
    config, sums, counted = run.config, dict[str, float](), 0
    while run.step < run.total_steps:
        for name, value in _step(run).items():
            sums[name] = sums.get(name, 0.0) + value
        counted += 1
        if run.step % config.log_every == 0 or run.step == run.total_steps:
            means = "  ".join(f"{name} {total / counted:.4f}" for name, total in sums.items())
            say(f"step {run.step}/{run.total_steps}  {means}  {run.budget.latest_step:.2f} s")
            sums, counted = {}, 0
        _keep_to_time(run)
        if interrupted or time.monotonic() - run.last_checkpoint > 60 * config.checkpoint_minutes:
            _save(run)
        if interrupted:
            raise KeyboardInterrupt(
                f"Stopped after step {run.step}; saved {config.checkpoint}. The same command goes on."
            )


def _step(run: StepRun) -> dict[str, float]:
    factor = learning_rate_factor("cosine", WARMUP_STEPS, run.total_steps)(run.step)
    try:
        losses = run.take_step(run.step, factor)
    except NotFiniteError as error:
        raise OnarError(
            f"step {run.step + 1}: {error}. Start anew with a lower --learning_rate or --mixed_precision no"
        ) from error
    run.step += 1
    run.budget.count_step()
    return losses


def _keep_to_time(run: StepRun) -> None:
    """Set the number of steps as soon as their speed is known, and end the training when its time is over."""
    budget, limit = run.budget, run.config.max_minutes
    if limit is None or run.step >= run.total_steps:
        return
    if budget.left < budget.latest_step:
        say(f"--max_minutes {limit:g}: the time is over after {run.step} steps of {run.total_steps}")
        run.total_steps = run.step
    elif not run.planned and budget.knows_speed:
        run.total_steps = run.step + steps_that_fit(
            budget.left, run.total_steps - run.step, lambda steps: steps * budget.step_seconds
        )
        run.planned = True
        say(f"--max_minutes {limit:g}: {run.total_steps} steps of {run.config.steps}")


def _save(run: StepRun) -> None:
    """Write the checkpoint."""
    state = {
        "gan": run.networks.state_dict(),
        "recipe": run.config.recipe(),
        "precision": run.precision,
        "step": run.step,
        "total_steps": run.total_steps,
        "planned": run.planned,
        "max_minutes": run.config.max_minutes,
        "spent": run.budget.spent,
    }
    save_state(run.config.checkpoint, state)
    run.last_checkpoint = time.monotonic()
    run.budget.start_step()
