"""The networks, optimisers and learning rate schedules of a run before its first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from onar.checkpoint import copy_into, load_generator
from onar.errors import FieldError, OnarError
from onar.metrics.feature_networks import load_lite_encoder
from onar.models import GENERATORS, Discriminator
from onar.settings.training import TrainConfig, loss_weights
from onar.training.gan.step import GAN
from onar.training.learning import MovingAverage, RateFactor, learning_rate_factor
from onar.training.reporting import say
from onar.weights.bundled import weights_file


def build_gan(config: TrainConfig, accelerator: Accelerator, features: nn.Module | None, total_steps: int) -> GAN:
    """Build both networks with their optimisers; the first weights depend on the seed alone.

    `features` is the feature network of the losses, where one needs it; learning rate schedules end with `total_steps`.
    """
    generator, discriminator = _build_networks(config)
    networks = [
        network.to(accelerator.device).to(memory_format=torch.channels_last) for network in (generator, discriminator)
    ]
    average = MovingAverage(generator, config.ema_decay, use_buffers=True) if config.ema_decay else None
    betas = (config.adam_beta1, config.adam_beta2)
    rates = (config.learning_rate_g, config.learning_rate_d)
    optimizers = [
        Adam([weight for weight in network.parameters() if weight.requires_grad], rate, betas, fused=True)
        for network, rate in zip(networks, rates, strict=True)
    ]
    if config.compile:  # in place: the names of the weights stay, and the average and validation are not compiled
        for network in networks:
            network.compile()
    factors = learning_rate_factors(config, total_steps)
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
        features=features,
        hole_weight=config.hole_weight,
        average=average,
        max_grad_norm=config.max_grad_norm,
    )


def _build_networks(config: TrainConfig) -> tuple[nn.Module, Discriminator]:
    """Generator and discriminator as they are before the first step."""
    path = None if config.init_weights is None else weights_file(config.init_weights)
    start = None if path is None else load_generator(path)
    if path is not None and (found := getattr(start, "channels", config.channels)) != config.channels:
        raise OnarError(
            f"{path} holds a network for photos of {found} channels, and this run has `channels` {config.channels}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        generator = _build_generator(config, start)
        discriminator = Discriminator(
            config.height_width, config.discriminator_channels, config.discriminator, channels=config.channels
        )
    if path is not None and start is not None:
        copy_into(generator, start, path)
        _say_lost_window(start, path)
    if config.freeze_batch_norm:
        generator.freeze_encoder_norm()
    if colours := getattr(generator, "colours", None):  # trained by `onar colours`, on far more holes than a run sees
        colours.requires_grad_(False)
    return generator, discriminator


def _say_lost_window(start: nn.Module, path: Path) -> None:
    """Say how the result gets the correction window of the weights that a run starts from, which has none itself."""
    if window := getattr(start, "correction_window", 0):
        say(
            f"{path.name} has a correction window of {window} pixels, with which no run trains: "
            f"`onar export --correction_window {window}` gives it to the result"
        )


OPTIONAL = {
    "freeze_batch_norm": "freeze_encoder_norm",
    "finetune_share": "hold_encoder_norm",
    "gradient_checkpointing": "gradient_checkpointing",
}
"""Settings that not every generator can follow, and the attribute of those that can."""


def _build_generator(config: TrainConfig, start: nn.Module | None) -> Any:
    """The generator that `config` names, by the settings with the names of its arguments; raises `UsageError`."""
    if config.generator not in GENERATORS:
        raise FieldError("generator", f"is one of {', '.join(GENERATORS)}, not {config.generator}")
    build = GENERATORS[config.generator]
    has_features = getattr(start, "pretrained_features", False)
    settings = {
        **vars(config),
        "normalised": config.base_fill == "none" and getattr(start, "normalised", False),
        "colour_channels": getattr(start, "colour_channels", 0),
        "pretrained_features": config.pretrained_features or (has_features and config.base_fill == "pyramid"),
    }
    names = build.arguments.keys() & settings.keys()
    generator: Any = build(**{name: settings[name] for name in names})
    if not list(generator.parameters()):
        raise FieldError("generator", f"{config.generator} has nothing to train")
    if (taken := getattr(generator, "channels", 3)) != config.channels:
        raise FieldError("channels", f"must be {taken} for `generator` {config.generator}, not {config.channels}")
    for setting, attribute in OPTIONAL.items():
        if getattr(config, setting) and not hasattr(generator, attribute):
            raise FieldError(setting, f"is not for `generator` {config.generator}")
    if getattr(generator, "pretrained_features", False):
        generator.features.encoder.requires_grad_(False)
        if not has_features:
            load_lite_encoder(generator.features.encoder)
    if config.gradient_checkpointing:
        generator.gradient_checkpointing = True
    return generator


def finetune_start(config: TrainConfig, total_steps: int) -> int:
    """Steps before the second stage; all of them where there is none."""
    return total_steps - round(config.finetune_share * total_steps)


def learning_rate_factors(config: TrainConfig, total_steps: int) -> tuple[RateFactor, ...]:
    """Factors on the learning rates of the generator and of the discriminator."""
    factor = learning_rate_factor(config.lr_schedule, config.warmup_steps, total_steps)
    if not config.finetune_share:
        return factor, factor
    start, second = finetune_start(config, total_steps), config.finetune_learning_rate_g / config.learning_rate_g
    return lambda step: factor(step) * (second if step >= start else 1.0), factor
