"""One training run: put together from its configuration, with everything that can be wrong with that found first."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
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

from onar.batches import EpochBatches, photo_loader
from onar.checkpoint import load_generator, load_strictly
from onar.config import TrainConfig
from onar.devices import choose_device
from onar.errors import OnarError, UsageError
from onar.features import load_features
from onar.files import write_text
from onar.gan import GAN, learning_rate_factor, moving_average
from onar.losses import PerceptualLoss, PixelLoss
from onar.models import Discriminator, PConvUNet
from onar.photos import TrainingPhotos, find_photos, hold_out, mask_source
from onar.results import Results
from onar.validation import HeldOut, Scores, load_held_out, score_baselines

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
        upscaled: photos smaller than the crop, by index.
    """

    epoch: int = 0
    batches: int = 0
    step: int = 0
    images: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    waiting: float = 0.0
    skipped: dict[str, str] = field(default_factory=dict)
    upscaled: dict[int, bool] = field(default_factory=dict)

    def add(self, losses: dict[str, float], images: int) -> None:
        """Count one optimiser step."""
        self.step += 1
        self.images += images
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * images

    @property
    def images_per_second(self) -> float:
        """Speed in the current epoch, waiting for data included."""
        return self.images / max(self.seconds, 1e-9)

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


def start_accelerator(config: TrainConfig) -> Accelerator:
    """Set up the device and number format that `config` asks for; raises `UsageError` when they are not there."""
    on_cpu = choose_device(config.device).type == "cpu"
    if config.mixed_precision == "fp16" and on_cpu:
        raise UsageError("--mixed_precision fp16 needs a GPU; use bf16 or no on the CPU")
    # Accelerate keeps its settings for the life of the process; a second run must not inherit the first one's.
    AcceleratorState._reset_state(reset_partial_state=True)
    if config.track == "tensorboard" and find_spec("tensorboard") is None:
        raise OnarError('--track tensorboard needs pip install "onar[tensorboard]"')
    tracker = {"log_with": "tensorboard", "project_dir": str(config.results_dir)} if config.track != "none" else {}
    accelerator = Accelerator(cpu=on_cpu, mixed_precision=config.mixed_precision, **tracker)
    if accelerator.num_processes > 1:
        raise OnarError("training runs in one process for now: start it with `onar train`, without a launcher")
    return accelerator


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
    run = Run(
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
    for line in held_out.unreadable if validation else ():
        note_skipped(run, line)
    return run


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


def note_skipped(run: Run, line: str) -> None:
    """Name an unreadable photo, `file: reason`, the first time it is met."""
    path, _, reason = line.partition(": ")
    skipped = run.progress.skipped
    if path not in skipped:
        skipped[path] = reason
        tqdm.write(f"Skipped {line}")
        write_text(run.results.skipped, "".join(f"{path}: {reason}\n" for path, reason in skipped.items()))
