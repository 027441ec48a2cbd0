"""A blend with what trains it, and how one step changes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel

from onar.masks.holes import composite
from onar.models import Discriminator
from onar.models.texture_blend import TextureBlend, holes_nearby
from onar.training.gan.step import Resumable, moving_average, require_finite
from onar.training.losses import (
    local_statistics_loss,
    normalised_feature_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
    style_loss,
)

DISCRIMINATOR_CHANNELS = 32
LONGEST_GRADIENT = 5.0
"""Longer gradients of the blend are shortened to this norm."""


@dataclass
class BlendGAN(Resumable):
    """A blend and a local discriminator with everything that trains them.

    Attributes:
        blend: (led, copied, coarse, known) -> completed.
        discriminator: photo or composite -> logits.
        features: image B×3×H×W in [0, 1] -> list of feature maps; frozen, on the device.
        weights: the weight of each term by name: pixel, thin, style, statistics, normalised, adv. With adv 0 the
            discriminator does not learn either.
        rates: learning rates of the blend and of the discriminator.
        ema_decay: of the average of the blend that is kept.
        device: where to compute.
        bf16: compute the networks in bfloat16.
    """

    blend: TextureBlend
    discriminator: Discriminator
    features: nn.Module
    weights: dict[str, float]
    rates: tuple[float, float]
    ema_decay: float
    device: torch.device
    bf16: bool
    average: AveragedModel = field(init=False)
    optimizers: tuple[Adam, Adam] = field(init=False)

    def __post_init__(self) -> None:
        for network in (self.blend, self.discriminator):
            network.to(self.device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(self.blend, multi_avg_fn=moving_average(self.ema_decay))
        self.optimizers = (
            Adam(self.blend.parameters(), self.rates[0], (0.9, 0.99)),
            Adam(self.discriminator.parameters(), self.rates[1], (0.5, 0.99)),
        )

    def step(self, pairs: Tensor, factor: float) -> dict[str, float]:
        """Take one step: both gradients are taken at the same weights, then both networks move.

        Args:
            pairs: uint8 B×13×H×W, as `blend_pairs.FillPair` orders the channels.
            factor: on both learning rates.

        Returns:
            The unweighted terms by name, and the discriminator's loss as "D".

        Raises:
            NotFiniteError: a loss or the gradient of the blend is not finite; the blend has not changed.
        """
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
        photo, *fills, known = self._unpack(pairs)
        with self._autocast():
            completed = self.blend(*fills, known)
        whole = composite(photo, completed.float(), known)
        terms = pixel_terms(whole, photo, known) | self._feature_terms(whole, photo)
        losses = {}
        if self.weights["adv"]:
            losses["D"], real = self._discriminator_gradients(photo, whole)
            terms["adv"] = self._adversarial_loss(real, whole)
        self._train_blend(terms)
        if self.weights["adv"]:
            self._move(self.optimizers[1])
        self.average.update_parameters(self.blend)
        return {name: float(value.detach()) for name, value in (terms | losses).items()}

    def _parts(self) -> dict[str, Any]:
        return {
            "blend": self.blend,
            "discriminator": self.discriminator,
            "average": self.average,
            "optimizer": self.optimizers[0],
            "optimizer_d": self.optimizers[1],
        }

    def _unpack(self, pairs: Tensor) -> list[Tensor]:
        """Photo, led, copied and coarse, B×3×H×W in [0, 1], and known, B×1×H×W."""
        values = pairs.to(self.device).float() / 255
        *pictures, hole = (
            part.contiguous(memory_format=torch.channels_last) for part in torch.split(values, [3, 3, 3, 3, 1], 1)
        )
        return [*pictures, 1 - hole]

    def _feature_terms(self, whole: Tensor, photo: Tensor) -> dict[str, Tensor]:
        losses: dict[str, Callable[[list[Tensor], list[Tensor]], Tensor]] = {
            "style": style_loss,
            "statistics": local_statistics_loss,
            "normalised": normalised_feature_loss,
        }
        wanted = [name for name in losses if self.weights[name]]
        if not wanted:
            return {}
        with self._autocast():
            with torch.no_grad():
                target = self.features(photo)
            features = self.features(whole)
        return {name: losses[name](features, target) for name in wanted}

    def _discriminator_gradients(self, photo: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the gradients of the discriminator; returns its loss and its logits for the photos."""
        with self._autocast():
            real, fake = self.discriminator(torch.cat([photo, whole.detach()])).chunk(2)
        loss = relativistic_discriminator_loss(real, fake)
        require_finite({"D": loss})
        torch.autograd.backward(loss)
        return loss, real.detach()

    def _adversarial_loss(self, real: Tensor, whole: Tensor) -> Tensor:
        self.discriminator.requires_grad_(False)
        with self._autocast():
            fake = self.discriminator(whole)
        self.discriminator.requires_grad_(True)
        return relativistic_generator_loss(real, fake)

    def _train_blend(self, terms: dict[str, Tensor]) -> None:
        total = torch.stack([self.weights[name] * value for name, value in terms.items()]).sum()
        torch.autograd.backward(total)
        norm = clip_grad_norm_(self.blend.parameters(), LONGEST_GRADIENT)
        require_finite(terms | {"the gradient": norm})
        self._move(self.optimizers[0])

    @staticmethod
    def _move(optimizer: Adam) -> None:
        optimizer.step()
        optimizer.zero_grad()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)


def pixel_terms(whole: Tensor, photo: Tensor, known: Tensor) -> dict[str, Tensor]:
    """The distance to the photo: in all holes alike, and in thin ones.

    What lies in a large hole cannot be foretold, and asking for it blurs. So the second term fades as more of what is
    within some 70 pixels is hole, and ends at half of it, which is the seam of a large hole; as the spatially
    discounted loss of Yu et al. 2018, "Generative Image Inpainting with Contextual Attention", section 3, fades with
    the distance to what is known.
    """
    thin = functional.relu(1 - 2 * holes_nearby(1 - known)[:, 1:])
    distance = (whole - photo).abs()
    return {"pixel": distance.mean(), "thin": (thin * distance).mean()}
