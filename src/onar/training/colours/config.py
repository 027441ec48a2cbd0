"""Every setting of training a low-resolution colour predictor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from onar.settings.ranges import PositiveFloat, PositiveInt, ShareBelowOne
from onar.training.step_config import StepConfig


@dataclass(frozen=True, kw_only=True)
class ColourConfig(StepConfig):
    """Which photos a colour predictor learns from, and how; see `StepConfig`."""

    topic: ClassVar[str] = "Colour predictor"

    output: Path = Path("./onar.safetensors")
    """File of the weights, for --weights: the network with its colour predictor; written when the training ends."""
    weights: str | None = None
    """The network that gets the predictor, a `.pth` or `.safetensors` file; by default the bundled weights. Its fills
    are not used: a predictor that it has already is replaced."""
    count: PositiveInt = 3000
    """Photos to train on, drawn at random where `data` has more. They are kept in memory at low resolution, 0.5 MB
    each."""
    channels: PositiveInt = 48
    """Channels of the network's first level."""
    batch_size: PositiveInt = 16
    steps: PositiveInt = 40_000
    learning_rate: PositiveFloat = 5e-4
    ema_decay: ShareBelowOne = 0.999
    epoch_steps: PositiveInt = 1000
