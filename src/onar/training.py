"""Train on a folder of photos: `train(TrainConfig(data="./data"))`.

Read `train` for the order of things, `_train_epoch` for the loop, and `gan.py` for one step.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from onar.checkpoint import kept_weights, save_weights
from onar.config import TrainConfig
from onar.devices import is_out_of_memory
from onar.errors import OnarError
from onar.gan import Batch, NotFiniteError
from onar.processes import from_main, gather, is_main_process, naming_lost_processes
from onar.report import save_loss_curves, save_sample_sheet, save_validation_curves
from onar.results import LOSSES, Results
from onar.run import SAMPLE_ROWS, Run, note_skipped, prepare, share_unusual_photos, start_processes
from onar.streams import StreamLoader
from onar.tensor_files import load_state, save_state
from onar.validation import Completer, Scores, complete_with, sample_rows, score_completer

BAD_STEPS_IN_A_ROW = 10  # that many say that the run does not recover, whatever --on_nan


def train(config: TrainConfig) -> Path:
    """Train a generator and a discriminator on a folder of photos, alone or as one of several processes.

    Args:
        config: everything the run depends on; the same configuration gives the same weights (on the CPU, bit for bit).

    Returns:
        The path of the generator's weights, `generator_final.pth` in the results folder.

    Raises:
        OnarError: no usable photo, content network, results folder or device, a loss or gradient is not finite,
            memory ran out, or another process of the training was lost.
        KeyboardInterrupt: Ctrl-C; the run has been saved, and the same call goes on with it. Processes other than the
            main one raise SystemExit(130).
    """
    processes = start_processes(config)
    with _naming_limits(config), naming_lost_processes(), closing(Results(config.results_dir)) as results:
        run = prepare(config, processes.device, results)
        accelerator = run.gan.accelerator
        _log(run, _start_record(run))
        with _interruption() as interrupted:
            while run.progress.epoch < config.epochs and run.progress.step < run.total_steps:
                _say(f"Epoch {run.progress.epoch + 1}/{config.epochs}")
                _train_epoch(run, interrupted)
                _report_epoch(run)
                run.progress.finish_epoch()
                _save_checkpoint(run)
        if is_main_process():
            _save_final_weights(run)
        accelerator.wait_for_everyone()
        _say(f"Weights, sample sheets and loss curves are in {run.results.folder}")
        accelerator.end_training()
    return run.results.generator


def _train_epoch(run: Run, interrupted: list[int]) -> None:
    """Train to the end of the epoch, or to the last step."""
    config, progress, accelerator = run.config, run.progress, run.gan.accelerator
    run.batches.start(progress.epoch, progress.images)
    steps, left = (-(-run.batches.count(done) // config.accumulation_steps) for done in (0, progress.images))
    with tqdm(total=steps, initial=steps - left, dynamic_ncols=True, disable=not is_main_process()) as bar:
        for group in _groups(run):
            losses = _step(run, group)
            shown = {name: f"{losses[name]:.4f}" for name in LOSSES if name in losses}
            bar.set_postfix(shown | {"img/s": f"{progress.images_per_second:.1f}"})
            bar.update()
            if losses and progress.step % config.log_every == 0:
                _log(run, _record(run, "step", losses))
            if interrupted or time.monotonic() - run.last_checkpoint > 60 * config.checkpoint_minutes:
                accelerator.set_trigger()
            if accelerator.check_trigger():  # in any process
                _save_checkpoint(run)
                _stop_if(run, interrupted)
            if progress.step >= run.total_steps:
                break


def _step(run: Run, group: list[Batch]) -> dict[str, float]:
    """Take a step and count it; returns its losses, or nothing when it had to be skipped."""
    progress, started = run.progress, time.perf_counter()
    images = run.batches.photos_done(progress.images, len(group)) - progress.images
    try:
        losses = run.gan.step(group)
        progress.add(losses, images)
    except NotFiniteError as error:
        losses = {}
        progress.skip(images)
        _skip_or_stop(run, str(error))
    progress.seconds += time.perf_counter() - started
    return losses


def _skip_or_stop(run: Run, reason: str) -> None:
    """Log a step that was not taken; raises `OnarError` when it ends the run."""
    from_main(lambda: _refuse_bad_step(run, reason))
    step = run.progress.step
    if is_main_process():
        tqdm.write(f"Skipped step {step}: {reason}")
    _log(run, {"kind": "bad_step", "epoch": run.progress.epoch + 1, "step": step, "reason": reason})


def _refuse_bad_step(run: Run, reason: str) -> None:
    may_skip = run.config.on_nan == "skip"
    if may_skip and run.progress.bad_steps_in_a_row < BAD_STEPS_IN_A_ROW:
        return
    often = f", and no step was possible in {BAD_STEPS_IN_A_ROW}" if may_skip else ""
    skip = "" if may_skip else ", or skip such steps with --on_nan skip"
    raise OnarError(
        f"step {run.progress.step}: {reason}{often}; {run.results.last_good()}. Start anew with lower learning rates, "
        f"--max_grad_norm 1 or --mixed_precision no{skip}"
    )


def _stop_if(run: Run, interrupted: list[int]) -> None:
    """End all processes, after the same step, when one of them was interrupted."""
    # A launcher kills the others once one has ended: everyone is here only when the main process has saved.
    if not any(gather(bool(interrupted))):
        return
    if not is_main_process():
        raise SystemExit(130)
    step, path = run.progress.step, run.results.checkpoint(run.progress.step)
    raise KeyboardInterrupt(f"Stopped after step {step}; saved {path}. The same command goes on.")


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


def _report_epoch(run: Run) -> None:
    """Print the epoch's averages, then validate, log and draw."""
    share_unusual_photos(run)
    averages = run.progress.averages()
    _say(f"Epoch {run.progress.epoch + 1} average: {_averages_line(averages)}")
    record, complete = _record(run, "epoch", averages), complete_with(run.gan.kept_generator)
    if run.validates:
        ours = score_completer(complete, run.held_out, run.config.batch_size)
        record["validation"] = {"onar": ours, **run.baselines}
        _say(_validation_line(record["validation"]))
        run.note_score(ours["psnr"])
    if run.progress.epoch == 0 and run.progress.upscaled:
        _say(f"{len(run.progress.upscaled)} photos are smaller than the crops and were enlarged")
    _log(run, record)
    if is_main_process():
        _draw_epoch(run, complete)


