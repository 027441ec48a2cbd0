"""Every setting of training a blend, as a frozen dataclass; see `onar.config` for how it is used."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from onar.config import folder_or_source
from onar.errors import UsageError
from onar.setting_checks import Settings, at_least, check_seed, plain_settings, require

_CHANGES_NO_WEIGHT = frozenset(
    {
        "data",
        "photo_column",
        "output",
        "weights",
        "pairs",
        "num_workers",
        "max_minutes",
        "content_weights",
        "device",
        "checkpoint_minutes",
        "log_every",
    }
)
"""Settings that may differ between the parts of one training. What the pairs are made from is kept beside the pairs."""


@dataclass(frozen=True, kw_only=True)
class BlendConfig(Settings):
    """Which pairs of fills a blend learns from, and how.

    Raises `UsageError` (a `ValueError`) with the flag's name when a value has another type or is out of range.
    """

    data: str | Path = Path("./data")
    """Folder of photos to make pairs from, searched with all its subfolders, or a Hugging Face source, as for
    `train`."""
    photo_column: str | None = None
    """Column of pictures in a Hugging Face source; without it, the first."""
    output: Path = Path("./texture.safetensors")
    """The file, for --blend; while the training lasts, a checkpoint lies beside it."""
    weights: str | None = None
    """The network whose fills are blended: a file as for `complete`; by default the bundled weights."""
    pairs: Path | None = None
    """Folder that the pairs are made into, or were made into before; by default one beside `output`."""
    count: int = 2000
    """Pairs to train on."""
    pair_size: int = 256
    """Side in pixels of what is kept of a pair. Holes shaped like things are filled in crops of up to three times
    that."""
    num_workers: int | None = None
    """Processes that make pairs; by default one for each CPU, and 0 makes them in the training process."""
    img_size: int = 192
    """Side in pixels of the random crops of pairs that are trained on, a multiple of 16."""
    batch_size: int = 4
    """Crops in one step."""
    steps: int = 5000
    """Steps of the training."""
    max_minutes: float | None = None
    """Minutes that the training may take once the pairs are made, stops not counted. The speed of the first steps
    decides how many steps fit, at most `steps`, and the learning rates end with the last of them."""
    base_channels: int = 32
    """Channels of the blend's first level."""
    learning_rate: float = 6e-4
    """Adam's learning rate for the blend; it falls to zero along half a cosine."""
    learning_rate_d: float = 4e-4
    """The same for the discriminator."""
    ema_decay: float = 0.995
    """The blend that is kept is the average of its weights over time with this decay."""
    lambda_pixel: float = 5.6
    """Weight of the pixel loss (L1)."""
    lambda_style: float = 10.0
    """Weight of the style loss (Gram matrices)."""
    lambda_statistics: float = 0.7
    """Weight of the loss on means and deviations of features in small windows."""
    lambda_normalised: float = 3.0
    """Weight of the loss on features of unit length."""
    lambda_adv: float = 0.25
    """Weight of the adversarial loss (RaGAN); with 0 there is no discriminator at work."""
    content_network: Literal["vgg16", "efficientnet_lite0"] = "efficientnet_lite0"
    """Frozen network whose features the losses compare."""
    content_weights: Path | None = None
    """File with that network's ImageNet weights, when they cannot be downloaded."""
    mixed_precision: Literal["auto", "no", "bf16"] = "auto"
    """Number format of the networks' arithmetic. auto takes bf16 where the processor multiplies it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train; auto takes a GPU when there is one. Pairs are made on the CPU."""
    seed: int = 0
    """Seed of the pairs, the first weights and the crops."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints."""
    log_every: int = 50
    """Steps between lines about the losses."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.data, str):
            object.__setattr__(self, "data", folder_or_source(self.data))
        if self.output.suffix.lower() != ".safetensors":
            raise UsageError(f"--output must end in .safetensors, not {self.output.name}")
        for name in ("count", "batch_size", "steps", "base_channels", "log_every"):
            at_least(name, getattr(self, name), 1)
        check_seed(self.seed)
        for name in (field.name for field in fields(self) if field.name.startswith("lambda_")):
            at_least(name, getattr(self, name), 0)
        if self.num_workers is not None:
            at_least("num_workers", self.num_workers, 0)
        require(
            self.img_size >= 32 and self.img_size % 16 == 0, "img_size", "is a multiple of 16 from 32", self.img_size
        )
        at_least("pair_size", self.pair_size, self.img_size)
        for name in ("learning_rate", "learning_rate_d", "checkpoint_minutes"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        if self.max_minutes is not None:
            require(self.max_minutes > 0, "max_minutes", "must be above 0", self.max_minutes)
        require(0 <= self.ema_decay < 1, "ema_decay", "must be at least 0 and below 1", self.ema_decay)

    @property
    def pair_folder(self) -> Path:
        """Where the pairs are."""
        return self.pairs or self.output.with_name(f"{self.output.stem}_pairs")

    @property
    def checkpoint(self) -> Path:
        """The resumable state of a training that is not done."""
        return self.output.with_suffix(".checkpoint.pt")

    def recipe(self) -> dict[str, Any]:
        """The settings that the weights depend on, beside the pairs, as the values TOML knows."""
        return {name: value for name, value in plain_settings(self).items() if name not in _CHANGES_NO_WEIGHT}
