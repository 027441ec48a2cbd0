"""The training engine: `fit(task, config, results)`.

Read `fit` for the order of things, `_train_epoch` for the loop, and `TrainingTask` in `run.py` for what a task gives.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import torch

from onar.data.batches import end_readers
from onar.errors import OnarError, OutOfMemoryError, is_out_of_memory
from onar.settings.fit import FitConfig
from onar.system.console import training_bar
from onar.system.processes import (
    from_main,
    from_main_with_tensors,
    gather,
    is_main_process,
    process_count,
    sum_over_processes,
)
from onar.system.state import timed_convolutions
from onar.training.budget import Budget, epoch_ends, steps_that_fit
from onar.training.curve_names import loss_names
from onar.training.interruption import interruption
from onar.training.learning import NotFiniteError
from onar.training.precision import announce_device, choose_precision
from onar.training.progress import Progress
from onar.training.reporting import (
    log,
    progress_record,
    report_epoch,
    report_start,
    save_checkpoint,
    say,
    start_record,
    time_epoch_end,
)
from onar.training.results_folder import Results
from onar.training.resume import Checkpoint, describe_changes, has_other_length, kept_precision
from onar.training.run import Run, TrainingTask
from onar.weights.metadata import NEWER

MAX_BAD_STEPS = 10  # skipped steps in a row that end the run: it does not recover


def fit(task: TrainingTask, config: FitConfig, results: Results) -> None:
    """Train a task from its last checkpoint, or the start, to the end, in a results folder that is not yet open.

    Raises:
        UsageError: the checkpoint is of other settings.
        OnarError: the results folder cannot be used, a loss or gradient is not finite, or memory ran out.
        KeyboardInterrupt: Ctrl-C; the run has been saved, and the same call goes on with it. Processes other than the
            main one raise SystemExit(130).
    """
    with _reporting_memory(task), closing(results), timed_convolutions(task.device), ExitStack() as at_end:
        at_end.callback(end_readers)
        run = prepare(task, config, results)
        if is_main_process():
            announce_device(task.device, config.device, config.mixed_precision, process_count())
        log(run, start_record(run))
        if task.starts_trained and run.progress.step == 0:
            report_start(run)

        # train epoch by epoch; each ends with a report and a checkpoint.
        with interruption("the last checkpoint is the newest one in checkpoints/") as interrupted:
            while not run.is_done():
                say(f"Epoch {run.progress.epoch + 1}/{task.epochs}")
                with _saving_on_error(run):
                    _train_epoch(run, interrupted)
                _end_epoch(run)
            if run.is_stale():
                say(f"Stopped early: no better {task.best_by} in {task.patience} epochs")

        # keep the weights.
        if is_main_process():
            say(task.save_weights())


def prepare(task: TrainingTask, config: FitConfig, results: Results) -> Run:
    """Build a run, or restore it from its checkpoint.

    All errors of settings and files are raised here; files of an earlier run are removed only after that.
    """
    # find the checkpoint.
    budget = Budget(60 * (config.max_minutes or math.inf))
    checkpoint = from_main_with_tensors(lambda: _open_results(results, config), task.device)
    state = checkpoint.state if checkpoint else None
    run = Run(task, config, results, _progress_of(state, task, config), budget)
    if state is not None:
        budget.begin(run.progress.spent)

    # open the data and build the networks.
    kept = kept_precision(state) if state else None
    run.progress.mixed_precision = from_main(lambda: choose_precision(config.mixed_precision, kept, task.device))
    task.open_data(run, state)
    run.progress.images = min(run.progress.images, task.images_per_epoch)  # of an epoch that has become shorter
    run.total_steps = run.count_steps()
    task.build(run.total_steps)

    # go on from the checkpoint.
    if checkpoint is not None:
        _restore(task, checkpoint)
        changes = describe_changes(checkpoint.state, config)
        say(f"Going on after step {run.progress.step} of {run.total_steps}" + (f": {changes}" if changes else ""))
    from_main(lambda: results.start(config, checkpoint, task.state_bytes))
    task.on_start()
    return run


def _open_results(results: Results, config: FitConfig) -> Checkpoint | None:
    results.open()
    return results.find_checkpoint(config)


def _progress_of(state: dict[str, Any] | None, task: TrainingTask, config: FitConfig) -> Progress:
    """The progress of a checkpoint, without what other settings have made invalid."""
    if state is None:
        return Progress()
    progress = Progress.from_state(state["progress"])
    if task.best_by and state["config"].get("best_by", "psnr") != task.best_by:
        progress.best_step, progress.best_score, progress.stale_epochs = 0, None, 0
    if has_other_length(state, config):
        progress.planned_steps = 0
    return progress


def _restore(task: TrainingTask, checkpoint: Checkpoint) -> None:
    try:
        task.load_state_dict(checkpoint.state["gan"])
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise OnarError(f"{checkpoint.path} does not fit these networks ({reason}){NEWER}") from error


def _train_epoch(run: Run, interrupted: list[int]) -> None:
    """Train to the end of the epoch, or to the last step, after which signals are ignored: the run ends anyway."""
    progress = run.progress
    left = run.steps_left_in_epoch()
    done = run.task.steps_left(0) - left
    total = done + min(left, run.total_steps - progress.step)
    run.budget.start_step()
    with training_bar(total=total, initial=done, disable=not is_main_process()) as bar:
        for batch, images in _timed_batches(run):
            # take a step.
            losses = _step(run, batch, images)
            run.budget.count_step()

            # show and log the losses.
            shown = {name: f"{losses[name]:.4f}" for name in loss_names(losses)}
            bar.set_postfix(shown | {"img/s": f"{progress.images_per_second:.1f}"}, refresh=False)
            bar.update()
            if losses and progress.step % run.config.log_every == 0:
                log(run, progress_record(run, "step", losses))
            if progress.step >= run.total_steps:
                break

            # keep to the time, save and stop, in all processes after the same step.
            if _in_any_process(bool(interrupted) or _wants_pause(run), run.task.device):
                _keep_to_time(run)
                if progress.step >= run.total_steps:
                    break
                save_checkpoint(run)
                _stop_if(run, interrupted)
                run.budget.start_step()


def _timed_batches(run: Run) -> Iterator[tuple[Any, int]]:
    """The batches of the rest of the epoch; the waiting time is counted."""
    batches = run.task.batches()
    while True:
        waiting_since = time.perf_counter()
        item = next(batches, None)
        waited = time.perf_counter() - waiting_since
        run.progress.waiting += waited
        run.progress.seconds += waited
        if item is None:
            return
        yield item


def _step(run: Run, batch: Any, images: int) -> dict[str, float]:
    """Take a step and count it; returns its losses, empty when it was skipped."""
    progress, started = run.progress, time.perf_counter()
    try:
        losses = run.task.step(batch)
        progress.add(losses, images)
    except NotFiniteError as error:
        losses = {}
        progress.skip(images)
        _skip_or_stop(run, str(error))
    progress.seconds += time.perf_counter() - started
    return losses


def _skip_or_stop(run: Run, reason: str) -> None:
    """Log a skipped step; raises `OnarError` when it ends the run."""
    from_main(lambda: _refuse_bad_step(run, reason))
    step = run.progress.step
    say(f"Skipped step {step}: {reason}")
    log(run, {"kind": "bad_step", "epoch": run.progress.epoch + 1, "step": step, "reason": reason})


def _refuse_bad_step(run: Run, reason: str) -> None:
    may_skip = run.config.on_nan == "skip"
    if may_skip and run.progress.bad_steps_in_a_row < MAX_BAD_STEPS:
        return
    often = f", and no step was possible in {MAX_BAD_STEPS}" if may_skip else ""
    skip = "" if may_skip else ", or skip such steps with `on_nan` skip"
    raise OnarError(
        f"step {run.progress.step}: {reason}{often}; {run.results.last_good()}. "
        f"Start again with {run.task.nan_advice}{skip}"
    )


def _in_any_process(flag: bool, device: torch.device) -> bool:
    if process_count() == 1:
        return flag
    return bool(sum_over_processes(torch.full((), float(flag), device=device)).item())


def _wants_pause(run: Run) -> bool:
    """Whether a checkpoint is due, or the time limit, which only the main process checks."""
    is_due = time.monotonic() - run.last_checkpoint > 60 * run.config.checkpoint_minutes
    return is_due or (is_main_process() and run.time_verdict() != "")


def _keep_to_time(run: Run) -> None:
    """Set the number of steps as soon as their speed is known, and end the run when its time is over."""
    verdict, before = from_main(run.time_verdict), run.total_steps
    if not verdict:
        return
    done, limit = run.progress.step, f"max_minutes {run.config.max_minutes:g}"
    if verdict == "plan":
        time_epoch_end(run)
        run.end_after(done + from_main(lambda: _more_steps(run)))
        steps = run.total_steps
        say(f"{limit}: {f'all {steps} steps' if steps == before else f'{steps} steps of {before}'}")
    else:
        reason = ", which took longer than the first ones" if run.progress.planned_steps else ""
        run.end_after(done)
        say(f"{limit}: the time is over after {done} steps of {before}{reason}")
    log(run, {"kind": "plan", "epoch": run.progress.epoch + 1, "step": done, "steps": run.total_steps})


def _more_steps(run: Run) -> int:
    """How many more steps fit into the time that is left, with reports and checkpoints."""
    step, progress = run.budget.step_seconds, run.progress
    # checkpoints within an epoch, one of which has just taken half of `run_end`.
    step += progress.run_end / 2 * min(1.0, step / (60 * run.config.checkpoint_minutes))
    left_in_epoch, per_epoch = run.steps_left_in_epoch(), run.task.steps_left(0)

    def cost(steps: int) -> float:
        return steps * step + epoch_ends(steps, left_in_epoch, per_epoch) * progress.epoch_end + progress.run_end

    return steps_that_fit(run.budget.left, run.total_steps - progress.step, cost)


def _stop_if(run: Run, interrupted: list[int]) -> None:
    """End all processes, after the same step, when one of them was interrupted."""
    # A launcher kills the others once one has ended: everyone is here only when the main process has saved.
    if not any(gather(bool(interrupted))):
        return
    if not is_main_process():
        raise SystemExit(130)
    step, path = run.progress.step, run.results.checkpoint(run.progress.step)
    raise KeyboardInterrupt(f"Stopped after step {step}; saved {path}. The same command goes on.")


def _end_epoch(run: Run) -> None:
    """Validate, log, draw and save; the time it takes is the estimate for the next epoch.

    Where the run ends within the epoch, its checkpoint is within the epoch, too: a longer run goes on with the rest.
    """
    began = time.monotonic()
    report_epoch(run)
    if run.steps_left_in_epoch() == 0:
        run.progress.finish_epoch()
    save_checkpoint(run)
    run.progress.epoch_end = time.monotonic() - began


@contextmanager
def _saving_on_error(run: Run) -> Iterator[None]:
    """When the epoch fails between two steps, such as out of memory or without photos, write a checkpoint first.

    Only in a single process: others may be in the middle of a step, or gone.
    """
    try:
        yield
    except (OnarError, OSError, MemoryError, RuntimeError):
        there = run.results.checkpoint(run.progress.step).exists()
        if process_count() == 1 and run.task.is_whole and run.progress.step and not there:
            with suppress(OnarError, OSError, MemoryError, RuntimeError):
                save_checkpoint(run)
                say(f"Saved {run.results.checkpoint(run.progress.step)}; the same command goes on from there")
        raise


@contextmanager
def _reporting_memory(task: TrainingTask) -> Iterator[None]:
    """Report out of memory in one line; raises `OutOfMemoryError`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(f"out of memory at {task.memory_advice}") from error
