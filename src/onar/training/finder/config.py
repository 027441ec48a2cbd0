"""Every setting of training a damage finder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from onar.settings.checks import require
from onar.settings.ranges import PositiveFloat, PositiveInt, ShareBelowOne
from onar.training.step_config import StepConfig

MULTIPLE = 16
"""`FINDER_MULTIPLE` of the network, whose module imports torch; the settings are read by every command."""


@dataclass(frozen=True, kw_only=True)
class FinderConfig(StepConfig):
    """Which photos a damage finder learns from, and how; see `StepConfig`."""

    topic: ClassVar[str] = "Damage finder"

    output: Path = Path("./finder.onnx")
    """File of the network, an ONNX file with its thresholds; written when the training ends."""
    count: PositiveInt = 4000
    """Photos to train on, drawn at random where `data` has more. They are kept in memory, at most 1 MB each."""
    img_size: int = 192
    """Side in pixels of the crops, a multiple of 16."""
    clean_share: ShareBelowOne = 0.35
    """Share of the crops without damage: their wires, branches and letters are what must not be found."""
    batch_size: PositiveInt = 16
    steps: PositiveInt = 8000
    learning_rate: PositiveFloat = 3e-3
    ema_decay: ShareBelowOne = 0.998
    epoch_steps: PositiveInt = 250

    take_memory: ClassVar[tuple[str, ...]] = ("batch_size", "img_size")
    output_ending: ClassVar[str] = ".onnx"

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.img_size >= 32 and self.img_size % MULTIPLE == 0
        require(fits, "img_size", f"is a multiple of {MULTIPLE} from 32", self.img_size)
