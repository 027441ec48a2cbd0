"""Settings that every training has: its photos, and those of the engine `fit`."""

# No postponed annotations: as texts, they would be looked up in the modules of the subclasses.
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from onar.settings.checks import Settings
from onar.settings.options import DeviceOption, PhotosOption, photo_data
from onar.settings.ranges import PositiveFloat, PositiveInt, Seed
from onar.system.devices import check_device


@dataclass(frozen=True, kw_only=True)
class PhotosConfig(Settings):
    """Photos of a training."""

    topic: ClassVar[str] = "Photos"

    data: PhotosOption = Path("./data")
    """Photos to train on: folders, each searched with all its subfolders, or text files with one path per line. Or a
    Hugging Face source: hf:NAME[@SPLIT], hf:parquet:FILES, hf:webdataset:FILES or hf:imagefolder:FOLDER."""
    val_data: PhotosOption | None = None
    """Photos for validation only, named as for `data`; by default, there is no validation."""
    photo_column: str | None = None
    """Column of pictures in a Hugging Face source; by default, the first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("data", "val_data"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, photo_data(value))


@dataclass(frozen=True, kw_only=True)
class FitConfig(Settings):
    """Settings of the engine: time, precision, checkpoints and reports."""

    topic: ClassVar[str] = "Run"

    device: DeviceOption = "auto"
    """Device: auto, cpu, cuda, cuda:1, ... or mps; auto takes a GPU when there is one."""
    seed: Seed = 0
    """Random seed of the initial weights and of all crops, flips and holes."""
    resume: str | Path = "auto"
    """Resume the unfinished run in `results_dir` (auto), start a new run (never), or resume a checkpoint (its path)."""
    max_minutes: PositiveFloat | None = None
    """Time limit of the steps in minutes, without interruptions. Their number is estimated from the speed of the first
    ones, at most what other settings say, and the learning rate schedule ends with the last step."""
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = "no"
    """Precision of autocast: auto is bf16 where the processor supports it in hardware and fp32 elsewhere, and a resumed
    run keeps its precision; no is fp32; fp16 needs a GPU."""
    on_nan: Literal["stop", "skip"] = "stop"
    """When a loss or gradient is NaN or infinite: stop the run, or skip the step (and stop after ten in a row)."""
    checkpoint_minutes: PositiveFloat = 10.0
    """Minutes between checkpoints within an epoch; one is also written at the end of each epoch."""
    log_every: PositiveInt = 10
    """Steps between lines in log.jsonl."""
    sample_every: PositiveInt = 1
    """Epochs between sample sheets and loss curves; they are always written for the last epoch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_device(self.device)
