"""One training run: put together from its configuration, with everything that can be wrong with that found first."""

from __future__ import annotations

import math
import os
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Literal

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin, TorchDynamoPlugin, parse_flag_from_env
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from onar.checkpoint import copy_into, load_generator
from onar.data.batches import EpochBatches
from onar.data.from_config import TrainingData, find_training_data, open_loader, split_as_before, start_batches
from onar.errors import OnarError, UsageError
from onar.metrics.feature_networks import load_features
from onar.metrics.held_out import HeldOut, Scores, load_held_out, score_baselines
from onar.models import Discriminator, PConvUNet
from onar.settings.training import Precision, TrainConfig, loss_weights
from onar.system.console import say, warn
from onar.system.devices import choose_device
from onar.system.files import write_text
from onar.system.processes import (
    from_main,
    gather,
    is_main_process,
    naming_lost_processes,
    process_count,
    process_index,
)
from onar.training.budget import Budget
from onar.training.gan.step import GAN, learning_rate_factor, moving_average
from onar.training.losses import PerceptualLoss, PixelLoss
from onar.training.precision import choose_precision
from onar.training.progress import Progress
from onar.training.results_folder import (
    LOWER_IS_BETTER,
    Checkpoint,
    Results,
    has_other_length,
    kept_precision,
    told_changes,
)
from onar.weights.bundled import weights_file
from onar.weights.metadata import NEWER

SAMPLE_ROWS = 6
OTHER_ENGINES = ("DEEPSPEED", "FSDP", "MEGATRON_LM", "PARALLELISM_CONFIG")
"""What `accelerate launch` can ask for beside copies of whole networks."""
MPI_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""Where MPI says how many processes there are, as Accelerate reads it on CPUs."""


@dataclass
class Run:
    """One training while it runs.

    `photos` is what `TrainingData.record` says of them, and `validates` whether some are held out for that.
    """

    config: TrainConfig
    results: Results
    gan: GAN
    loader: Iterable[dict[str, Any]]
    batches: EpochBatches
    photos: dict[str, Any]
    total_steps: int
    held_out: HeldOut
    validates: bool
    progress: Progress
    budget: Budget
    last_checkpoint: float = field(default_factory=time.monotonic)

    @cached_property
    def baselines(self) -> dict[str, Scores]:
        """Scores of fills that learn nothing, computed at the first validation: the first step need not wait for it."""
        with self.budget.repeated_work():
            return score_baselines(self.held_out, self.config.batch_size)

    def steps_left_in_epoch(self) -> int:
        """Steps that the photos of the current epoch still take."""
        return _steps(self.config, self.batches, self.progress.images)

    def steps_per_epoch(self) -> int:
        """Steps of a whole epoch."""
        return _steps(self.config, self.batches, 0)

    def time_verdict(self) -> Literal["", "plan", "over"]:
        """What --max_minutes asks for after a step: nothing, to set the number of steps, or to end the run here."""
        progress = self.progress
        if self.config.max_minutes is None or progress.step >= self.total_steps:
            return ""
        epoch_ends = 1 if self.steps_left_in_epoch() else 2
        if self.budget.left < self.budget.latest_step + epoch_ends * progress.epoch_end + progress.run_end:
            return "over"
        return "plan" if not progress.planned_steps and self.budget.knows_speed else ""

    def end_after(self, steps: int) -> None:
        """Let the run have so many steps in all, and its learning rates end with the last one."""
        self.total_steps = self.progress.planned_steps = steps
        for schedule, factor in zip(self.gan.schedules, _learning_rate_factors(self.config, steps), strict=True):
            schedule.lr_lambdas = [factor]

    def begin_finetuning(self) -> bool:
        """Freeze the encoder's batch norm when the next step is the first one of the second stage; whether it is."""
        is_due = self.config.finetune_share > 0 and self.progress.step >= _finetune_start(self.config, self.total_steps)
        return is_due and self.gan.freeze_encoder_norm()

    def note_scores(self, scores: Scores) -> None:
        """Remember this step when it has the best score of those whose checkpoints are in the results folder."""
        progress, score = self.progress, scores[self.config.best_by]
        best = progress.best_score if self.results.checkpoint(progress.best_step).exists() else None
        lower_is_better = self.config.best_by in LOWER_IS_BETTER
        if best is None or (score < best if lower_is_better else score > best):
            progress.best_step, progress.best_score, progress.stale_epochs = progress.step, score, 0
        else:
            progress.stale_epochs += 1

    def is_stale(self) -> bool:
        """Whether validation has not become better for as many epochs as --patience allows."""
        return self.config.patience is not None and self.progress.stale_epochs >= self.config.patience


