"""A damage finder: how one step changes it."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from onar.models.damage_finder import DamageFinder
from onar.training.finder.samples import FinderBatch
from onar.training.learning import RateFactor, read_finite
from onar.training.step_task import Learner, StepNetworks

MAX_GRADIENT_NORM = 2.0  # the gradient norm is clipped to this
WEIGHT_DECAY = 1e-3
CROSS_ENTROPY_WEIGHT = 4.0  # beside the Dice loss


class FinderTraining(StepNetworks):
    """A damage finder with everything that trains it: AdamW, a factor on its rate, and the average that is kept."""

    def __init__(
        self,
        network: DamageFinder,
        learning_rate: float,
        factor: RateFactor,
        ema_decay: float,
        device: torch.device,
        *,
        bf16: bool,
    ) -> None:
        network.to(device).to(memory_format=torch.channels_last)
        self.network, self.device, self.bf16 = network, device, bf16
        optimizer = AdamW(network.parameters(), learning_rate, weight_decay=WEIGHT_DECAY)
        self.learners = {"network": Learner(network, optimizer, factor, ema_decay)}

    def learn(self, batch: FinderBatch) -> dict[str, float]:
        """Take a step; returns the loss and its terms, the cross-entropy and the Dice loss."""
        photo, truth = (part.to(self.device) for part in batch)
        self.network.train()
        logits = self._logits(self.network, photo)
        truth = truth.float()
        terms = {
            "Cross_entropy": functional.binary_cross_entropy_with_logits(logits, truth),
            "Dice_loss": dice_loss(logits, truth),
        }
        loss = CROSS_ENTROPY_WEIGHT * terms["Cross_entropy"] + terms["Dice_loss"]
        torch.autograd.backward(loss)
        norm = clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        numbers = read_finite({"Finder_loss": loss, "gradient_norm": norm, **terms})
        self.learners["network"].move()
        return {name: numbers[name] for name in ("Finder_loss", *terms)}

    @property
    def kept_network(self) -> DamageFinder:
        """The average of the network."""
        return cast(DamageFinder, self.learners["network"].kept)

    @torch.no_grad()
    def predict(self, photo: Tensor) -> Tensor:
        """Probabilities B×2×H×W by the average of the network, for uint8 B×3×H×W."""
        return self._logits(self.kept_network.eval(), photo.to(self.device)).sigmoid().cpu()

    def _logits(self, network: DamageFinder, photo: Tensor) -> Tensor:
        values = (photo.float() / 255).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits: Tensor = network(values)
        return logits.float()


def dice_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """1 - the Dice coefficient of the whole batch, the mean of both channels; B×2×H×W each.

    Of the whole batch, as crops without damage have none of their own (Milletari et al. 2016, "V-Net").
    """
    found = logits.sigmoid()
    both = (found * truth).sum((0, 2, 3))
    dice = (2 * both + 1) / (found.sum((0, 2, 3)) + truth.sum((0, 2, 3)) + 1)
    return 1 - dice.mean()
