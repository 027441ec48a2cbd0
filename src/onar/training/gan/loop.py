"""Train on a folder of photos: `train(TrainConfig(data="./data"))`.

Read `train` for the order of things, `_train_epoch` for the loop, and `step.py` for one step.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from onar.data.batches import leave_to_main_process
from onar.errors import OnarError, OutOfMemoryError, is_out_of_memory
from onar.settings.training import TrainConfig
from onar.system.console import training_bar
from onar.system.processes import from_main, gather, is_main_process, naming_lost_processes, process_count
from onar.training.budget import epoch_ends, steps_that_fit
from onar.training.gan.reporting import (
    log,
    progress_record,
    report_epoch,
    save_checkpoint,
    save_final_weights,
    say,
    start_record,
    time_epoch_end,
)
from onar.training.gan.setup import Run, note_skipped, prepare, start_processes
from onar.training.gan.step import Batch, NotFiniteError
from onar.training.interruption import interruption
from onar.training.results_folder import Results, loss_names

_RUNNING = Lock()
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
    leave_to_main_process()
    with _alone():
        return _train(config)


def _train(config: TrainConfig) -> Path:
    processes = start_processes(config)
    with _naming_limits(config), naming_lost_processes(), closing(Results(config.results_dir)) as results:
        run = prepare(config, processes.device, results)
        accelerator = run.gan.accelerator
        log(run, start_record(run))
        with interruption("the last checkpoint is the newest one in checkpoints/") as interrupted:
            while run.progress.epoch < config.epochs and run.progress.step < run.total_steps and not run.is_stale():
                say(f"Epoch {run.progress.epoch + 1}/{config.epochs}")
                with _saving_what_is_done(run):
                    _train_epoch(run, interrupted)
                _end_epoch(run)
            if run.is_stale():
                say(f"Stopped early: no better {config.best_by} in {config.patience} epochs")
        if is_main_process():
            save_final_weights(run)
        accelerator.wait_for_everyone()
        say(f"Weights, sample sheets and loss curves are in {run.results.folder}")
        accelerator.end_training()
    return run.results.generator


@contextmanager
def _alone() -> Iterator[None]:
    """Refuse a second training in this process, whose settings of Accelerate would replace those of the first."""
    if not _RUNNING.acquire(blocking=False):
        raise OnarError("another training is running in this process: wait for it, or start this one as a process")
    try:
        yield
    finally:
        _RUNNING.release()


@contextmanager
def _saving_what_is_done(run: Run) -> Iterator[None]:
    """When the epoch fails between two steps, as for want of photos or memory, write a checkpoint first.

    Alone only: other processes may be in the middle of a step, or gone.
    """
    try:
        yield
    except (OnarError, OSError, MemoryError, RuntimeError):
        there = run.results.checkpoint(run.progress.step).exists()
        if process_count() == 1 and run.gan.is_whole and run.progress.step and not there:
            with suppress(OnarError, OSError, MemoryError, RuntimeError):
                save_checkpoint(run)
                say(f"Saved {run.results.checkpoint(run.progress.step)}; the same command goes on from there")
        raise


def _end_epoch(run: Run) -> None:
    """Validate, log, draw and save; what that took is what the next one is expected to take.

    Where the run ends within the epoch, its checkpoint is within the epoch, too: a longer run goes on with the rest.
    """
    began = time.monotonic()
    report_epoch(run)
    if run.steps_left_in_epoch() == 0:
        run.progress.finish_epoch()
    save_checkpoint(run)
    run.progress.epoch_end = time.monotonic() - began


def _train_epoch(run: Run, interrupted: list[int]) -> None:
    """Train to the end of the epoch, or to the last step; after that one nobody is stopped: the run's end saves."""
    config, progress, accelerator = run.config, run.progress, run.gan.accelerator
    run.batches.start(progress.epoch, progress.images)
    steps, left = run.steps_per_epoch(), run.steps_left_in_epoch()
    run.budget.start_step()
    with training_bar(total=steps, initial=steps - left, disable=not is_main_process()) as bar:
        for group in _groups(run):
            if run.begin_finetuning():
                rate = config.finetune_learning_rate_g
                say(f"Second stage after step {progress.step}: encoder batch norm frozen, learning rate {rate:g}")
            losses = _step(run, group)
            shown = {name: f"{losses[name]:.4f}" for name in loss_names(losses)}
            bar.set_postfix(shown | {"img/s": f"{progress.images_per_second:.1f}"}, refresh=False)
            bar.update()
            if losses and progress.step % config.log_every == 0:
                log(run, progress_record(run, "step", losses))
            run.budget.count_step()
            if progress.step >= run.total_steps:
                break
            if interrupted or _wants_pause(run):
                accelerator.set_trigger()
            if accelerator.check_trigger():  # in any process
                _keep_to_time(run)
                if progress.step >= run.total_steps:
                    break
                save_checkpoint(run)
                _stop_if(run, interrupted)
                run.budget.start_step()


def _wants_pause(run: Run) -> bool:
    """Whether a checkpoint is due, or the main process has to look after the time; the latter decides for all."""
    is_due = time.monotonic() - run.last_checkpoint > 60 * run.config.checkpoint_minutes
    return is_due or (is_main_process() and run.time_verdict() != "")


def _keep_to_time(run: Run) -> None:
    """Set the number of steps as soon as their speed is known, and end the run when its time is over."""
    verdict, before = from_main(run.time_verdict), run.total_steps
    if not verdict:
        return
    done, limit = run.progress.step, f"--max_minutes {run.config.max_minutes:g}"
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
    """How many more steps fit into the time that is left, with all that they bring with them."""
    step, progress = run.budget.step_seconds, run.progress
    # Checkpoints within an epoch, one of which has just taken half of `run_end`.
    step += progress.run_end / 2 * min(1.0, step / (60 * run.config.checkpoint_minutes))
    left_in_epoch, per_epoch = run.steps_left_in_epoch(), run.steps_per_epoch()

    def cost(steps: int) -> float:
        return steps * step + epoch_ends(steps, left_in_epoch, per_epoch) * progress.epoch_end + progress.run_end

    return steps_that_fit(run.budget.left, run.total_steps - progress.step, cost)


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
    say(f"Skipped step {step}: {reason}")
    log(run, {"kind": "bad_step", "epoch": run.progress.epoch + 1, "step": step, "reason": reason})


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


@contextmanager
def _naming_limits(config: TrainConfig) -> Iterator[None]:
    """Turn the errors of a machine that is too small, or has no compiler, into one line; raises `OnarError`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            half, twice = max(1, config.batch_size // 2), 2 * config.accumulation_steps
            raise OutOfMemoryError(
                f"out of memory at --batch_size {config.batch_size}, --img_size {config.img_size}: --batch_size {half} "
                f"--accumulation_steps {twice} halves what a step needs and sees as many photos; "
                "--gradient_checkpointing keeps less between the passes, and steps take longer; --mixed_precision auto "
                "halves what is kept where the processor multiplies bf16"
            ) from error
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):  # seconds to import
            reason = str(error).strip().splitlines()[0]
            raise OnarError(f"--compile failed, train without it: {reason}") from error
        raise