def trains_on_cpu(config: TrainConfig) -> bool:
    """Whether the run is on the CPU, by its settings or those of a launcher; raises `UsageError` without the device."""
    return choose_device(config.device).type == "cpu" or parse_flag_from_env("ACCELERATE_USE_CPU")


def start_processes(config: TrainConfig) -> PartialState:
    """Take the device that `config` asks for, and meet the other processes of the training when there are any.

    Raises:
        UsageError: the device is not there, or cannot compute what is asked for.
        OnarError: the tracker is missing, another process was lost, or a launcher started something else.
    """
    on_cpu = trains_on_cpu(config)
    refuse_launch(on_cpu)
    if (gpu := choose_device(config.device)).index is not None:
        if "LOCAL_RANK" in os.environ:
            raise UsageError(f"--device {config.device} is one GPU, and each process takes its own: use cuda or auto")
        torch.cuda.set_device(gpu)
    if config.mixed_precision == "fp16" and on_cpu:
        raise UsageError("--mixed_precision fp16 needs a GPU; use auto")
    if config.track != "none" and find_spec(config.track) is None:
        raise OnarError(f'--track {config.track} needs pip install "onar[{config.track}]"')
    # Accelerate keeps its settings for the life of the process; a second run must not inherit the first one's.
    AcceleratorState._reset_state(reset_partial_state=True)
    with naming_lost_processes():
        processes = PartialState(cpu=on_cpu, timeout=timedelta(minutes=config.process_timeout))
    check_launch(processes)
    return processes


def start_accelerator(config: TrainConfig, precision: Precision) -> Accelerator:
    """What places tensors and scales gradients, for a number format, once the processes have met."""
    AcceleratorState._reset_state()
    tracker = {"log_with": config.track, "project_dir": str(config.results_dir)} if config.track != "none" else {}
    return Accelerator(
        cpu=PartialState().device.type == "cpu",
        mixed_precision=precision,
        # Said here, or a launcher's environment would decide.
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        dynamo_plugin=TorchDynamoPlugin(backend="no"),
        **tracker,
    )


def refuse_launch(on_cpu: bool) -> None:
    """Raise `UsageError` when a launcher's environment asks for what a training cannot do."""
    for name in OTHER_ENGINES:
        if parse_flag_from_env(f"ACCELERATE_USE_{name}"):
            raise UsageError(
                f"ACCELERATE_USE_{name} is set, but every process of a training keeps whole networks: start it with "
                "torchrun, or with accelerate launch without that engine"
            )
    for name in ("WORLD_SIZE", *(MPI_SIZES if on_cpu else ())):
        count = os.environ.get(name, "1")
        if not count.isdecimal():
            raise UsageError(f"{name} is {count!r}, not the number of processes that train together: unset it")
        if int(count) > 1 and not os.environ.get("MASTER_ADDR"):
            raise UsageError(
                f"{name} says that {count} processes train together, but MASTER_ADDR does not say where they meet: "
                f"start them with torchrun, or unset {name} to train in one"
            )


def check_launch(processes: PartialState) -> None:
    """Find out that a launcher and this process disagree on how many train together; raises `OnarError`."""
    if int(os.environ.get("WORLD_SIZE", "1")) > processes.num_processes:
        raise OnarError(
            f"several processes were started, but each would train alone on {processes.device.type}: start one with "
            "`onar train`, or several with torchrun for CUDA or --device cpu"
        )
    if processes.num_processes == 1 and {"ACCELERATE_MIXED_PRECISION", "MASTER_PORT"} <= os.environ.keys():
        warn(
            "onar: training in one process; where there is one GPU or none, `accelerate launch` starts several only "
            "with --multi_gpu"
        )


