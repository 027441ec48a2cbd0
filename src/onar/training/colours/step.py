"""A low-resolution colour predictor: how one step changes it."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from onar.models.colour_unet import ColourUNet, describe_cells
from onar.training.colours.samples import SEEN_CELL
from onar.training.learning import RateFactor, read_finite
from onar.training.step_task import Learner, StepNetworks

ColourBatch = tuple[Tensor, Tensor]
"""Photo B×3×H×W in [0, 1], at half the resolution of a generator's input, and known B×1×H×W."""

MAX_GRADIENT_NORM = 1.0  # the gradient norm is clipped to this

BEND = 1e-3
"""Of the loss √(x² + BEND) (Charbonnier), which is squared below 0.03 and absolute above: few cells with wholly wrong
colours do not make all others grey."""

WEIGHT_DECAY = 1e-3


class ColourTraining(StepNetworks):
    """A colour predictor with everything that trains it: AdamW, a factor on its rate, and the average that is kept."""

    def __init__(
        self,
        network: ColourUNet,
        learning_rate: float,
        factor: RateFactor,
        ema_decay: float,
        device: torch.device,
        *,
        bf16: bool,
    ) -> None:
        network.to(device).to(memory_format=torch.channels_last)
        self.network, self.device, self.bf16 = network, device, bf16
        optimizer = AdamW(network.parameters(), learning_rate, (0.9, 0.98), weight_decay=WEIGHT_DECAY)
        self.learners = {"network": Learner(network, optimizer, factor, ema_decay)}

    def learn(self, batch: ColourBatch) -> dict[str, float]:
        """Take a step.

        Returns the loss, and the root mean square errors of hole colours in levels of 255: the network's, and the
        pyramid fill's.
        """
        # predict the colours of all cells.
        predicted, fill, colours, hole_share = self._predict(self.network, batch)
        difference = predicted - colours

        # learn from those in holes.
        loss = _mean_in_holes((difference.square() + BEND).sqrt(), hole_share)
        torch.autograd.backward(loss)
        norm = clip_grad_norm_(self.network.parameters(), MAX_GRADIENT_NORM)
        errors = {"Colour_error": difference.detach(), "Pyramid_error": fill - colours}
        levels = {name: 255 * _mean_in_holes(error.square(), hole_share).sqrt() for name, error in errors.items()}
        numbers = read_finite({"Colour_loss": loss, "gradient_norm": norm, **levels})
        self.learners["network"].move()
        return {name: numbers[name] for name in ("Colour_loss", *errors)}

    @property
    def kept_network(self) -> ColourUNet:
        """The average of the network."""
        return cast(ColourUNet, self.learners["network"].kept)

    @torch.no_grad()
    def predict(self, batch: ColourBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predict with the average of the network; returns what `_predict` does."""
        return self._predict(self.kept_network, batch)

    def _predict(self, network: ColourUNet, batch: ColourBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predicted colours of cells, the pyramid fill's and the true ones, B×3×h×w each, and hole share B×1×h×w."""
        photo, known = (part.to(self.device) for part in batch)
        hole_share = functional.avg_pool2d(1 - known, SEEN_CELL)
        colours = functional.avg_pool2d(photo, SEEN_CELL)
        quarters, fill = describe_cells(photo * known, known, SEEN_CELL)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            predicted = network.correct(quarters, fill)
        return predicted.float(), fill, colours, hole_share


def colour_errors(predicted: Tensor, fill: Tensor, colours: Tensor, hole_share: Tensor) -> dict[str, float]:
    """Root mean square errors of hole colours, in levels of 255, by method."""
    methods = {"onar": predicted, "pyramid fill": fill}
    errors = {name: _mean_in_holes((found - colours).square(), hole_share).sqrt() for name, found in methods.items()}
    return {name: 255 * float(error) for name, error in errors.items()}


def _mean_in_holes(values: Tensor, hole_share: Tensor) -> Tensor:
    """Mean over cells, each of which counts by its share of hole; B×3×h×w and B×1×h×w in."""
    return (values * hole_share).sum() / (3 * hole_share.sum())
