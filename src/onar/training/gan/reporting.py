"""What a run says, logs, draws and keeps: at its start, at the end of each epoch and at its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from onar.checkpoint import kept_weights, save_weights
from onar.data.streams import StreamLoader
from onar.metrics.held_out import Completer, Scores, complete_with, sample_rows, score_completer
from onar.system import console
from onar.system.processes import gather, is_main_process, process_count
from onar.training.gan.curves import save_loss_curves, save_sample_sheet, save_validation_curves
from onar.training.gan.setup import SAMPLE_ROWS, Run, share_unusual_photos
from onar.training.results_folder import loss_names
from onar.weights.metadata import FORMAT
from onar.weights.tensors import load_state, save_state


def report_epoch(run: Run) -> None:
    """Print the epoch's averages, then validate, log and draw."""
    share_unusual_photos(run)
    averages = run.progress.averages()
    say(f"Epoch {run.progress.epoch + 1} average: {_averages_line(averages)}")
    record, complete = progress_record(run, "epoch", averages), complete_with(run.gan.kept_generator)
    if run.validates:
        ours = score_completer(complete, run.held_out, run.config.batch_size)
        record["validation"] = {"onar": ours, **run.baselines}
        say(_validation_line(record["validation"]))
        run.note_scores(ours)
    if run.progress.epoch == 0 and run.progress.upscaled:
        say(f"{len(run.progress.upscaled)} photos are smaller than the crops and were enlarged")
    log(run, record)
    if is_main_process() and _draws_epoch(run):
        _draw_epoch(run, complete)


def _draws_epoch(run: Run) -> bool:
    """Whether an epoch gets pictures: each `sample_every`, and the last one."""
    epoch, progress = run.progress.epoch + 1, run.progress
    is_last = epoch >= run.config.epochs or progress.step >= run.total_steps or run.is_stale()
    return is_last or epoch % run.config.sample_every == 0


def _draw_epoch(run: Run, complete: Completer) -> None:
    epoch, records = run.progress.epoch + 1, run.results.records()
    _draw_samples(run, complete, epoch)
    save_loss_curves(run.results.loss_curves(epoch), records)
    if run.validates:
        save_validation_curves(run.results.validation_curves(epoch), records)


def _draw_samples(run: Run, complete: Completer, epoch: int) -> None:
    save_sample_sheet(run.results.samples(epoch), sample_rows(complete, run.held_out, SAMPLE_ROWS))


def time_epoch_end(run: Run) -> None:
    """Find out what the end of an epoch costs, by doing its parts once: a batch of validation, pictures, a checkpoint.

    The pictures are a first look at the epoch, which replaces them when it ends.
    """
    complete, seconds = complete_with(run.gan.kept_generator), 0.0
    if run.validates:
        _ = run.baselines  # once in a run, not once in an epoch
        batches = run.held_out.first(run.config.batch_size * process_count())
        share = len(run.held_out.photo) / len(batches.photo)
        seconds += share * _seconds(lambda: score_completer(complete, batches, run.config.batch_size))
    if is_main_process():
        records, epoch = run.results.records(), run.progress.epoch + 1
        seconds += _seconds(lambda: _draw_samples(run, complete, epoch))
        curves = _seconds(lambda: save_loss_curves(run.results.loss_curves(epoch), records))
        seconds += 2 * curves if run.validates else curves  # those of validation are as large, and not there yet
    checkpoint = _seconds(lambda: save_checkpoint(run))
    run.progress.epoch_end = seconds + checkpoint
    # The final weights are less than a checkpoint, but for the best ones a checkpoint is read.
    run.progress.run_end = 2 * checkpoint


def _seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _averages_line(averages: dict[str, float]) -> str:
    text = ", ".join(f"{name}: {averages[name]:.4f}" for name in loss_names(averages))
    return text or "every step was skipped"


def _validation_line(scores: dict[str, Scores]) -> str:
    ours = scores["onar"]
    others = ", ".join(f"{name} {other['psnr']:.2f}" for name, other in scores.items() if name != "onar")
    return (
        f"Validation: PSNR {ours['psnr']:.2f} dB ({others}), in holes {ours['psnr_hole']:.2f} dB, "
        f"SSIM {ours['ssim']:.4f}, L1 {ours['l1']:.4f}, in holes {ours['l1_hole']:.4f}"
    )


def progress_record(run: Run, kind: str, losses: dict[str, float]) -> dict[str, Any]:
    """How far and how fast the run is, after a step or at the end of an epoch."""
    progress = run.progress
    rate_g, rate_d = (schedule.get_last_lr()[0] for schedule in run.gan.schedules)
    return {
        "kind": kind,
        "epoch": progress.epoch + 1,
        "epochs_done": progress.epoch + progress.images / run.batches.photos_per_epoch,
        "step": progress.step,
        **losses,
        "learning_rate_g": rate_g,
        "learning_rate_d": rate_d,
        "images_per_second": progress.images_per_second,
        "data_wait": progress.waiting / max(progress.seconds, 1e-9),
        "seconds": progress.seconds,
        "bad_steps": progress.bad_steps,
        "skipped": len(progress.skipped),
        "upscaled": len(progress.upscaled),
    }


def start_record(run: Run) -> dict[str, Any]:
    """With what the run starts, or goes on, and how far it means to go."""
    accelerator = run.gan.accelerator
    return {
        "kind": "start",
        "epoch": run.progress.epoch + 1,
        "step": run.progress.step,
        "steps": run.total_steps,
        "device": accelerator.device.type,
        "processes": accelerator.num_processes,
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
    run.gan.accelerator.log(numbers, step=record["step"])


def save_checkpoint(run: Run) -> None:
    """Write the resumable state; called in every process, done in the main one."""
    run.last_checkpoint = time.monotonic()
    run.progress.spent = run.budget.spent
    if isinstance(run.loader, StreamLoader):
        run.progress.stream = gather(run.loader.state())
    if not is_main_process():
        return
    run.results.save_checkpoint(
        {
            "format": FORMAT,
            "config": run.config.to_plain(),
            "photos": run.photos,
            "gan": run.gan.state_dict(),
            "progress": asdict(run.progress),
        },
        run.progress.step,
        run.progress.best_step,
    )


def save_final_weights(run: Run) -> None:
    """Write the weights; the generator's last ones come last, because they say that the run is finished."""
    best = run.results.checkpoint(run.progress.best_step)
    if best.exists():
        save_state(run.results.best_generator, kept_weights(load_state(best, sealed=True)))
    save_weights(run.results.discriminator, run.gan.accelerator.unwrap_model(run.gan.discriminator))
    save_weights(run.results.generator, run.gan.kept_generator)