def _draw_epoch(run: Run, complete: Completer) -> None:
    epoch, records = run.progress.epoch + 1, run.results.records()
    save_sample_sheet(run.results.samples(epoch), sample_rows(complete, run.held_out, SAMPLE_ROWS))
    save_loss_curves(run.results.loss_curves(epoch), records)
    if run.validates:
        save_validation_curves(run.results.validation_curves(epoch), records)


def _averages_line(averages: dict[str, float]) -> str:
    others = sorted(name for name in averages.keys() - set(LOSSES) if name.endswith("_loss"))
    text = ", ".join(f"{name}: {averages[name]:.4f}" for name in (*LOSSES, *others) if name in averages)
    return text or "every step was skipped"


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


def _start_record(run: Run) -> dict[str, Any]:
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


def _say(text: str) -> None:
    if is_main_process():
        print(text, flush=True)


def _log(run: Run, record: dict[str, Any]) -> None:
    """Add a line to the log, and its numbers to the tracker when there is one; only the main process does."""
    if not is_main_process():
        return
    run.results.append(record)
    numbers = {f"{record['kind']}/{name}": value for name, value in record.items() if isinstance(value, float)}
    for method, scores in record.get("validation", {}).items():
        numbers |= {f"validation/{method}/{name}": value for name, value in scores.items()}
    run.gan.accelerator.log(numbers, step=record["step"])


def _save_checkpoint(run: Run) -> None:
    """Write the resumable state; called in every process, done in the main one."""
    run.last_checkpoint = time.monotonic()
    if isinstance(run.loader, StreamLoader):
        run.progress.stream = gather(run.loader.state())
    if not is_main_process():
        return
    run.results.save_checkpoint(
        {"config": run.config.to_plain(), "gan": run.gan.state_dict(), "progress": asdict(run.progress)},
        run.progress.step,
        run.progress.best_step,
    )


def _save_final_weights(run: Run) -> None:
    """Write the weights; the generator's last ones come last, because they say that the run is finished."""
    best = run.results.checkpoint(run.progress.best_step)
    if best.exists():
        save_state(run.results.best_generator, kept_weights(load_state(best, sealed=True)))
    save_weights(run.results.discriminator, run.gan.accelerator.unwrap_model(run.gan.discriminator))
    save_weights(run.results.generator, run.gan.kept_generator)


@contextmanager
def _naming_limits(config: TrainConfig) -> Iterator[None]:
    """Turn the errors of a machine that is too small, or has no compiler, into one line; raises `OnarError`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            half, twice = max(1, config.batch_size // 2), 2 * config.accumulation_steps
            raise OnarError(
                f"out of memory at --batch_size {config.batch_size}, --img_size {config.img_size}: --batch_size {half} "
                f"--accumulation_steps {twice} halves what a step needs and sees as many photos; "
                "--gradient_checkpointing keeps less between the passes, and steps take longer; --mixed_precision auto "
                "halves what is kept where the processor multiplies bf16"
            ) from error
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):  # seconds to import
            reason = str(error).strip().splitlines()[0]
            raise OnarError(f"--compile failed, train without it: {reason}") from error
        raise


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
