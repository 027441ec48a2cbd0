"""The two networks of one training and how one optimiser step changes them.

The generator completes the photos of a batch once. The discriminator learns on the detached composites, the
generator on the weighted sum of its loss terms; both gradients are taken at the same weights, then both networks
move. So gradients add up the same way over several batches (`accumulation_steps`), and the discriminator's
predictions for the photos serve both networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from onar.losses import (
    PerceptualLoss,
    PixelLoss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
    total_variation,
)
from onar.masks import composite

Batch = tuple[Tensor, Tensor]  # photo B x 3 x H x W uint8, known B x 1 x H x W uint8
LOSS_NAMES = {
    "pixel": "Pixel_loss",
    "content": "Content_loss",
    "adv": "Adv_loss",
    "style": "Style_loss",
    "tv": "TV_loss",
}


@dataclass
class GAN:
    """Generator and discriminator with everything that trains them.

    Attributes:
        accelerator: places tensors, scales and synchronises gradients.
        generator: (photo * known, known) -> completed; prepared by the accelerator, as are the next three.
        discriminator: photo or composite -> logits.
        optimizer_g: the generator's optimiser.
        optimizer_d: the discriminator's optimiser.
        schedules: learning-rate schedules of the generator's and of the discriminator's optimiser.
        weights: the weight of each generator term by name: pixel, content, adv, style, tv. A term that weighs 0 is
            not computed; without adv the discriminator does not learn either.
        pixel_loss: the pixel term.
        perceptual_loss: the content and style terms; None when both weigh 0.
        average: exponential moving average of the generator, when one is kept.
    """

    accelerator: Accelerator
    generator: nn.Module
    discriminator: nn.Module
    optimizer_g: Any
    optimizer_d: Any
    schedules: Sequence[LambdaLR]
    weights: dict[str, float]
    pixel_loss: PixelLoss
    perceptual_loss: PerceptualLoss | None
    average: AveragedModel | None = None

    def step(self, group: Sequence[Batch]) -> dict[str, float]:
        """Take one optimiser step on the mean loss over a group of batches; returns the mean of each loss."""
        sums: dict[str, Tensor] = {}
        for position, batch in enumerate(group):
            with self._synchronised(position == len(group) - 1):
                for name, value in self._backward(batch, 1 / len(group)).items():
                    sums[name] = sums.get(name, torch.zeros_like(value)) + value / len(group)
        # One transfer for all losses: reading them one by one would make a GPU wait each time.
        values = torch.stack(list(sums.values())).tolist()
        losses = dict(zip(sums, values, strict=True))
        if all(map(math.isfinite, values)):
            self._update()
        return losses

    def discriminator_step(self, photo: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
        """RaGAN loss of the discriminator on photos and detached composites, and its logits for the photos."""
        # Without batch norm the halves do not see each other, so one call does for both.
        real, fake = self.discriminator(torch.cat([photo, whole.detach()])).chunk(2)
        return relativistic_discriminator_loss(real, fake), real.detach()

    def generator_step(
        self, photo: Tensor, known: Tensor, completed: Tensor, whole: Tensor, real: Tensor | None
    ) -> dict[str, Tensor]:
        """Unweighted loss terms of the generator; `real` are the discriminator's logits for the photos."""
        terms = {"pixel": self.pixel_loss(completed, photo, known)}
        if self.perceptual_loss is not None:
            with self.accelerator.autocast():
                terms.update(self.perceptual_loss(completed, whole, photo))
        if real is not None:
            # Unwrapped: this pass leaves the discriminator's parameters alone, so there is nothing to synchronise.
            discriminator = self.accelerator.unwrap_model(self.discriminator)
            with _frozen(discriminator):
                terms["adv"] = relativistic_generator_loss(real, discriminator(whole))
        if self.weights["tv"]:
            terms["tv"] = total_variation(whole, known)
        return terms

    @property
    def kept_generator(self) -> nn.Module:
        """The generator whose weights are validated and kept: the average when there is one."""
        network = self.average.module if self.average else self.accelerator.unwrap_model(self.generator)
        assert isinstance(network, nn.Module)
        return network

    def state_dict(self) -> dict[str, Any]:
        """Everything a later process needs to go on exactly here."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        parts = {
            "generator": self.accelerator.unwrap_model(self.generator),
            "discriminator": self.accelerator.unwrap_model(self.discriminator),
            "optimizer_g": self.optimizer_g,
            "optimizer_d": self.optimizer_d,
            **{f"schedule_{i}": schedule for i, schedule in enumerate(self.schedules)},
            "average": self.average,
            "scaler": self.accelerator.scaler,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _backward(self, batch: Batch, share: float) -> dict[str, Tensor]:
        """Add one batch's gradients, scaled by its share of the group; returns the losses by printed name."""
        photo, known = self._to_device(batch)
        completed = self.generator(photo * known, known)
        whole = composite(photo, completed, known)
        d_loss, real = torch.zeros((), device=photo.device), None
        if self.weights["adv"]:
            d_loss, real = self.discriminator_step(photo, whole)
            self.accelerator.backward(d_loss * share)
        terms = self.generator_step(photo, known, completed, whole, real)
        g_loss = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        self.accelerator.backward(g_loss * share)
        zero = torch.zeros_like(g_loss)
        named = {
            printed: terms.get(name, zero)
            for name, printed in LOSS_NAMES.items()
            if name in terms or name in ("content", "adv")
        }
        return {name: loss.detach().float() for name, loss in {"D_loss": d_loss, "G_loss": g_loss, **named}.items()}

    def _update(self) -> None:
        learners = list(zip((self.optimizer_g, self.optimizer_d), self.schedules, strict=True))
        for optimizer, schedule in learners if self.weights["adv"] else learners[:1]:
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        if self.average is not None:
            self.average.update_parameters(self.accelerator.unwrap_model(self.generator))

    def _to_device(self, batch: Batch) -> Batch:
        photo, known = (part.to(self.accelerator.device, non_blocking=True).float() for part in batch)
        return (photo / 255).contiguous(memory_format=torch.channels_last), known

    @contextmanager
    def _synchronised(self, last: bool) -> Iterator[None]:
        """Let processes exchange gradients only with the last batch of a group."""
        with ExitStack() as stack:
            if not last:
                stack.enter_context(self.accelerator.no_sync(self.generator))
                stack.enter_context(self.accelerator.no_sync(self.discriminator))
            yield


def moving_average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Exponential moving average for `AveragedModel`, quicker at first so that the initial weights are forgotten."""

    @torch.no_grad()
    def average(averaged: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        now = min(decay, (1 + float(updates)) / (10 + float(updates)))
        for kept, new in zip(averaged, current, strict=True):
            kept.lerp_(new, 1 - now) if kept.is_floating_point() else kept.copy_(new)

    return average


def learning_rate_factor(schedule: str, warmup_steps: int, total_steps: int) -> Callable[[int], float]:
    """Factor on the learning rate after so many steps: a linear rise, then constant or half a cosine down to 0."""

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / (warmup_steps + 1))
        if schedule == "constant":
            return rise
        done = max(0, step - warmup_steps) / max(1, total_steps - warmup_steps)
        return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    return factor


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Let gradients pass through a network without reaching its parameters."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
