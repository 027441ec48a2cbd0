"""Train on a folder of photos: `train(TrainConfig(data="./data"))`.

Read `train` for the order of things, `_train_epoch` for the loop, and `gan.py` for one step.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm import tqdm

from onar.checkpoint import load_generator, load_strictly, save_weights
from onar.config import TrainConfig
from onar.errors import OnarError, UsageError
from onar.features import load_features
from onar.files import write_text
from onar.gan import GAN, Batch, learning_rate_factor, moving_average
from onar.losses import PerceptualLoss, PixelLoss
from onar.models import Discriminator, PConvUNet
from onar.photos import EpochBatches, TrainingPhotos, find_photos, hold_out, mask_source, photo_loader
from onar.report import LOSSES, save_loss_curves, save_sample_sheet, save_validation_curves
from onar.results import Results
from onar.validation import HeldOut, Scores, complete_with, load_held_out, sample_rows, score_baselines, score_completer

SAMPLE_ROWS = 6


@dataclass
class Progress:
    """How far a run is; all of it is in the checkpoint.

    Attributes:
        epoch: finished epochs.
        batches: finished batches of the current epoch.
        step: optimiser steps so far.
        images: photos seen in the current epoch.
        sums: losses of the current epoch, each weighted by the photos of its step.
        seconds: time spent training in the current epoch.
        waiting: of these, seconds spent waiting for data.
        skipped: photos that could not be read, with the reason.
        upscaled: photos smaller than the crop.
    """

    epoch: int = 0
    batches: int = 0
    step: int = 0
    images: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    waiting: float = 0.0
    skipped: dict[str, str] = field(default_factory=dict)
    upscaled: list[int] = field(default_factory=list)

    def add(self, losses: dict[str, float], images: int) -> None:
        """Count one optimiser step."""
        self.step += 1
        self.images += images
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * images

    def averages(self) -> dict[str, float]:
        """Mean of each loss over the photos of the current epoch."""
        return {name: total / self.images for name, total in self.sums.items()}

    def finish_epoch(self) -> None:
        """Count the epoch and start the next one's sums."""
        self.epoch, self.batches, self.images, self.sums = self.epoch + 1, 0, 0, {}
        self.seconds = self.waiting = 0.0


@dataclass
class Run:
    """One training while it runs."""

    config: TrainConfig
    results: Results
    gan: GAN
    loader: DataLoader[Any]
    batches: EpochBatches
    total_steps: int
    held_out: HeldOut
    baselines: dict[str, Scores]
    progress: Progress
    last_checkpoint: float = field(default_factory=time.monotonic)


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


