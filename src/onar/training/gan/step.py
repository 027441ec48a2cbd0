"""Generator and discriminator, and one optimiser step of both.

The generator completes the photos of a batch once. The discriminator learns on the detached composites, the
generator on the weighted sum of its loss terms; both gradients are taken at the same weights, then both networks
move. So gradients add up the same way over several batches (`accumulation_steps`), and the discriminator's
predictions for the photos serve both networks.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR

from onar.data.samples import in_unit_range
from onar.masks.holes import composite
from onar.system.processes import mean_over_processes
from onar.training.learning import MovingAverage, NotFiniteError, advance, frozen, join_states, load_states, set_rate
from onar.training.losses import (
    GENERATOR_LOSSES,
    Comparison,
    compute_losses,
    printed_losses,
    relativistic_discriminator_loss,
    weighted_sum,
)

Batch = tuple[Tensor, Tensor]  # photo B×H×W×C uint8, or float32 in [0, 1], known B×1×H×W uint8
Saved = tuple[Tensor, Tensor]  # a buffer, and what it held before
GRADIENT_NORMS = ("G_gradient_norm", "D_gradient_norm")


@dataclass
class GAN:
    """Generator and discriminator with everything that trains them."""

    accelerator: Accelerator  # places tensors, scales and synchronises gradients; it has prepared the next four
    generator: nn.Module  # (photo * known, known) -> completed
    discriminator: nn.Module  # photo or composite -> logits
    optimizer_g: Any
    optimizer_d: Any
    schedules: Sequence[LambdaLR]
    # the weight of each of `GENERATOR_LOSSES` by name. Without adv the discriminator does not learn either
    weights: dict[str, float]
    features: nn.Module | None  # the feature network of the losses; None when none needs it
    hole_weight: float = 1.0
    average: MovingAverage | None = None  # exponential moving average (EMA) of the generator, when one is kept
    max_grad_norm: float = 0.0  # clip each network's gradient norm to this; 0 does not clip
    # both networks are after the same step: not during an update, nor after one that failed
    is_whole: bool = field(default=True, init=False)
    _held: Sequence[nn.Parameter] = field(default=(), init=False)  # weights that no longer learn

    def step(self, group: Sequence[Batch]) -> dict[str, float]:
        """Take one optimiser step on a group of batches, in which each photo of each process counts the same.

        Under fp16, gradients that overflow are computed again with half the loss scale, down to a scale of 1.

        Returns:
            The mean of each loss over all these photos and the norms of the gradients before they were clipped, the
            same in every process.

        Raises:
            NotFiniteError: a loss or a gradient is not finite; neither weights nor batch statistics have changed. The
                learning rates count the step all the same: they follow the steps of the run.
        """
        buffers = [(buffer, buffer.clone()) for buffer in self.accelerator.unwrap_model(self.generator).buffers()]
        while True:
            try:
                sums = self._accumulate(group)
            except BaseException:  # such as out of memory: everything is as after the step before
                self._restore(buffers)
                raise
            sums |= self._clip_gradients()
            # one transfer for all numbers: reading them one by one would make a GPU wait each time.
            values = self.accelerator.reduce(torch.stack(list(sums.values())), "mean").tolist()
            numbers = dict(zip(sums, values, strict=True))
            wrong = [name for name, value in numbers.items() if not math.isfinite(value)]
            if not wrong:
                self.is_whole = False
                self._update()
                self.is_whole = True
                return numbers
            overflow = self._scaler.get_scale() > 1 and all(name in GRADIENT_NORMS for name in wrong)
            self._restore(buffers)
            self._scaler.update()  # lowers the scale of fp16
            if not overflow:
                # G_loss is the sum of the others: name the term it comes from.
                name = next((name for name in wrong if name != "G_loss"), "G_loss")
                self._advance_schedules()
                raise NotFiniteError(f"{name} is {numbers[name]}")

    def discriminator_step(self, photo: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
        """RaGAN loss of the discriminator on photos and detached composites, and its logits for the photos."""
        # without batch norm the halves do not see each other, so one call does for both.
        real, fake = self.discriminator(torch.cat([photo, whole.detach()])).chunk(2)
        return relativistic_discriminator_loss(real, fake, mean_over_processes), real.detach()

    def generator_step(
        self, photo: Tensor, known: Tensor, completed: Tensor, whole: Tensor, real: Tensor | None
    ) -> dict[str, Tensor]:
        """Unweighted loss terms of the generator; `real` are the discriminator's logits for the photos."""
        compared = Comparison(
            completed, whole, photo, known, self._compute_features, real, self._judge, self.hole_weight
        )
        return compute_losses(GENERATOR_LOSSES, self.weights, compared)

    def _compute_features(self, image: Tensor) -> list[Tensor]:
        assert self.features is not None
        with self.accelerator.autocast():
            maps: list[Tensor] = self.features(image)
        return maps

    def _judge(self, image: Tensor) -> Tensor:
        """Logits of the discriminator, whose parameters get no gradients."""
        # Unwrapped: this pass leaves the discriminator's parameters alone, so there is nothing to synchronise.
        discriminator = self.accelerator.unwrap_model(self.discriminator)
        with frozen(discriminator):
            logits: Tensor = discriminator(image)
        return logits

    def freeze_encoder_norm(self) -> bool:
        """Freeze the encoder's batch norm, statistics and affine terms, from the next step on; False when it is frozen.

        The affine terms go on getting gradients, which `step` drops: processes that train together have agreed on
        the weights whose gradients they wait for.
        """
        generator = self.accelerator.unwrap_model(self.generator)
        if generator.encoder_norm_frozen:
            return False
        self._held = generator.hold_encoder_norm()
        return True

    @property
    def kept_generator(self) -> nn.Module:
        """The generator whose weights are validated and kept: the average when there is one.

        It computes in fp32, as loaded weights do. It shares the weights, but not the `forward` that Accelerate puts in
        place, which computes in the run's number format.
        """
        network = copy.copy(self.average.module if self.average else self.accelerator.unwrap_model(self.generator))
        assert isinstance(network, nn.Module)
        network.__dict__.pop("forward", None)
        return network

    def state_dict(self) -> dict[str, Any]:
        """Everything a later process needs to go on exactly here."""
        return join_states(self._parts())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        load_states(self._parts(), state)

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

    @property
    def state_bytes(self) -> int:
        """About the size of `state_dict` once Adam keeps its two averages for each weight."""
        parts = 3 * [self.generator, self.discriminator] + ([self.generator] if self.average else [])
        return sum(int(value.nbytes) for network in parts for value in network.state_dict().values())

    @property
    def _scaler(self) -> GradScaler:
        """The scaler of fp16, or one with a scale of 1 that does nothing."""
        return self.accelerator.scaler or GradScaler(enabled=False)

    @property
    def _learners(self) -> list[tuple[nn.Module, Any, LambdaLR]]:
        """Network, optimiser and schedule of the networks that learn, in the order of `GRADIENT_NORMS`."""
        generator = (self.generator, self.optimizer_g.optimizer, self.schedules[0])
        discriminator = (self.discriminator, self.optimizer_d.optimizer, self.schedules[1])
        return [generator, discriminator] if self.weights["adv"] else [generator]

    def _accumulate(self, group: Sequence[Batch]) -> dict[str, Tensor]:
        """Compute the gradients of a group of batches; returns this process's share of the mean of each loss."""
        counts = [len(photo) for photo, _ in group]
        # the mean over the processes, because that is what they do to their gradients, too.
        mean_count = self.accelerator.reduce(torch.full((), float(sum(counts)), device=self.accelerator.device), "mean")
        sums: dict[str, Tensor] = {}
        for position, batch in enumerate(group):
            share = counts[position] / mean_count
            with self._synchronised(position == len(group) - 1):
                for name, value in self._backward(batch, share).items():
                    sums[name] = sums.get(name, torch.zeros_like(value)) + value * share
        return sums

    def _backward(self, batch: Batch, share: Tensor) -> dict[str, Tensor]:
        """Add one batch's gradients, scaled by its share of the group; returns the losses by printed name."""
        photo, known = self._to_device(batch)
        completed = self.generator(photo * known, known)
        whole = composite(photo, completed, known)
        d_loss, real = torch.zeros((), device=photo.device), None
        if self.weights["adv"]:
            d_loss, real = self.discriminator_step(photo, whole)
            self.accelerator.backward(d_loss * share)
        terms = self.generator_step(photo, known, completed, whole, real)
        g_loss = weighted_sum(terms, self.weights)
        self.accelerator.backward(g_loss * share)
        named = {"D_loss": d_loss, "G_loss": g_loss, **printed_losses(GENERATOR_LOSSES, terms)}
        return {name: loss.detach().float() for name, loss in named.items()}

    def _clip_gradients(self) -> dict[str, Tensor]:
        """Clip gradient norms to `max_grad_norm`; returns the norms before that."""
        norms = {}
        for weight in self._held:
            weight.grad = None
        for name, (network, optimizer, _) in zip(GRADIENT_NORMS, self._learners, strict=False):
            # not accelerate's call, which unscales all optimisers each time and so fails for the second network.
            self._scaler.unscale_(optimizer)
            norms[name] = clip_grad_norm_(network.parameters(), self.max_grad_norm or math.inf)
        return norms

    def _update(self) -> None:
        scaler = self._scaler
        for _, optimizer, _ in self._learners:
            # past accelerate's optimiser, which changes the scale after the first network, between the two.
            scaler.step(optimizer)
            optimizer.zero_grad()
        scaler.update()
        self._advance_schedules()
        if self.average is not None:
            self.average.update_parameters(self.accelerator.unwrap_model(self.generator))

    def set_rates(self, *rates: float) -> None:
        """Go on with these learning rates of the generator and of the discriminator, before their factors."""
        for optimizer, schedule, rate in zip((self.optimizer_g, self.optimizer_d), self.schedules, rates, strict=True):
            set_rate(optimizer, schedule, rate)

    def _advance_schedules(self) -> None:
        for _, optimizer, schedule in self._learners:
            advance(optimizer, schedule)

    def _restore(self, buffers: Sequence[Saved]) -> None:
        """Undo the changes of computing gradients."""
        for buffer, before in buffers:
            buffer.copy_(before)
        for _, optimizer, _ in self._learners:
            optimizer.zero_grad()

    def _to_device(self, batch: Batch) -> Batch:
        """Photo B×C×H×W in [0, 1], whose bytes stay in the order they came in (channels last), and known."""
        photo, known = (part.to(self.accelerator.device, non_blocking=True) for part in batch)
        return in_unit_range(photo.permute(0, 3, 1, 2)), known.float()

    @contextmanager
    def _synchronised(self, last: bool) -> Iterator[None]:
        """Let processes exchange gradients only with the last batch of a group."""
        with ExitStack() as stack:
            if not last:
                stack.enter_context(self.accelerator.no_sync(self.generator))
                stack.enter_context(self.accelerator.no_sync(self.discriminator))
            yield
