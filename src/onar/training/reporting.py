"""Reports of a run: what it prints, logs, draws and saves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from onar.imaging.sheets import picture_grid
from onar.imaging.writing import write_image
from onar.metrics.held_out import Scores
from onar.settings.checks import plain_settings
from onar.system import console
from onar.system.processes import is_main_process
from onar.training.curve_names import loss_names
from onar.training.curves import save_loss_curves, save_validation_curves
from onar.training.run import Run
from onar.weights.metadata import FORMAT

SCORE_TEXTS = {
    "psnr": "PSNR {:.2f} dB",
    "psnr_hole": "in holes {:.2f} dB",
    "ssim": "SSIM {:.4f}",
    "l1": "L1 {:.4f}",
    "l1_hole": "in holes {:.4f}",
}
"""Validation scores as they are printed, in this order; others are in the log and the curves."""


def report_epoch(run: Run) -> None:
    """Print the epoch's averages, then validate, log and draw."""
    # average the losses.
    run.task.before_report()
    averages = run.progress.averages()
    shown = ", ".join(f"{name}: {averages[name]:.4f}" for name in loss_names(averages))
    say(f"Epoch {run.progress.epoch + 1} average: {shown or 'every step was skipped'}")
    record = progress_record(run, "epoch", averages)

    # Validate.
    if validation := run.task.evaluate():
        record["validation"] = validation
        say(_validation_line(validation))
        if run.task.best_by:
            run.note_scores(validation["onar"])

    # log and draw.
    log(run, record)
    if is_main_process() and _draws_epoch(run):
        _draw_samples(run)
        _draw_losses(run)
        save_validation_curves(run.results.validation_curves(run.progress.epoch + 1), run.results.records())


def report_start(run: Run) -> None:
    """Validate the weights that a run starts from: what it has gained or lost since shows beside them."""
    if validation := run.task.evaluate():
        say(f"Before the first step. {_validation_line(validation)}")
        log(run, {"kind": "validation", "epoch": 1, "step": 0, "validation": validation})


def _draws_epoch(run: Run) -> bool:
    """Whether an epoch gets pictures: each `sample_every`, and the last one."""
    epoch, progress = run.progress.epoch + 1, run.progress
    is_last = epoch >= run.task.epochs or progress.step >= run.total_steps or run.is_stale()
    return is_last or epoch % run.config.sample_every == 0


def _draw_samples(run: Run) -> None:
    if rows := run.task.sample_rows():
        write_image(run.results.samples(run.progress.epoch + 1), picture_grid(rows))


def _draw_losses(run: Run) -> None:
    save_loss_curves(run.results.loss_curves(run.progress.epoch + 1), run.results.records())


def time_epoch_end(run: Run) -> None:
    """Time the parts of an epoch's end by doing them once: validation, pictures, a checkpoint.

    The pictures are a first look at the epoch, which replaces them when it ends.
    """
    total = evaluation = run.task.evaluation_seconds()
    if is_main_process():
        total += seconds(lambda: _draw_samples(run))
        curves = seconds(lambda: _draw_losses(run))
        total += 2 * curves if evaluation else curves  # those of validation are as large, and not there yet
    checkpoint = seconds(lambda: save_checkpoint(run))
    run.progress.epoch_end = total + checkpoint
    # the final weights are less than a checkpoint, but for the best ones a checkpoint is read.
    run.progress.run_end = 2 * checkpoint


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _validation_line(scores: dict[str, Scores]) -> str:
    """Our scores; behind the first one, in brackets, those of the other methods."""
    ours = scores["onar"]
    names = [name for name in SCORE_TEXTS if name in ours] or list(ours)
    texts = [SCORE_TEXTS.get(name, f"{name} {{:.2f}}").format(ours[name]) for name in names]
    others = ", ".join(f"{name} {other[names[0]]:.2f}" for name, other in scores.items() if name != "onar")
    return f"Validation: {', '.join([f'{texts[0]} ({others})', *texts[1:]])}"


def progress_record(run: Run, kind: str, losses: dict[str, float]) -> dict[str, Any]:
    """How far and how fast the run is, after a step or at the end of an epoch."""
    progress = run.progress
    return {
        "kind": kind,
        "epoch": progress.epoch + 1,
        "epochs_done": progress.epoch + progress.images / run.task.images_per_epoch,
        "step": progress.step,
        **losses,
        **run.task.rates(),
        "images_per_second": progress.images_per_second,
        "data_wait": progress.waiting / max(progress.seconds, 1e-9),
        "seconds": progress.seconds,
        "bad_steps": progress.bad_steps,
        "skipped": len(progress.skipped),
        "upscaled": len(progress.upscaled),
    }


def start_record(run: Run) -> dict[str, Any]:
    """Where the run starts, or goes on, and its planned length."""
    return {
        "kind": "start",
        "epoch": run.progress.epoch + 1,
        "step": run.progress.step,
        "steps": run.total_steps,
        **run.task.start_facts,
        "mixed_precision": run.progress.mixed_precision,
    }


def say(text: str) -> None:
    """Print a line, in the main process, past the progress bar."""
    if is_main_process():
        console.say(text)


def log(run: Run, record: dict[str, Any]) -> None:
    """Add a line to the log, and its numbers to the tracker when there is one; only the main process does."""
    if not is_main_process():
        return
    run.results.append(record)
    numbers = {f"{record['kind']}/{name}": value for name, value in record.items() if isinstance(value, float)}
    for method, scores in record.get("validation", {}).items():
        numbers |= {f"validation/{method}/{name}": value for name, value in scores.items()}
    run.task.track(numbers, record["step"])


def save_checkpoint(run: Run) -> None:
    """Write the resumable state; called in every process, done in the main one."""
    run.last_checkpoint = time.monotonic()
    run.progress.spent = run.budget.spent
    run.task.before_checkpoint()
    if not is_main_process():
        return
    run.results.save_checkpoint(
        {
            "format": FORMAT,
            "config": plain_settings(run.config),
            "photos": run.task.data_record(),
            "gan": run.task.state_dict(),
            "progress": asdict(run.progress),
        },
        run.progress.step,
        run.progress.best_step,
    )
