"""A blend and its discriminator: how one step changes them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_, get_total_norm
from torch.optim import Adam

from onar.masks.holes import composite
from onar.models import Discriminator
from onar.models.texture_blend import TextureBlend, holes_nearby
from onar.training.learning import RateFactor, frozen, read_finite
from onar.training.losses import (
    Comparison,
    LossTerm,
    compute_losses,
    local_statistics_loss,
    normalised_feature_loss,
    printed_losses,
    relativistic_discriminator_loss,
    style_loss,
    weighted_sum,
)
from onar.training.step_task import Learner, StepNetworks

DISCRIMINATOR_CHANNELS = 32
MAX_GRADIENT_NORM = 5.0  # the gradient norm of the blend is clipped to this


def thin_hole_loss(whole: Tensor, photo: Tensor, known: Tensor) -> Tensor:
    """Mean of the absolute error, in thin holes alone.

    A large hole cannot be predicted, and asking for it blurs. So this term fades as more of what is within some 70
    pixels is hole, and ends at half of it, which is the seam of a large hole; as the spatially discounted loss of Yu et
    al. 2018, "Generative Image Inpainting with Contextual Attention", section 3, fades with the distance to known
    pixels.
    """
    thin = functional.relu(1 - 2 * holes_nearby(1 - known)[:, 1:])
    return (thin * (whole - photo).abs()).mean()


BLEND_LOSSES: list[LossTerm] = [
    LossTerm("pixel", lambda c: (c.whole - c.photo).abs().mean(), always=True),
    LossTerm("thin", lambda c: thin_hole_loss(c.whole, c.photo, c.known), always=True),
    LossTerm("style", lambda c: c.of_features(style_loss)),
    LossTerm("statistics", lambda c: c.of_features(local_statistics_loss)),
    LossTerm("normalised", lambda c: c.of_features(normalised_feature_loss)),
    LossTerm("adv", Comparison.adversarial),
]
"""The terms of a blend in the order of their sum; each `compute` takes a `Comparison`."""


class BlendGAN(StepNetworks):
    """A blend and a local discriminator with everything that trains them.

    `features` is frozen and on the device. `weights` are those of `BLEND_LOSSES` by name; with adv 0 the discriminator
    does not learn either. `rates` are the learning rates of the blend and of the discriminator, times `factor`.
    """

    def __init__(
        self,
        blend: TextureBlend,
        discriminator: Discriminator,
        features: nn.Module,
        weights: dict[str, float],
        rates: tuple[float, float],
        factor: RateFactor,
        ema_decay: float,
        device: torch.device,
        *,
        bf16: bool,
    ) -> None:
        for network in (blend, discriminator):
            network.to(device).to(memory_format=torch.channels_last)
        self.blend, self.discriminator, self.features = blend, discriminator, features
        self.weights, self.device, self.bf16 = weights, device, bf16
        optimizer = Adam(blend.parameters(), rates[0], (0.9, 0.99))
        optimizer_d = Adam(discriminator.parameters(), rates[1], (0.5, 0.99))
        self.learners = {
            "blend": Learner(blend, optimizer, factor, ema_decay),
            "discriminator": Learner(discriminator, optimizer_d, factor),
        }

    def learn(self, batch: Tensor) -> dict[str, float]:
        """Take both gradients at the same weights, then move both networks.

        `batch` is uint8 B×13×H×W, as `pairs.FillPair` orders the channels. Returns the unweighted terms by their
        printed names, and D_loss.
        """
        # fill the holes.
        photo, *fills, known = self._unpack(batch)
        with self._autocast():
            completed = self.blend(*fills, known)
        whole = composite(photo, completed.float(), known)

        # compute the gradients of both networks.
        losses, real = {}, None
        if self.weights["adv"]:
            losses["D_loss"], real = self._discriminator_gradients(photo, whole)
        compared = Comparison(None, whole, photo, known, self._compute_features, real, self._judge)
        terms = compute_losses(BLEND_LOSSES, self.weights, compared)
        torch.autograd.backward(weighted_sum(terms, self.weights))

        # clip them, and move.
        losses = printed_losses(BLEND_LOSSES, terms) | losses
        norms = {"G_gradient_norm": clip_grad_norm_(self.blend.parameters(), MAX_GRADIENT_NORM)}
        if self.weights["adv"]:
            gradients = [weight.grad for weight in self.discriminator.parameters() if weight.grad is not None]
            norms["D_gradient_norm"] = get_total_norm(gradients)
        numbers = read_finite(losses | norms)
        self.learners["blend"].move()
        if self.weights["adv"]:
            self.learners["discriminator"].move()
        return {name: numbers[name] for name in losses}

    @torch.no_grad()
    def fill(self, batch: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Fill the holes of pairs: photo, known, and fills by method, "onar" and two that it gets; on the CPU."""
        photo, *fills, known = self._unpack(batch)
        blended = composite(photo, self.learners["blend"].kept(*fills, known).float(), known).clamp(0, 1)
        found = {"onar": blended, "network": fills[0], "patches": fills[1]}
        return photo.cpu(), known.cpu(), {name: fill.cpu() for name, fill in found.items()}

    def _unpack(self, pairs: Tensor) -> list[Tensor]:
        """Photo, network's fill, patches and coarse patches, B×3×H×W in [0, 1], and known, B×1×H×W."""
        values = pairs.to(self.device).float() / 255
        *pictures, hole = (
            part.contiguous(memory_format=torch.channels_last) for part in torch.split(values, [3, 3, 3, 3, 1], 1)
        )
        return [*pictures, 1 - hole]

    def _compute_features(self, image: Tensor) -> list[Tensor]:
        with self._autocast():
            maps: list[Tensor] = self.features(image)
        return maps

    def _discriminator_gradients(self, photo: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the gradients of the discriminator; returns its loss and its logits for the photos."""
        with self._autocast():
            real, fake = self.discriminator(torch.cat([photo, whole.detach()])).chunk(2)
        loss = relativistic_discriminator_loss(real, fake)
        torch.autograd.backward(loss)
        return loss, real.detach()

    def _judge(self, image: Tensor) -> Tensor:
        """Logits of the discriminator, whose parameters get no gradients."""
        with frozen(self.discriminator), self._autocast():
            logits: Tensor = self.discriminator(image)
        return logits

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)
