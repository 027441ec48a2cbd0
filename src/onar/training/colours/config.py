"""Every setting of training a network for colours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onar.settings.checks import at_least
from onar.training.step_config import StepConfig


@dataclass(frozen=True, kw_only=True)
class ColourConfig(StepConfig):
    """Which photos a network for colours learns from, and how; see `StepConfig`."""

    output: Path = Path("./onar.safetensors")
    """The file, for --weights: the network with its colours; while the training lasts, a checkpoint lies beside it."""
    weights: str | None = None
    """The network whose colours are to be corrected, a `.pth` or `.safetensors` file; by default the bundled weights.
    The training does not look at its fills: where it has colours already, they are trained anew."""
    count: int = 3000
    """Photos to train on, drawn from those in `data` where it has more. They are read once and kept reduced in memory,
    0.5 MB each."""
    batch_size: int = 16
    """Crops in one step."""
    steps: int = 40_000
    """Steps of the training."""
    learning_rate: float = 5e-4
    """AdamW's learning rate; it falls to zero along half a cosine."""
    ema_decay: float = 0.999
    """What is kept is the average of the network's weights over time with this decay."""
    channels: int = 48
    """Channels of the network's first level."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("count", "channels"):
            at_least(name, getattr(self, name), 1)
