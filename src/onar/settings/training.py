"""Every setting of a training run, as frozen dataclasses.

The text under a field is its help on the command line and its entry in the reference; the field,
the flag (``--batch_size`` or ``--batch-size``) and the key in a TOML file have one name.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from cyclopts import Parameter

from onar.errors import UsageError
from onar.masks.defaults import MASK_TYPE_HELP, MAX_MASKS, MAX_SIZE_RATIO, MAX_THICKNESS, MaskType
from onar.settings.checks import Settings, at_least, check_seed, plain_settings, read_toml, require
from onar.system.devices import check_device
from onar.weights.bundled import BUNDLED

ImageSize = int | tuple[int, int]
Precision = Literal["no", "bf16", "fp16"]

ContentNetwork = Literal["vgg16", "efficientnet_lite0"]
"""Feature networks by name; `NAME_features` of `onar.metrics.feature_networks` builds each."""

HUB_PREFIX = "hf:"
"""How the text of a Hugging Face source begins."""


PhotoData = str | Path | tuple[Path, ...]
"""Photos as a person names them: a Hugging Face source, or folders, photos and file lists."""


def photo_data(value: str | Path | Sequence[str | Path]) -> PhotoData:
    """What a person wrote for photos: folders become paths, the text of a Hugging Face source stays.

    Raises:
        UsageError: it is empty, as of a shell's variable that is not set, or names several sources.
    """
    places = [value] if isinstance(value, str | Path) else list(value)
    if not places or "" in places:
        raise UsageError(f"the photos' folder is empty text: name a folder, or a source ({HUB_PREFIX}...)")
    if len(places) == 1:
        (place,) = places
        return place if isinstance(place, str) and place.startswith(HUB_PREFIX) else Path(place)
    sources = [place for place in places if str(place).startswith(HUB_PREFIX)]
    if sources:
        raise UsageError(f"{sources[0]} cannot be joined with others: name one source, or several folders and lists")
    return tuple(Path(place) for place in places)


PhotosOption = Annotated[
    str | Path | tuple[Path, ...],
    Parameter(
        converter=lambda _type, tokens: photo_data([token.value for token in tokens]),
        n_tokens=1,
        consume_multiple=(1, None),
    ),
]


def _parse_size(_type: object, tokens: Any) -> ImageSize:
    """Read ``512``, ``256x512`` (height x width), or TOML's ``[256, 512]``."""
    try:
        numbers = [int(part) for token in tokens for part in token.value.lower().split("x")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    given = " ".join(token.value for token in tokens)
    raise UsageError(f"--img_size takes one number or HEIGHTxWIDTH, such as 256x512, not {given!r}")


SizeOption = Annotated[ImageSize, Parameter(converter=_parse_size, n_tokens=1)]


DeviceOption = Annotated[str, Parameter(converter=lambda _type, tokens: check_device(tokens[0].value))]


@dataclass(frozen=True, kw_only=True)
class MaskConfig(Settings):
    """How holes are made."""

    mask_type: Annotated[MaskType, Parameter(help=MASK_TYPE_HELP)] = "irregular"
    """Kind of generated holes; the help lists what each type draws."""
    max_masks: int = MAX_MASKS
    """Most strokes or rectangles in one photo."""
    max_size_ratio: float = MAX_SIZE_RATIO
    """Longest side of a rectangle, or of one segment of a stroke, as a share of the photo's side."""
    max_thickness: int = MAX_THICKNESS
    """Thickest stroke, in pixels of a 512-pixel photo; scales with `img_size`."""
    hole_ratio: tuple[float, float] | None = None
    """Draw holes until they cover a share of the photo chosen evenly between these two numbers
    (0.01 0.6 covers the six ranges of Liu et al. 2018). Replaces `max_masks`."""
    masks: Path | None = None
    """Folder of mask files (white = hole) to use instead of generated holes, randomly flipped and
    rotated."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("max_masks", self.max_masks, 1)
        at_least("max_thickness", self.max_thickness, 1)
        require(0 < self.max_size_ratio <= 1, "max_size_ratio", "must be above 0 and at most 1", self.max_size_ratio)
        if self.hole_ratio is not None:
            low, high = self.hole_ratio
            require(0 < low <= high < 1, "hole_ratio", "takes two shares, 0 < low <= high < 1", self.hole_ratio)


@dataclass(frozen=True, kw_only=True)
class DataConfig(Settings):
    """Which photos a run sees, and how."""

    data: PhotosOption = Path("./data")
    """Photos to train on: one or several folders, each searched with all its subfolders, or text files with a path a
    line. Or a Hugging Face source: hf:NAME[@SPLIT], hf:parquet:FILES, hf:webdataset:FILES or hf:imagefolder:FOLDER."""
    val_data: PhotosOption | None = None
    """Photos for validation only, named as for `data`. Without it, `val_share` of `data` is held out."""
    val_share: float = 0.05
    """Share of `data` held out for validation when `val_data` is not given (at most 100 photos)."""
    masks_by_name: bool = False
    """Give each photo the mask of its own name in `masks` (NAME.png, NAME_mask.png, ...) and of its size, cut,
    mirrored and turned as the photo is; for validation, too, from `val_masks` when that is given with `val_data`."""
    val_masks: Path | None = None
    """Folder of mask files (white = hole) for validation. Without it, validation holes are generated
    like the training holes, from a fixed seed."""
    img_size: SizeOption = 512
    """Size of the training crops in pixels: one number, or HEIGHTxWIDTH (in TOML: [height, width])."""
    min_crop: float = 0.5
    """Smallest random crop, as a share of the largest one that fits in the photo."""
    batch_size: int = 16
    """Photos in one batch of one process; several processes train on so many each."""
    num_workers: int = 4
    """Processes that decode photos and draw holes; 0 does it in the training process."""
    photos_per_epoch: int | None = None
    """Photos in one epoch; without it, each photo once. Useful for very small and very large folders."""
    photo_column: str | None = None
    """Column of pictures in a Hugging Face source; without it, the first."""
    stream: bool = False
    """Read a Hugging Face source from where it lies, shard by shard, with no copy on this disk."""
    shuffle_buffer: int = 1000
    """Photos of a stream that each reading process keeps in memory, undecoded, to shuffle them."""

    @property
    def height_width(self) -> tuple[int, int]:
        """`img_size` as (height, width)."""
        if isinstance(self.img_size, int):
            return self.img_size, self.img_size
        height, width = self.img_size
        return height, width

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("data", "val_data"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, photo_data(value))
        require(min(self.height_width) >= 8, "img_size", "must be at least 8", self.img_size)
        require(0 <= self.val_share < 1, "val_share", "must be at least 0 and below 1", self.val_share)
        require(0 < self.min_crop <= 1, "min_crop", "must be above 0 and at most 1", self.min_crop)
        at_least("batch_size", self.batch_size, 1)
        at_least("num_workers", self.num_workers, 0)
        at_least("shuffle_buffer", self.shuffle_buffer, 1)
        if self.photos_per_epoch is not None:
            at_least("photos_per_epoch", self.photos_per_epoch, 1)
        if self.stream:
            require(isinstance(self.data, str), "stream", f"needs --data {HUB_PREFIX}...", self.data)
            if self.photos_per_epoch is None:
                raise UsageError("--stream needs --photos_per_epoch: how many photos a stream has is not known")


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig(Settings):
    """How training photos are changed, beyond being cropped and mirrored; those of validation never are."""

    augment_blur: float | None = None
    """Blur by a Gaussian of up to this standard deviation (such as 1), in pixels of the crop."""
    augment_jpeg: int | None = None
    """Compress as JPEG, with qualities from this one (such as 50) to 100."""
    augment_rotation: float | None = None
    """Turn by up to so many degrees (such as 10), either way; what is shown becomes a little less, never empty."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, limit in (("augment_blur", 16), ("augment_rotation", 45)):
            if (value := getattr(self, name)) is not None:
                require(0 < value <= limit, name, f"must be above 0 and at most {limit}", value)
        if self.augment_jpeg is not None:
            require(1 <= self.augment_jpeg <= 100, "augment_jpeg", "must be from 1 to 100", self.augment_jpeg)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(Settings):
    """The two networks that are trained, and the frozen one they are judged by."""

    channels: int = 3
    """Channels of the photos. 1 trains a network for grey photos: those in colour are made grey. Other numbers than 1
    and 3 read arrays, height x width x channels, from .npy and TIFF files."""
    generator: str = "PConvUNet"
    """Generator to train, one of `onar.models.GENERATORS`."""
    base_channels: int = 64
    """Channels of the generator's first level; the others scale with it."""
    depth: int = 8
    """Levels of the generator. Each halves the photo, so `img_size` must be at least 2^depth."""
    base_fill: Literal["none", "pyramid"] = "none"
    """What the generator starts from: nothing (the network of the paper), or the pyramid fill,
    which it then learns to correct."""
    discriminator: Literal["global", "local"] = "global"
    """One prediction for the whole photo, or one for each 70-pixel patch."""
    discriminator_channels: int = 64
    """Channels of the discriminator's first level."""
    content_network: ContentNetwork = "vgg16"
    """Frozen network whose features the content loss compares."""
    content_weights: Path | None = None
    """File with that network's ImageNet weights, when they cannot be downloaded."""
    init_weights: Path | None = None
    """Generator weights to start from, for fine-tuning: a file, or "bundled" for those that come with Onar."""
    freeze_batch_norm: bool = False
    """Freeze the batch norm of the encoder, statistics and affine terms: the paper's fine-tuning stage."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("channels", self.channels, 1)
        at_least("base_channels", self.base_channels, 1)
        at_least("depth", self.depth, 1)
        at_least("discriminator_channels", self.discriminator_channels, 1)


def loss_weights(settings: Settings) -> dict[str, float]:
    """The weights of a training's loss terms, its settings lambda_…, by the terms' names."""
    named = vars(settings).items()
    return {name.removeprefix("lambda_"): weight for name, weight in named if name.startswith("lambda_")}


@dataclass(frozen=True, kw_only=True)
class LossConfig(Settings):
    """The weights of the generator's loss terms."""

    lambda_pixel: float = 1.0
    """Weight of the pixel loss (L1)."""
    lambda_content: float = 1.0
    """Weight of the content (perceptual) loss."""
    lambda_adv: float = 0.01
    """Weight of the adversarial loss (RaGAN)."""
    lambda_style: float = 0.0
    """Weight of the style loss (Gram matrices) of Liu et al. 2018."""
    lambda_tv: float = 0.0
    """Weight of the total variation on the hole's one-pixel dilation, of Liu et al. 2018."""
    hole_weight: float = 1.0
    """How much more a hole pixel counts than a known pixel in the pixel loss (6 in the paper)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in dataclasses.fields(LossConfig):
            at_least(field.name, getattr(self, field.name), 0)


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(Settings):
    """How the networks are updated."""

    epochs: int = 8
    """Passes over the photos."""
    max_steps: int | None = None
    """Stop after this many optimiser steps, whatever `epochs` says."""
    max_minutes: float | None = None
    """Minutes that the run may take, stops not counted. The speed of the first steps decides how many steps fit, at
    most those of `epochs` and `max_steps`, and the learning rates end with the last of them."""
    patience: int | None = None
    """Early stopping: end the run when validation (`best_by`) has not become better for this many epochs."""
    learning_rate_g: float = 1e-4
    """Adam's learning rate for the generator."""
    learning_rate_d: float = 1e-4
    """Adam's learning rate for the discriminator."""
    adam_beta1: float = 0.9
    """Adam's beta 1, for both networks."""
    adam_beta2: float = 0.999
    """Adam's beta 2, for both networks."""
    finetune_share: float = 0.0
    """Second stage of Liu et al. 2018: in this last share of the steps the encoder's batch norm is frozen, and the
    generator learns at `finetune_learning_rate_g`. 0: one stage."""
    finetune_learning_rate_g: float = 5e-5
    """Adam's learning rate for the generator in the second stage."""
    lr_schedule: Literal["constant", "cosine"] = "constant"
    """Learning rates stay, or fall to zero along half a cosine by the last step."""
    warmup_steps: int = 0
    """Steps over which the learning rates first rise from zero."""
    accumulation_steps: int = 1
    """Batches whose gradients are added up before one optimiser step."""
    ema_decay: float = 0.0
    """Average the generator's weights over time with this decay (such as 0.999), and validate and keep
    the average; 0 keeps the plain weights."""
    max_grad_norm: float = 0.0
    """Shorten each network's gradient to at most this norm; 0 leaves gradients as they are."""
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = "no"
    """Number format of the networks' arithmetic. auto takes bf16 where the processor multiplies it and fp32 elsewhere,
    and a run that goes on keeps what it began with; no is fp32 everywhere; fp16 needs a GPU."""
    on_nan: Literal["stop", "skip"] = "stop"
    """When a loss or gradient is not a finite number: stop the run, or skip the step (but stop after
    ten in a row)."""
    gradient_checkpointing: bool = False
    """Keep only what enters each level of the generator, and compute the rest again for the gradients:
    less memory, longer steps, the same weights."""
    compile: bool = False
    """Compile both networks with torch.compile: minutes before the first step, then shorter steps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("epochs", "accumulation_steps"):
            at_least(name, getattr(self, name), 1)
        at_least("warmup_steps", self.warmup_steps, 0)
        at_least("max_grad_norm", self.max_grad_norm, 0)
        for name in ("max_steps", "patience"):
            if (value := getattr(self, name)) is not None:
                at_least(name, value, 1)
        if self.max_minutes is not None:
            require(self.max_minutes > 0, "max_minutes", "must be above 0", self.max_minutes)
        require(0 <= self.finetune_share < 1, "finetune_share", "must be at least 0 and below 1", self.finetune_share)
        for name in ("learning_rate_g", "learning_rate_d", "finetune_learning_rate_g"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))
        for name in ("adam_beta1", "adam_beta2", "ema_decay"):
            require(0 <= getattr(self, name) < 1, name, "must be at least 0 and below 1", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class RunConfig(Settings):
    """Where a run writes, and how it goes on."""

    results_dir: Path = Path("./inpainting_results")
    """Folder for weights, sample sheets, loss curves and the log."""
    device: DeviceOption = "auto"
    """Where to compute: auto, cpu, cuda, cuda:1, ... or mps; auto takes a GPU when there is one."""
    seed: int = 0
    """Seed of the first weights and of every crop, flip and hole."""
    resume: str | Path = "auto"
    """auto goes on with the unfinished run in `results_dir`, never starts anew, a path goes on from
    that checkpoint."""
    best_by: Literal["psnr", "psnr_hole", "ssim", "l1", "l1_hole"] = "psnr"
    """Validation score by which `generator_best.pth` is chosen."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints within an epoch; one is also written at each epoch's end."""
    process_timeout: float = 10.0
    """Minutes that processes which train together wait for one of them before they give up."""
    log_every: int = 10
    """Steps between lines in log.jsonl."""
    sample_every: int = 1
    """Epochs between sample sheets and curves; the last epoch always has them."""
    track: Literal["none", "tensorboard", "wandb"] = "none"
    """Also write the losses as TensorBoard events into `results_dir`, or send them to Weights & Biases: its settings,
    such as WANDB_MODE=offline, are environment variables."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_seed(self.seed)
        check_device(self.device)
        at_least("log_every", self.log_every, 1)
        at_least("sample_every", self.sample_every, 1)
        for name in ("checkpoint_minutes", "process_timeout"):
            require(getattr(self, name) > 0, name, "must be above 0", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunConfig, OptimizerConfig, LossConfig, NetworkConfig, MaskConfig, AugmentationConfig, DataConfig):
    """Everything one training run depends on.

    Raises `UsageError` (a `ValueError`) with the flag's name when a value has another type or is out of range.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels != 3 and str(self.init_weights) == BUNDLED:
            raise UsageError(
                f"--init_weights {BUNDLED} is a network for photos in colour, not for --channels {self.channels}"
            )
        if self.channels not in (1, 3):
            self._check_arrays()
        if self.masks_by_name and self.masks is None:
            raise UsageError("--masks_by_name needs a folder of masks: --masks DIR")
        smallest = min(self.height_width)
        if self.discriminator == "local":
            require(smallest >= 24, "img_size", "must be at least 24 for --discriminator local", self.img_size)
        if smallest < 2**self.depth:
            fitting = smallest.bit_length() - 1
            raise UsageError(
                f"--img_size {smallest} is too small for --depth {self.depth} (2^{self.depth} = {2**self.depth}): "
                f"use --depth {fitting} or less, or larger crops"
            )

    def _check_arrays(self) -> None:
        """Raise `UsageError` for what photos of other channels than grey and colours cannot have."""
        for name in ("lambda_content", "lambda_style"):
            if getattr(self, name):
                raise UsageError(
                    f"--channels {self.channels} needs --{name} 0: the network behind that loss knows colours"
                )
        if self.augment_jpeg is not None:
            raise UsageError(f"--augment_jpeg is for photos of 1 or 3 channels, not --channels {self.channels}")
        for name in ("data", "val_data"):
            if isinstance(getattr(self, name), str):
                raise UsageError(f"--channels {self.channels} needs --{name} in folders: .npy and TIFF files")

    @classmethod
    def from_toml(cls, path: Path | str, **changes: Any) -> TrainConfig:
        """Read a recipe; `changes` win over the file. Unknown keys raise `UsageError`."""
        values = read_toml(Path(path))
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            near = difflib.get_close_matches(unknown[0], known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else "`onar train --help` lists the names"
            raise UsageError(f"{path}: unknown key {unknown[0]!r}; {advice}")
        return cls(**{**values, **changes})

    def to_plain(self) -> dict[str, Any]:
        """The configuration as the values TOML knows; settings that are None are left out."""
        return plain_settings(self)

    def to_toml(self) -> str:
        """The configuration as TOML text that `from_toml` and `--config` read back."""
        return tomli_w.dumps(self.to_plain())


def settings_to_share(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Of a recipe what may go where its weights go: known settings, but for files and folders of this machine."""
    fields = dataclasses.fields(TrainConfig)
    places = {field.name for field in fields if any(kind in str(field.type) for kind in ("Path", "PhotosOption"))}
    known = {field.name: recipe[field.name] for field in fields if field.name in recipe}
    return {name: value for name, value in known.items() if name not in places or _is_everywhere(value)}


def _is_everywhere(place: object) -> bool:
    """Whether a place is the same on every machine: what comes with Onar, a name on the hub, or no place at all."""
    local = ("hf:imagefolder:", "hf:parquet:", "hf:webdataset:", "hf:.", "hf:/", "hf:~")
    text = str(place)
    return text in (BUNDLED, "auto", "never") or (text.startswith(HUB_PREFIX) and not text.startswith(local))
