"""Settings that trainings counted in steps share; see `onar.settings.training` for how such a dataclass is used."""

# No postponed annotations: as texts, they would be looked up in the modules of the subclasses.
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from onar.errors import FieldError
from onar.settings.checks import Settings, plain_settings
from onar.settings.ranges import NonNegativeInt, PositiveFloat, PositiveInt, Seed, ShareBelowOne
from onar.settings.training import DeviceOption, PhotosOption, photo_data
from onar.system.devices import available_cpus, check_device
from onar.training.setting_kinds import FREE_KEYS, PLACES


@dataclass(frozen=True, kw_only=True)
class StepConfig(Settings):
    """Data, length and output of a training.

    A wrong value raises `FieldError`, a `UsageError` and `ValueError`.
    """

    data: PhotosOption = Path("./data")
    """Photos: folders, file lists or a Hugging Face source, as for `train`."""
    photo_column: str | None = None
    """Column of pictures in a Hugging Face source; without it, the first."""
    output: Path = Path("./network.safetensors")
    """File of the weights; written when the training ends."""
    results_dir: Path | None = None
    """Folder for checkpoints, log and curves; by default one beside `output`, named after it."""
    resume: str | Path = "auto"
    """auto goes on with the unfinished training in `results_dir`, never starts again, a path goes on from
    that checkpoint."""
    val_data: PhotosOption | None = None
    """Photos for validation, named as for `data`. Without them there is none."""
    weights: str | None = None
    """The network that it is for: a file as for `complete`; by default the bundled weights."""
    num_workers: NonNegativeInt | None = None
    """Processes that read photos; by default one for each CPU, and 0 reads in the training process."""
    batch_size: PositiveInt = 4
    """Crops in one step."""
    steps: PositiveInt = 5000
    """Steps of the training."""
    max_minutes: PositiveFloat | None = None
    """Minutes that the steps may take, stops not counted. The speed of the first ones decides how many fit, at most
    `steps`, and the learning rates end with the last of them."""
    learning_rate: PositiveFloat = 6e-4
    """Adam's learning rate; it falls to zero along half a cosine."""
    ema_decay: ShareBelowOne = 0.995
    """Decay of the exponential moving average (EMA) of the weights, which is what is kept."""
    overwrite: bool = False
    """Replace the output when it is there."""
    mixed_precision: Literal["auto", "no", "bf16"] = "auto"
    """Number format of the networks' arithmetic. auto takes bf16 where the processor multiplies it."""
    device: DeviceOption = "auto"
    """Where to train; auto takes a GPU when there is one."""
    seed: Seed = 0
    """Seed of all that is random."""
    checkpoint_minutes: PositiveFloat = 5.0
    """Minutes between checkpoints."""
    log_every: PositiveInt = 50
    """Steps between lines in log.jsonl."""
    epoch_steps: PositiveInt = 500
    """Steps of an epoch, at whose end losses are printed, validation is done and a checkpoint is written."""
    sample_every: PositiveInt = 1
    """Epochs between sample sheets and curves; the last epoch always has them."""
    on_nan: Literal["stop", "skip"] = "stop"
    """When a loss or gradient is not a finite number: stop the training, or skip the step (but stop after ten in a
    row)."""

    take_memory: ClassVar[tuple[str, ...]] = ("batch_size",)
    """Settings to lower when memory runs out."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("data", "val_data"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, photo_data(value))
        if self.output.suffix.lower() != ".safetensors":
            raise FieldError("output", f"must end in .safetensors, not {self.output.name}")
        check_device(self.device)

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