def start_accelerator(config: TrainConfig) -> Accelerator:
    """Set up the device and number format that `config` asks for; raises `UsageError` when they are not there."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(config.device, True):
        raise UsageError(f"--device {config.device} is not available here; use --device auto")
    on_cpu = config.device == "cpu" or not (available["cuda"] or available["mps"])
    if config.mixed_precision == "fp16" and on_cpu:
        raise UsageError("--mixed_precision fp16 needs a GPU; use bf16 or no on the CPU")
    # Accelerate keeps its settings for the life of the process; a second run must not inherit the first one's.
    AcceleratorState._reset_state(reset_partial_state=True)
    if config.track == "tensorboard" and find_spec("tensorboard") is None:
        raise OnarError('--track tensorboard needs pip install "onar[tensorboard]"')
    tracker = {"log_with": "tensorboard", "project_dir": str(config.results_dir)} if config.track != "none" else {}
    return Accelerator(cpu=on_cpu, mixed_precision=config.mixed_precision, **tracker)


def prepare(config: TrainConfig, accelerator: Accelerator) -> Run:
    """Gather everything a run needs; all that can be wrong with its settings is found here, before training."""
    training, validation = _find_photos(config)
    results = Results(config.results_dir)
    perceptual_loss = _build_perceptual_loss(config, accelerator)
    state = results.state_to_resume(config)
    batches = EpochBatches(len(training), config.batch_size, config.seed, photos_per_epoch=config.photos_per_epoch)
    steps_per_epoch = -(-len(batches) // config.accumulation_steps)
    total_steps = min(config.max_steps or config.epochs * steps_per_epoch, config.epochs * steps_per_epoch)
    gan = build_gan(config, accelerator, perceptual_loss, total_steps)
    progress = Progress()
    if state is not None:
        gan.load_state_dict(state["gan"])
        progress = Progress(**state["progress"])
        results.rewind(progress.step)
        print(f"Going on after step {progress.step} of {total_steps}")
    results.save_config(config)
    accelerator.init_trackers("tensorboard")
    height, width = config.height_width
    photos = TrainingPhotos(training, height, width, mask_source(config), config.seed, min_crop=config.min_crop)
    held_out = load_held_out(
        validation or training[:SAMPLE_ROWS], height, width, mask_source(config, validation=True), config.seed
    )
    return Run(
        config=config,
        results=results,
        gan=gan,
        loader=photo_loader(photos, batches, config.num_workers),
        batches=batches,
        total_steps=total_steps,
        held_out=held_out,
        baselines=score_baselines(held_out, config.batch_size) if validation else {},
        progress=progress,
    )


def build_gan(
    config: TrainConfig, accelerator: Accelerator, perceptual_loss: PerceptualLoss | None, total_steps: int
) -> GAN:
    """Build both networks with their optimisers; the first weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        generator = PConvUNet(config.base_channels, config.depth, config.base_fill)
        discriminator = Discriminator(config.height_width, config.discriminator_channels, config.discriminator)
    if config.init_weights is not None:
        load_strictly(generator, load_generator(config.init_weights).state_dict(), config.init_weights)
    if config.freeze_batch_norm:
        generator.freeze_encoder_norm()
    networks = [
        network.to(accelerator.device).to(memory_format=torch.channels_last) for network in (generator, discriminator)
    ]
    average = (
        AveragedModel(generator, multi_avg_fn=moving_average(config.ema_decay), use_buffers=True)
        if config.ema_decay
        else None
    )
    betas = (config.adam_beta1, config.adam_beta2)
    rates = (config.learning_rate_g, config.learning_rate_d)
    optimizers = [
        Adam([weight for weight in network.parameters() if weight.requires_grad], rate, betas)
        for network, rate in zip(networks, rates, strict=True)
    ]
    factor = learning_rate_factor(config.lr_schedule, config.warmup_steps, total_steps)
    schedules = [LambdaLR(optimizer, factor) for optimizer in optimizers]
    generator, discriminator, optimizer_g, optimizer_d = accelerator.prepare(*networks, *optimizers)
    return GAN(
        accelerator=accelerator,
        generator=generator,
        discriminator=discriminator,
        optimizer_g=optimizer_g,
        optimizer_d=optimizer_d,
        schedules=schedules,
        weights=config.loss_weights(),
        pixel_loss=PixelLoss(config.hole_weight),
        perceptual_loss=perceptual_loss,
        average=average,
    )


def _find_photos(config: TrainConfig) -> tuple[list[Path], list[Path]]:
    photos = find_photos(config.data)
    if config.val_data is not None:
        return photos, find_photos(config.val_data)
    return hold_out(photos, config.val_share, config.seed)


def _build_perceptual_loss(config: TrainConfig, accelerator: Accelerator) -> PerceptualLoss | None:
    if not (config.lambda_content or config.lambda_style):
        return None
    features = load_features(config.content_network, config.content_weights)
    features.to(accelerator.device).to(memory_format=torch.channels_last)
    return PerceptualLoss(features, style=config.lambda_style > 0)


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
            bar.set_postfix({name: f"{losses[name]:.4f}" for name in LOSSES} | {"img/s": f"{_speed(progress):.1f}"})
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
    group: list[Batch] = []
    waiting_since = time.perf_counter()
    for sample in run.loader:
        _note_unusual_photos(run, sample)
        group.append((sample["photo"], sample["known"]))
        if len(group) < run.config.accumulation_steps:
            continue
        waited = time.perf_counter() - waiting_since
        run.progress.waiting += waited
        run.progress.seconds += waited
        yield group
        group, waiting_since = [], time.perf_counter()
    if group:
        yield group


def _note_unusual_photos(run: Run, sample: dict[str, Any]) -> None:
    """Name each unreadable photo once, and count the photos that had to be enlarged."""
    progress = run.progress
    for line in filter(None, "\n".join(sample["unreadable"]).splitlines()):
        path, _, reason = line.partition(": ")
        if path not in progress.skipped:
            progress.skipped[path] = reason
            tqdm.write(f"Skipped {line}")
            write_text(run.results.skipped, "".join(f"{p}: {why}\n" for p, why in progress.skipped.items()))
    small = sample["index"][sample["upscaled"]].tolist()
    progress.upscaled = sorted({*progress.upscaled, *small})


def _check_finite(run: Run, losses: dict[str, float]) -> None:
    wrong = [name for name, value in losses.items() if not torch.isfinite(torch.tensor(value))]
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
        "images_per_second": _speed(progress),
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


def _speed(progress: Progress) -> float:
    return progress.images / max(progress.seconds, 1e-9)


def _save_checkpoint(run: Run) -> Path:
    path = run.results.save_checkpoint(
        {"gan": run.gan.state_dict(), "progress": asdict(run.progress)}, run.progress.step
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
