"""Settings that trainings counted in steps share; see `onar.settings.training` for their use."""

# No postponed annotations: as texts, they would be looked up in the modules of the subclasses.
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from onar.errors import FieldError
from onar.settings.checks import Settings, plain_settings
from onar.settings.fit import FitConfig, PhotosConfig
from onar.settings.ranges import NonNegativeInt, PositiveFloat, PositiveInt, ShareBelowOne
from onar.system.devices import available_cpus
from onar.training.setting_kinds import FREE_KEYS, PLACES


@dataclass(frozen=True, kw_only=True)
class StepOptimizerConfig(Settings):
    """Optimisation of a training counted in steps."""

    topic: ClassVar[str] = "Optimisation"

    batch_size: PositiveInt = 4
    """Crops in one step."""
    steps: PositiveInt = 5000
    """Steps of the training."""
    learning_rate: PositiveFloat = 6e-4
    """Adam's learning rate, with cosine decay to zero."""
    ema_decay: ShareBelowOne = 0.995
    """Decay of the exponential moving average (EMA) of the weights, which is what is kept."""


@dataclass(frozen=True, kw_only=True)
class StepConfig(FitConfig, StepOptimizerConfig, PhotosConfig):
    """Data, length and output of a training.

    A wrong value raises `FieldError`, a `UsageError` and `ValueError`.
    """

    output: Path = Path("./network.safetensors")
    """File of the weights; written when the training ends."""
    overwrite: bool = False
    """Replace the output when it is there."""
    results_dir: Path | None = None
    """Folder for checkpoints, log and curves; by default one beside `output`, named after it."""
    weights: str | None = None
    """The network that it is for: a file as for `complete`; by default the bundled weights."""
    num_workers: NonNegativeInt | None = None
    """Processes that read photos; by default one for each CPU, and 0 reads in the training process."""
    epoch_steps: PositiveInt = 500
    """Steps of an epoch, at whose end losses are printed, validation is done and a checkpoint is written."""
    mixed_precision: Literal["auto", "no", "bf16"] = "auto"
    """Precision of autocast: auto is bf16 where the processor supports it in hardware and fp32 elsewhere."""
    checkpoint_minutes: PositiveFloat = 5.0
    log_every: PositiveInt = 50

    take_memory: ClassVar[tuple[str, ...]] = ("batch_size",)
    """Settings to lower when memory runs out."""
    output_ending: ClassVar[str] = ".safetensors"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output.suffix.lower() != self.output_ending:
            raise FieldError("output", f"must end in {self.output_ending}, not {self.output.name}")

    @property
    def workers(self) -> int:
        """Processes that read photos."""
        return available_cpus() if self.num_workers is None else self.num_workers

    @property
    def results(self) -> Path:
        """The results folder."""
        return self.results_dir or self.output.with_name(f"{self.output.stem}_results")

    def recipe(self) -> dict[str, Any]:
        """The settings that the weights depend on, except photos and network, as TOML values."""
        left_out = FREE_KEYS | PLACES | {"photo_column", "max_minutes"}
        return {name: value for name, value in plain_settings(self).items() if name not in left_out}