def prepare(config: TrainConfig, device: torch.device, results: Results) -> Run:
    """Gather everything a run needs; all that can be wrong with its settings is found here, before training.

    What an earlier run left in the results folder is removed only after that.

    Args:
        config: the settings.
        device: where `start_processes` has found that this process computes.
        results: the folder, not yet open.
    """
    budget = Budget(60 * (config.max_minutes or math.inf))
    data = from_main(lambda: find_training_data(config))
    perceptual_loss = _build_perceptual_loss(config, device)
    checkpoint = from_main(lambda: _open_results(results, config))
    progress = Progress.from_state(checkpoint.state["progress"]) if checkpoint else Progress()
    if checkpoint is not None and checkpoint.state["config"].get("best_by", "psnr") != config.best_by:
        progress.best_step, progress.best_score, progress.stale_epochs = 0, None, 0
    if checkpoint is not None and "photos" in checkpoint.state:  # those of earlier versions do not say
        data = _split_as_before(data, checkpoint.state["photos"], progress)
    if checkpoint is not None:
        budget.go_on(progress.spent)
        if has_other_length(checkpoint.state, config):
            progress.planned_steps = 0
    kept = kept_precision(checkpoint.state) if checkpoint else None
    progress.mixed_precision = from_main(lambda: choose_precision(config.mixed_precision, kept, device))
    accelerator = start_accelerator(config, progress.mixed_precision)
    batches = start_batches(config, data, process_index(), process_count())
    progress.images = min(progress.images, batches.photos_per_epoch)  # of an epoch that has become shorter
    if config.patience is not None and not len(data.held_out):
        raise UsageError("--patience needs photos for validation: --val_share above 0, or --val_data")
    total_steps = _total_steps(config, batches, progress)
    gan = build_gan(config, accelerator, perceptual_loss, total_steps)
    if checkpoint is not None:
        _restore(gan, checkpoint)
        gan.set_rates(config.learning_rate_g, config.learning_rate_d)
        if is_main_process():
            changes = told_changes(checkpoint.state, config)
            say(f"Going on after step {progress.step} of {total_steps}" + (f": {changes}" if changes else ""))
    height, width = config.height_width
    shown = data.held_out or data.first(SAMPLE_ROWS)
    held_out = load_held_out(shown, height, width, data.held_out_masks, config.seed, config.channels)
    loader = open_loader(config, data, batches, progress.stream, pin_memory=device.type == "cuda")
    from_main(lambda: _start_results(results, config, checkpoint, gan.state_bytes))
    _start_tracker(config, accelerator, progress)
    run = Run(
        config=config,
        results=results,
        gan=gan,
        loader=loader,
        batches=batches,
        photos=data.record(),
        total_steps=total_steps,
        held_out=held_out,
        validates=len(data.held_out) > 0,
        progress=progress,
        budget=budget,
    )
    for line in held_out.unreadable if run.validates else ():
        note_skipped(run, line)
    return run


def _start_tracker(config: TrainConfig, accelerator: Accelerator, progress: Progress) -> None:
    """Start what `--track` asks for; a run that goes on goes on there, too."""
    progress.tracking_id = from_main(lambda: progress.tracking_id or secrets.token_hex(8))
    if config.track == "tensorboard":  # the name of the folder
        # What a stopped run had written after its last checkpoint is about to happen again.
        accelerator.init_trackers("tensorboard", init_kwargs={"tensorboard": {"purge_step": progress.step + 1}})
    elif config.track == "wandb":
        run = {"name": config.results_dir.name, "dir": config.results_dir, "id": progress.tracking_id}
        accelerator.init_trackers("onar", config=config.to_plain(), init_kwargs={"wandb": {**run, "resume": "allow"}})


def _split_as_before(data: TrainingData, before: dict[str, Any], progress: Progress) -> TrainingData:
    """The photos as a run that goes on has parted them; says so when they are others than before."""
    data, changed = from_main(lambda: split_as_before(data, before))
    if changed:
        progress.upscaled = {}  # counted by indices that now mean other photos
        if is_main_process():
            say(changed)
    return data


def _restore(gan: GAN, checkpoint: Checkpoint) -> None:
    try:
        gan.load_state_dict(checkpoint.state["gan"])
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise OnarError(f"{checkpoint.path} does not fit these networks ({reason}){NEWER}") from error


def _open_results(results: Results, config: TrainConfig) -> Checkpoint | None:
    results.open()
    return results.find_checkpoint(config)


def _start_results(results: Results, config: TrainConfig, checkpoint: Checkpoint | None, state_bytes: int) -> None:
    results.refuse_small_disk(state_bytes)
    results.start(config, checkpoint)


def _total_steps(config: TrainConfig, batches: EpochBatches, progress: Progress) -> int:
    """Steps of the whole run: those made, and those that the photos which are left take."""
    in_this_epoch, in_an_epoch = (_steps(config, batches, done) for done in (progress.images, 0))
    steps = progress.step + in_this_epoch + (config.epochs - progress.epoch - 1) * in_an_epoch
    return min(config.max_steps or steps, progress.planned_steps or steps, steps)


