"""Train on a folder of photos: `train(TrainConfig(data="./data"))`.

Read `train` for the order of things, `_train_epoch` for the loop, and `gan.py` for one step.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from onar.checkpoint import save_weights
from onar.config import TrainConfig
from onar.errors import OnarError
from onar.gan import Batch
from onar.report import LOSSES, save_loss_curves, save_sample_sheet, save_validation_curves
from onar.run import SAMPLE_ROWS, Run, note_skipped, prepare, start_accelerator
from onar.validation import Scores, complete_with, sample_rows, score_completer


def train(config: TrainConfig) -> Path:
    """Train a generator and a discriminator on a folder of photos.

    Args:
        config: everything the run depends on; the same configuration gives the same weights (on the CPU, bit for bit).

    Returns:
        The path of the generator's weights, `generator_final.pth` in the results folder.

    Raises:
        OnarError: no usable photo, content network, results folder or device, or a loss is not finite.
        KeyboardInterrupt: Ctrl-C; the run has been saved, and the same call goes on with it.
    """
    accelerator = start_accelerator(config)
    run = prepare(config, accelerator)
    with _interruption() as interrupted:
        while run.progress.epoch < config.epochs and run.progress.step < run.total_steps:
            print(f"Epoch {run.progress.epoch + 1}/{config.epochs}", flush=True)
            _train_epoch(run, interrupted)
            _report_epoch(run)
            run.progress.finish_epoch()
            _save_checkpoint(run)
    save_weights(run.results.generator, run.gan.kept_generator)
    save_weights(run.results.discriminator, accelerator.unwrap_model(run.gan.discriminator))
    accelerator.end_training()
    print(f"Weights, sample sheets and loss curves are in {run.results.folder}")
    return run.results.generator


def _train_epoch(run: Run, interrupted: list[int]) -> None:
    """Train to the end of the epoch, or to the last step."""
    config, progress = run.config, run.progress
    run.batches.start(progress.epoch, first=progress.batches)
    steps = -(-len(run.batches) // config.accumulation_steps)
    bar = tqdm(total=steps, initial=-(-progress.batches // config.accumulation_steps), dynamic_ncols=True)
    with bar:
        for group in _groups(run):
            started = time.perf_counter()
            losses = run.gan.step(group)
            progress.add(losses, sum(len(photo) for photo, _ in group))
            progress.batches += len(group)
            progress.seconds += time.perf_counter() - started
            _check_finite(run, losses)
            bar.set_postfix(
                {name: f"{losses[name]:.4f}" for name in LOSSES} | {"img/s": f"{progress.images_per_second:.1f}"}
            )
            bar.update()
            if progress.step % config.log_every == 0:
                _log(run, _record(run, "step", losses))
            if interrupted:
                path = _save_checkpoint(run)
                raise KeyboardInterrupt(f"Stopped after step {progress.step}; saved {path}. The same command goes on.")
            if time.monotonic() - run.last_checkpoint > 60 * config.checkpoint_minutes:
                _save_checkpoint(run)
            if progress.step >= run.total_steps:
                break


def _groups(run: Run) -> Iterator[list[Batch]]:
    """Batches in groups of `accumulation_steps`, the waiting for them timed; the last group may be smaller."""
    samples = iter(run.loader)
    while True:
        waiting_since = time.perf_counter()
        group = list(islice(samples, run.config.accumulation_steps))
        waited = time.perf_counter() - waiting_since
        run.progress.waiting += waited
        run.progress.seconds += waited
        if not group:
            return
        for sample in group:
            _note_unusual_photos(run, sample)
        yield [(sample["photo"], sample["known"]) for sample in group]


def _note_unusual_photos(run: Run, sample: dict[str, Any]) -> None:
    """Name each unreadable photo once, and count the photos that had to be enlarged."""
    for lines in sample["unreadable"]:
        for line in lines.splitlines():
            note_skipped(run, line)
    run.progress.upscaled |= dict.fromkeys(sample["index"][sample["upscaled"]].tolist(), True)


def _check_finite(run: Run, losses: dict[str, float]) -> None:
    wrong = [name for name, value in losses.items() if not math.isfinite(value)]
    if wrong:
        # G_loss is the sum of the others: name the term it comes from.
        name = next((name for name in wrong if name != "G_loss"), "G_loss")
        last = run.results.newest_checkpoint()
        advice = f"the last good weights are in {last}" if last else "no checkpoint had been written yet"
        raise OnarError(
            f"step {run.progress.step}: {name} is {losses[name]}; {advice}. "
            "Lower the learning rates, or train with --mixed_precision no"
        )


def _report_epoch(run: Run) -> None:
    """Print the epoch's averages, then validate, log and draw."""
    averages = run.progress.averages()
    text = ", ".join(f"{name}: {averages[name]:.4f}" for name in (*LOSSES, *sorted(averages.keys() - set(LOSSES))))
    print(f"Epoch {run.progress.epoch + 1} average: {text}", flush=True)
    record, complete = _record(run, "epoch", averages), complete_with(run.gan.kept_generator)
    if run.baselines:
        ours = score_completer(complete, run.held_out, run.config.batch_size)
        record["validation"] = {"onar": ours, **run.baselines}
        print(_validation_line(record["validation"]), flush=True)
    if run.progress.epoch == 0 and run.progress.upscaled:
        print(f"{len(run.progress.upscaled)} photos are smaller than the crops and were enlarged", flush=True)
    _log(run, record)
    epoch, records = run.progress.epoch + 1, run.results.records()
    save_sample_sheet(run.results.samples(epoch), sample_rows(complete, run.held_out, SAMPLE_ROWS))
    save_loss_curves(run.results.loss_curves(epoch), records)
    if run.baselines:
        save_validation_curves(run.results.validation_curves(epoch), records)


