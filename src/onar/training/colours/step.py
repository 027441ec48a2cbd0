"""A network for colours with what trains it, and how one step changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel

from onar.models.colour_unet import ColourUNet, describe_cells
from onar.training.colours.samples import SEEN_CELL
from onar.training.gan.step import Resumable, moving_average, require_finite

LONGEST_GRADIENT = 1.0
"""Longer gradients are shortened to this norm."""

BEND = 1e-3
"""Of the loss √(x² + BEND), which is squared below 0.03 and absolute above: few cells with wholly wrong colours do not
make all others grey."""

WEIGHT_DECAY = 1e-3


@dataclass
class ColourTraining(Resumable):
    """A network for colours with everything that trains it.

    Attributes:
        network: what learns.
        learning_rate: of AdamW.
        ema_decay: of the average of the network that is kept.
        device: where to compute.
        bf16: compute the network in bfloat16.
    """

    network: ColourUNet
    learning_rate: float
    ema_decay: float
    device: torch.device
    bf16: bool
    average: AveragedModel = field(init=False)
    optimizer: AdamW = field(init=False)

    def __post_init__(self) -> None:
        self.network.to(self.device).to(memory_format=torch.channels_last)
        self.average = AveragedModel(self.network, multi_avg_fn=moving_average(self.ema_decay))
        self.optimizer = AdamW(self.network.parameters(), self.learning_rate, (0.9, 0.98), weight_decay=WEIGHT_DECAY)

    def step(self, photo: Tensor, known: Tensor, factor: float) -> dict[str, float]:
        """Take one step.

        Args:
            photo: B×3×H×W in [0, 1], at half the size at which a generator sees photos.
            known: B×1×H×W.
            factor: on the learning rate.

        Returns:
            The loss, and the root of the mean squared error of the colours of holes, in levels of 255: the network's,
            and the pyramid fill's.

        Raises:
            NotFiniteError: the loss or the gradient is not finite; the network has not changed.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * factor
        photo, known = photo.to(self.device), known.to(self.device)
        hole_share = functional.avg_pool2d(1 - known, SEEN_CELL)
        colours = functional.avg_pool2d(photo, SEEN_CELL)
        quarters, fill = describe_cells(photo * known, known, SEEN_CELL)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            told = self.network.correct(quarters, fill)
        difference = told.float() - colours
        loss = _mean_in_holes((difference.square() + BEND).sqrt(), hole_share)
        torch.autograd.backward(loss)
        norm = clip_grad_norm_(self.network.parameters(), LONGEST_GRADIENT)
        require_finite({"the loss": loss, "the gradient": norm})
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.network)
        errors = {"error": difference.detach(), "error of the pyramid fill": fill - colours}
        roots = {name: 255 * _mean_in_holes(error.square(), hole_share).sqrt() for name, error in errors.items()}
        return {name: float(value) for name, value in {"loss": loss.detach(), **roots}.items()}

    def _parts(self) -> dict[str, Any]:
        return {"network": self.network, "average": self.average, "optimizer": self.optimizer}


def _mean_in_holes(values: Tensor, hole_share: Tensor) -> Tensor:
    """Mean over cells, each of which counts by its share of hole; B×3×h×w and B×1×h×w in."""
    return (values * hole_share).sum() / (3 * hole_share.sum())
