"""Every setting of training a blend."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from onar.settings.checks import Settings, require
from onar.settings.options import ContentNetwork
from onar.settings.ranges import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from onar.training.step_config import StepConfig
from onar.weights.bundled import BUNDLED


@dataclass(frozen=True, kw_only=True)
class FillPairConfig(Settings):
    """Pairs of fills that a blend learns from."""

    topic: ClassVar[str] = "Pairs"

    pairs: Path | None = None
    """Folder that the pairs are made into, or were made into before; by default one beside `output`."""
    count: PositiveInt = 2000
    """Pairs to train on."""
    pair_size: int = 256
    """Side in pixels of what is kept of a pair. Holes shaped like things are filled in crops of up to three times
    that."""
    img_size: int = 192
    """Side in pixels of the random crops of pairs that are trained on, a multiple of 16."""


@dataclass(frozen=True, kw_only=True)
class BlendLossConfig(Settings):
    """Weights of the blend's loss terms, and the network whose features they compare."""

    topic: ClassVar[str] = "Losses"

    lambda_pixel: NonNegativeFloat = 5.0
    """Weight of the pixel loss (L1)."""
    lambda_thin: NonNegativeFloat = 60.0
    """Weight of the same loss in thin holes, where a pixel counts by how little of what is within some 70 pixels of it
    is hole: what was there can be predicted."""
    lambda_style: NonNegativeFloat = 10.0
    """Weight of the style loss (Gram matrices)."""
    lambda_statistics: NonNegativeFloat = 0.7
    """Weight of the loss on means and deviations of features in small windows."""
    lambda_normalised: NonNegativeFloat = 3.0
    """Weight of the loss on features of unit length."""
    lambda_adv: NonNegativeFloat = 0.25
    """Weight of the adversarial loss (RaGAN); with 0 there is no discriminator at work."""
    content_network: ContentNetwork = "efficientnet_lite0"
    """Frozen network whose features the losses compare."""
    content_weights: Path | None = None
    """File with that network's ImageNet weights, when they cannot be downloaded."""


@dataclass(frozen=True, kw_only=True)
class BlendConfig(StepConfig, BlendLossConfig, FillPairConfig):
    """Which pairs of fills a blend learns from, and how; see `StepConfig`."""

    topic: ClassVar[str] = "Blend and discriminator"

    output: Path = Path("./texture.safetensors")
    """File of the weights, for --blend; written when the training ends."""
    weights: str | None = None
    """The network whose fills are blended: a file as for `complete`; by default the bundled weights."""
    num_workers: NonNegativeInt | None = None
    """Processes that make pairs on CPUs; by default one for each CPU, and 0 makes them in the training process."""
    base_channels: PositiveInt = 32
    """Channels of the blend's first level."""
    init_weights: Path | None = None
    """Initial weights, for fine-tuning: the file of a blend, or "bundled" for the bundled one."""
    learning_rate_d: PositiveFloat = 4e-4
    """Adam's learning rate for the discriminator; it falls as the other."""

    take_memory: ClassVar[tuple[str, ...]] = ("batch_size", "img_size")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.img_size >= 32 and self.img_size % 16 == 0, "img_size", "is a multiple of 16 from 32", self.img_size
        )
        require(self.pair_size >= self.img_size, "pair_size", f"must be at least {self.img_size}", self.pair_size)

    def recipe(self) -> dict[str, Any]:
        """As `StepConfig.recipe`, without a file of this machine."""
        found = super().recipe()
        if found.get("init_weights") != BUNDLED:
            found.pop("init_weights", None)
        return found

    @property
    def pair_folder(self) -> Path:
        """Where the pairs are."""
        return self.pairs or self.output.with_name(f"{self.output.stem}_pairs")

    @property
    def val_pair_folder(self) -> Path:
        """Where the pairs of `val_data` are."""
        return self.pair_folder / "validation"
