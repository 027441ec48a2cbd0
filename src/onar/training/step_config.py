"""Settings that trainings counted in steps share; see `onar.settings.training` for how such a dataclass is used."""

# Annotations that are text would be looked up in the modules of the subclasses.
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from onar.errors import UsageError
from onar.settings.checks import Settings, at_least, check_seed, plain_settings, require
from onar.settings.training import DeviceOption, PhotosOption, photo_data
from onar.system.devices import available_cpus, check_device


@dataclass(frozen=True, kw_only=True)
class StepConfig(Settings):
    """What a network is trained on, for how long, and where it goes.

    Raises `UsageError` (a `ValueError`) with the flag's name when a value has another type or is out of range.
    """

    data: PhotosOption = Path("./data")
    """Photos: folders, file lists or a Hugging Face source, as for `train`."""
    photo_column: str | None = None
    """Column of pictures in a Hugging Face source; without it, the first."""
    output: Path = Path("./network.safetensors")
    """The file; while the training lasts, a checkpoint lies beside it."""
    weights: str | None = None
    """The network that it works with: a file as for `complete`; by default the bundled weights."""
    num_workers: int | None = None
    """Processes that read photos; by default one for each CPU, and 0 reads in the training process."""
    batch_size: int = 4
    """Crops in one step."""
    steps: int = 5000
    """Steps of the training."""
    max_minutes: float | None = None
    """Minutes that the steps may take, stops not counted. The speed of the first ones decides how many fit, at most
    `steps`, and the learning rates end with the last of them."""
    learning_rate: float = 6e-4
    """Adam's learning rate; it falls to zero along half a cosine."""
    ema_decay: float = 0.995
    """What is kept is the average of the network's weights over time with this decay."""
    overwrite: bool = False
    """Replace the output when it is there."""
    mixed_precision: Literal["auto", "no", "bf16"] = "auto"
    """Number format of the networks' arithmetic. auto takes bf16 where the processor multiplies it."""
    device: DeviceOption = "auto"
    """Where to train; auto takes a GPU when there is one."""
    seed: int = 0
    """Seed of all that is random."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints."""
    log_every: int = 50
    """Steps between lines about the losses."""

    changes_no_weight: ClassVar[frozenset[str]] = frozenset(
        {
            "data",
            "photo_column",
            "output",
            "weights",
            "num_workers",
            "overwrite",
            "max_minutes",
            "device",
            "checkpoint_minutes",
            "log_every",
        }
    )
    """Settings that may differ between the parts of one training."""
    take_memory: ClassVar[tuple[str, ...]] = ("batch_size",)
    """Settings to lower where memory runs out."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "data", photo_data(self.data))
        if self.output.suffix.lower() != ".safetensors":
            raise UsageError(f"--output must end in .safetensors, not {self.output.name}")
        for name in ("batch_size", "steps", "log_every"):
            at_least(name, getattr(self, name), 1)
        check_seed(self.seed)
        check_device(self.device)
        if self.num_workers is not None:
            at_least("num_workers", self.num_workers, 0)
        for name in ("learning_rate", "checkpoint_minutes"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        if self.max_minutes is not None:
            require(self.max_minutes > 0, "max_minutes", "must be above 0", self.max_minutes)
        require(0 <= self.ema_decay < 1, "ema_decay", "must be at least 0 and below 1", self.ema_decay)

    @property
    def workers(self) -> int:
        """Processes that read photos."""
        return available_cpus() if self.num_workers is None else self.num_workers

    @property
    def checkpoint(self) -> Path:
        """The resumable state of a training that is not done."""
        return self.output.with_suffix(".checkpoint.pt")

    def recipe(self) -> dict[str, Any]:
        """The settings that the weights depend on, beside the photos and the network, as the values TOML knows."""
        return {name: value for name, value in plain_settings(self).items() if name not in self.changes_no_weight}
