"""Every setting of training a low-resolution colour predictor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onar.settings.ranges import PositiveFloat, PositiveInt, ShareBelowOne
from onar.training.step_config import StepConfig


@dataclass(frozen=True, kw_only=True)
class ColourConfig(StepConfig):
    """Which photos a colour predictor learns from, and how; see `StepConfig`."""

    output: Path = Path("./onar.safetensors")
    """File of the weights, for --weights: the network with its colour predictor; written when the training ends."""
    weights: str | None = None
    """The network that gets the predictor, a `.pth` or `.safetensors` file; by default the bundled weights. Its fills
    are not used: a predictor that it has already is replaced."""
    count: PositiveInt = 3000
    """Photos to train on, drawn at random where `data` has more. They are kept in memory at low resolution, 0.5 MB
    each."""
    batch_size: PositiveInt = 16
    """Crops in one step."""
    steps: PositiveInt = 40_000
    """Steps of the training."""
    learning_rate: PositiveFloat = 5e-4
    """AdamW's learning rate; it falls to zero along half a cosine."""
    epoch_steps: PositiveInt = 1000
    """Steps of an epoch, at whose end losses are printed, validation is done and a checkpoint is written."""
    ema_decay: ShareBelowOne = 0.999
    """Decay of the exponential moving average (EMA) of the weights, which is what is kept."""
    channels: PositiveInt = 48
    """Channels of the network's first level."""