def _validation_line(scores: dict[str, Scores]) -> str:
    ours = scores["onar"]
    others = ", ".join(f"{name} {other['psnr']:.2f}" for name, other in scores.items() if name != "onar")
    return (
        f"Validation: PSNR {ours['psnr']:.2f} dB ({others}), in holes {ours['psnr_hole']:.2f} dB, "
        f"SSIM {ours['ssim']:.4f}, L1 {ours['l1']:.4f}, in holes {ours['l1_hole']:.4f}"
    )


def _record(run: Run, kind: str, losses: dict[str, float]) -> dict[str, Any]:
    progress = run.progress
    rate_g, rate_d = (schedule.get_last_lr()[0] for schedule in run.gan.schedules)
    return {
        "kind": kind,
        "epoch": progress.epoch + 1,
        "epochs_done": progress.epoch + progress.batches / len(run.batches),
        "step": progress.step,
        **losses,
        "learning_rate_g": rate_g,
        "learning_rate_d": rate_d,
        "images_per_second": progress.images_per_second,
        "data_wait": progress.waiting / max(progress.seconds, 1e-9),
        "seconds": progress.seconds,
        "skipped": len(progress.skipped),
        "upscaled": len(progress.upscaled),
    }


def _log(run: Run, record: dict[str, Any]) -> None:
    """Add a line to the log, and its numbers to the tracker when there is one."""
    run.results.append(record)
    numbers = {f"{record['kind']}/{name}": value for name, value in record.items() if isinstance(value, float)}
    for method, scores in record.get("validation", {}).items():
        numbers |= {f"validation/{method}/{name}": value for name, value in scores.items()}
    run.gan.accelerator.log(numbers, step=record["step"])


def _save_checkpoint(run: Run) -> Path:
    path = run.results.save_checkpoint(
        {"config": run.config.to_plain(), "gan": run.gan.state_dict(), "progress": asdict(run.progress)},
        run.progress.step,
    )
    run.last_checkpoint = time.monotonic()
    return path


@contextmanager
def _interruption() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM so that a step can finish first; a second one stops at once.

    Outside the main thread signals cannot be caught, and nothing is collected.
    """
    received: list[int] = []

    def note(number: int, _frame: object) -> None:
        if received:
            raise KeyboardInterrupt("Stopped at once; the last checkpoint is the newest one in checkpoints/")
        received.append(number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