def _steps(config: TrainConfig, batches: EpochBatches, images: int) -> int:
    """Steps that an epoch has left after so many of its photos."""
    return -(-batches.count(images) // config.accumulation_steps)


def build_gan(
    config: TrainConfig, accelerator: Accelerator, perceptual_loss: PerceptualLoss | None, total_steps: int
) -> GAN:
    """Build both networks with their optimisers; the first weights depend on the seed alone."""
    generator, discriminator = _build_networks(config)
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
        Adam([weight for weight in network.parameters() if weight.requires_grad], rate, betas, fused=True)
        for network, rate in zip(networks, rates, strict=True)
    ]
    if config.compile:  # in place: the names of the weights stay, and the average and validation are not compiled
        for network in networks:
            network.compile()
    factors = _learning_rate_factors(config, total_steps)
    schedules = [LambdaLR(optimizer, factor) for optimizer, factor in zip(optimizers, factors, strict=True)]
    generator, discriminator, optimizer_g, optimizer_d = accelerator.prepare(*networks, *optimizers)
    return GAN(
        accelerator=accelerator,
        generator=generator,
        discriminator=discriminator,
        optimizer_g=optimizer_g,
        optimizer_d=optimizer_d,
        schedules=schedules,
        weights=loss_weights(config),
        pixel_loss=PixelLoss(config.hole_weight),
        perceptual_loss=perceptual_loss,
        average=average,
        max_grad_norm=config.max_grad_norm,
    )


def _build_networks(config: TrainConfig) -> tuple[PConvUNet, Discriminator]:
    """Generator and discriminator as they are before the first step."""
    path = None if config.init_weights is None else weights_file(config.init_weights)
    start = None if path is None else load_generator(path)
    if path is not None and (found := getattr(start, "channels", config.channels)) != config.channels:
        raise OnarError(
            f"{path} holds a network for photos of {found} channels, and this run has --channels {config.channels}"
        )
    normalised = config.base_fill == "none" and getattr(start, "normalised", False)
    colour_channels = getattr(start, "colour_channels", 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        generator = PConvUNet(
            config.base_channels,
            config.depth,
            config.base_fill,
            normalised=normalised,
            colour_channels=colour_channels,
            channels=config.channels,
        )
        discriminator = Discriminator(
            config.height_width, config.discriminator_channels, config.discriminator, channels=config.channels
        )
    if path is not None and start is not None:
        copy_into(generator, start, path)
    if config.freeze_batch_norm:
        generator.freeze_encoder_norm()
    if generator.colours:  # trained for themselves, and on far more holes than a run sees
        generator.colours.requires_grad_(False)
    generator.gradient_checkpointing = config.gradient_checkpointing
    return generator, discriminator


def _finetune_start(config: TrainConfig, total_steps: int) -> int:
    """Steps before the second stage; all of them where there is none."""
    return total_steps - round(config.finetune_share * total_steps)


def _learning_rate_factors(config: TrainConfig, total_steps: int) -> tuple[Callable[[int], float], ...]:
    """Factors on the learning rates of the generator and of the discriminator after so many steps."""
    factor = learning_rate_factor(config.lr_schedule, config.warmup_steps, total_steps)
    if not config.finetune_share:
        return factor, factor
    start, second = _finetune_start(config, total_steps), config.finetune_learning_rate_g / config.learning_rate_g
    return lambda step: factor(step) * (second if step >= start else 1.0), factor


def _build_perceptual_loss(config: TrainConfig, device: torch.device) -> PerceptualLoss | None:
    if not (config.lambda_content or config.lambda_style):
        return None
    features = load_features(config.content_network, config.content_weights)
    features.to(device).to(memory_format=torch.channels_last)
    return PerceptualLoss(features, style=config.lambda_style > 0)


def note_skipped(run: Run, line: str) -> None:
    """Name an unreadable photo, `file: reason`, the first time it is met."""
    skipped = run.progress.skipped
    if line in skipped:
        return
    skipped.append(line)
    if is_main_process():
        say(f"Skipped {line}")
        write_text(run.results.skipped, "".join(f"{line}\n" for line in skipped))


def share_unusual_photos(run: Run) -> None:
    """Let every process know which photos the others found unreadable or small."""
    for skipped, upscaled in gather((run.progress.skipped, run.progress.upscaled)):
        for line in skipped:
            note_skipped(run, line)
        run.progress.upscaled |= upscaled
