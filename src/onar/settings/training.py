"""Settings of a training run, as frozen dataclasses.

The text under a field is its help on the command line and its entry in the reference. The field, the flag
(``--batch_size`` or ``--batch-size``) and the key in a TOML file have the same name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, Lt
from cyclopts import Parameter

from onar.errors import FieldError, UsageError
from onar.masks.defaults import MASK_TYPE_HELP, MAX_MASKS, MAX_SIZE_RATIO, MAX_THICKNESS, MaskType
from onar.settings.checks import Settings, plain_settings, read_toml, require
from onar.settings.fit import FitConfig, PhotosConfig
from onar.settings.options import HUB_PREFIX, ContentNetwork, PhotosOption, SizeOption
from onar.settings.ranges import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Share,
    ShareBelowOne,
)
from onar.settings.recipes import recipe_file
from onar.weights.bundled import BUNDLED

HoleShare = Annotated[float, Gt(0), Lt(1)]


@dataclass(frozen=True, kw_only=True)
class MaskConfig(Settings):
    """How holes are made."""

    topic: ClassVar[str] = "Holes"

    mask_type: Annotated[MaskType, Parameter(help=MASK_TYPE_HELP)] = "irregular"
    """Kind of generated holes; the help lists what each type draws."""
    max_masks: PositiveInt = MAX_MASKS
    """Maximum number of strokes or rectangles in one photo."""
    max_size_ratio: Share = MAX_SIZE_RATIO
    """Maximum side of a rectangle, or length of one segment of a stroke, as a share of the photo's side."""
    max_thickness: PositiveInt = MAX_THICKNESS
    """Maximum width of a stroke, in pixels of a 512-pixel photo; scales with `img_size`."""
    hole_ratio: tuple[HoleShare, HoleShare] | None = None
    """Draw holes until they cover a share of the photo, which is drawn uniformly between these two numbers (0.01 0.6
    covers the six ranges of Liu et al. 2018). Replaces `max_masks`."""
    masks: Path | None = None
    """Folder of mask files (white = hole) to use instead of generated holes, randomly flipped and rotated."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hole_ratio is not None:
            low, high = self.hole_ratio
            require(low <= high, "hole_ratio", "takes two shares, 0 < low <= high < 1", self.hole_ratio)


@dataclass(frozen=True, kw_only=True)
class DataConfig(PhotosConfig):
    """Photos of a run, and how they are read."""

    val_data: PhotosOption | None = None
    """Photos for validation only, named as for `data`. Without it, `val_share` of `data` is held out."""
    val_share: ShareBelowOne = 0.05
    """Share of `data` that is held out for validation without `val_data`, at most 100 photos."""
    masks_by_name: bool = False
    """Pair each photo with the mask of its name in `masks` (NAME.png, NAME_mask.png, ...) and of its size, cropped,
    flipped and rotated with the photo. Validation does the same with `val_masks`, where `val_data` is given."""
    val_masks: Path | None = None
    """Folder of mask files (white = hole) for validation; by default, holes are generated as for training, from a fixed
    seed."""
    img_size: SizeOption = 512
    """Size of the training crops in pixels: one number, or HEIGHTxWIDTH (in TOML: [height, width])."""
    min_crop: Share = 0.5
    """Minimum side of the random crop, as a share of the largest crop that fits in the photo."""
    batch_size: PositiveInt = 16
    """Photos in a batch, in each process."""
    num_workers: NonNegativeInt = 4
    """Worker processes that decode photos and draw holes; 0 uses the training process."""
    photos_per_epoch: PositiveInt | None = None
    """Photos in one epoch; by default, each photo once. For very small and very large folders."""
    stream: bool = False
    """Stream a Hugging Face source, shard by shard, without a copy on this disk."""
    shuffle_buffer: PositiveInt = 1000
    """Size of the shuffle buffer of a stream, in undecoded photos per worker process."""

    @property
    def height_width(self) -> tuple[int, int]:
        """`img_size` as (height, width)."""
        if isinstance(self.img_size, int):
            return self.img_size, self.img_size
        height, width = self.img_size
        return height, width

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stream:
            require(isinstance(self.data, str), "stream", f"needs `data` {HUB_PREFIX}...", self.data)
            if self.photos_per_epoch is None:
                raise FieldError("stream", "needs `photos_per_epoch`: the length of a stream is not known")


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig(Settings):
    """Augmentation of training photos beyond random crops and flips; validation photos are not augmented."""

    topic: ClassVar[str] = "Augmentation"

    augment_blur: Annotated[float, Gt(0), Le(16)] | None = None
    """Gaussian blur with a standard deviation of up to this (such as 1), in pixels of the crop."""
    augment_jpeg: Annotated[int, Ge(1), Le(100)] | None = None
    """JPEG compression with qualities from this (such as 50) to 100."""
    augment_rotation: Annotated[float, Gt(0), Le(45)] | None = None
    """Rotate by up to this angle in degrees (such as 10) either way; the crop is made smaller to stay in the photo."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(Settings):
    """The generator, the discriminator and the frozen network of the content loss."""

    topic: ClassVar[str] = "Networks"

    channels: PositiveInt = 3
    """Channels of the photos. 1 trains a network for grey photos and converts photos in colour to grey; others than 1
    and 3 read arrays, height x width x channels, from .npy and TIFF files."""
    generator: str = "PConvUNet"
    """Generator to train, one of `onar.models.GENERATORS`."""
    base_channels: PositiveInt = 64
    """Channels of the generator's first level; the others scale with it."""
    depth: PositiveInt = 8
    """Levels of the generator. Each halves the resolution, so `img_size` must be at least 2^depth."""
    base_fill: Literal["none", "pyramid"] = "none"
    """Input of the generator: the holes alone (none, the network of the paper), or a pyramid fill, which the generator
    learns to correct with a residual (pyramid)."""
    pretrained_features: bool = False
    """Join feature maps of EfficientNet-Lite0, a frozen image classifier, to the generator's decoder; needs `base_fill`
    pyramid."""
    discriminator: Literal["global", "local"] = "global"
    """One prediction for the whole photo (global), or one for each 70-pixel receptive field (local, PatchGAN)."""
    discriminator_channels: PositiveInt = 64
    """Channels of the discriminator's first level."""
    content_network: ContentNetwork = "vgg16"
    """Frozen network whose features the content loss compares."""
    content_weights: Path | None = None
    """File with its ImageNet weights; by default they are downloaded."""
    init_weights: Path | None = None
    """Initial generator weights, for fine-tuning: a file, or "bundled" for the bundled weights."""
    freeze_batch_norm: bool = False
    """Freeze the batch norm of the encoder, statistics and affine terms: the paper's fine-tuning stage."""


def loss_weights(settings: Settings) -> dict[str, float]:
    """The settings lambda_… of a training, as {name of the loss term: weight}."""
    named = vars(settings).items()
    return {name.removeprefix("lambda_"): weight for name, weight in named if name.startswith("lambda_")}


@dataclass(frozen=True, kw_only=True)
class LossConfig(Settings):
    """Weights of the generator's loss terms."""

    topic: ClassVar[str] = "Losses"

    lambda_pixel: NonNegativeFloat = 1.0
    """Weight of the pixel loss (L1)."""
    lambda_content: NonNegativeFloat = 1.0
    """Weight of the content (perceptual) loss."""
    lambda_adv: NonNegativeFloat = 0.01
    """Weight of the adversarial loss (RaGAN)."""
    lambda_style: NonNegativeFloat = 0.0
    """Weight of the style loss (Gram matrices) of Liu et al. 2018."""
    lambda_tv: NonNegativeFloat = 0.0
    """Weight of the total variation on the hole's one-pixel dilation, of Liu et al. 2018."""
    hole_weight: NonNegativeFloat = 1.0
    """Weight of a hole pixel in the pixel loss, where a known pixel has 1 (6 in the paper)."""


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(Settings):
    """Optimisation: schedule, learning rates, precision."""

    topic: ClassVar[str] = "Optimisation"

    epochs: PositiveInt = 8
    """Passes over the photos."""
    max_steps: PositiveInt | None = None
    """Maximum number of optimiser steps, if fewer than those of `epochs`."""
    patience: PositiveInt | None = None
    """Early stopping: end the run when the validation score (`best_by`) has not improved for this many epochs."""
    learning_rate_g: PositiveFloat = 1e-4
    """Adam's learning rate for the generator."""
    learning_rate_d: PositiveFloat = 1e-4
    """Adam's learning rate for the discriminator."""
    adam_beta1: ShareBelowOne = 0.9
    """Adam's beta 1, for both networks."""
    adam_beta2: ShareBelowOne = 0.999
    """Adam's beta 2, for both networks."""
    finetune_share: ShareBelowOne = 0.0
    """Share of the steps in the fine-tuning stage of Liu et al. 2018: at the end, with the encoder's batch norm frozen
    and the learning rate `finetune_learning_rate_g`. 0: no such stage."""
    finetune_learning_rate_g: PositiveFloat = 5e-5
    """Adam's learning rate for the generator in the fine-tuning stage."""
    lr_schedule: Literal["constant", "cosine"] = "constant"
    """Learning rate schedule: constant, or cosine decay to zero."""
    warmup_steps: NonNegativeInt = 0
    """Steps of linear learning rate warm-up."""
    accumulation_steps: PositiveInt = 1
    """Gradient accumulation: batches per optimiser step."""
    ema_decay: ShareBelowOne = 0.0
    """Decay of the exponential moving average (EMA) of the generator's weights, such as 0.999. The average is validated
    and saved instead of the weights; 0: no average."""
    max_grad_norm: NonNegativeFloat = 0.0
    """Clip the gradient norm of each network to at most this; 0: no clipping."""
    gradient_checkpointing: bool = False
    """Activation checkpointing: recompute the activations within each level of the generator in the backward pass. Less
    memory, slower steps, the same weights."""
    compile: bool = False
    """Compile both networks with torch.compile: minutes before the first step, then faster steps."""


@dataclass(frozen=True, kw_only=True)
class RunConfig(FitConfig):
    """Results and processes of a run."""

    results_dir: Path = Path("./inpainting_results")
    """Folder for weights, sample sheets, loss curves and the log."""
    best_by: Literal["psnr", "psnr_hole", "ssim", "l1", "l1_hole"] = "psnr"
    """Validation score that selects `generator_best.pth`."""
    process_timeout: PositiveFloat = 10.0
    """Timeout in minutes of processes that train together, when one of them does not answer."""
    track: Literal["none", "tensorboard", "wandb"] = "none"
    """Also log the losses to TensorBoard, in `results_dir`, or to Weights & Biases, which is configured by environment
    variables such as WANDB_MODE=offline."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunConfig, OptimizerConfig, LossConfig, NetworkConfig, MaskConfig, AugmentationConfig, DataConfig):
    """All settings of a training run; a wrong value raises `FieldError`, a `UsageError` and `ValueError`.

    >>> TrainConfig(batch_size=4, img_size=(256, 384)).height_width
    (256, 384)
    >>> TrainConfig(epochs=0)
    Traceback (most recent call last):
    onar.errors.FieldError: epochs must be at least 1, not 0
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels != 3 and str(self.init_weights) == BUNDLED:
            raise FieldError(
                "init_weights", f"{BUNDLED} is a network for photos in colour, not for `channels` {self.channels}"
            )
        if self.channels not in (1, 3):
            self._check_arrays()
        if self.masks_by_name and self.masks is None:
            raise FieldError("masks_by_name", "needs a folder of masks: `masks` DIR")
        smallest = min(self.height_width)
        if self.discriminator == "local":
            require(smallest >= 24, "img_size", "must be at least 24 for `discriminator` local", self.img_size)
        if self.pretrained_features:
            require(self.base_fill == "pyramid", "pretrained_features", "needs `base_fill` pyramid", self.base_fill)
            require(self.channels == 3, "pretrained_features", "needs photos in colour, `channels` 3", self.channels)
        if self.generator == "PConvUNet" and smallest < 2**self.depth:
            fitting = smallest.bit_length() - 1
            raise FieldError(
                "img_size",
                f"{smallest} is too small for `depth` {self.depth} (2^{self.depth} = {2**self.depth}): "
                f"use `depth` {fitting} or less, or larger crops",
            )

    def _check_arrays(self) -> None:
        """Raise `FieldError` for settings that only photos of 1 or 3 channels can have."""
        if self.augment_jpeg is not None:
            raise FieldError("augment_jpeg", f"is for photos of 1 or 3 channels, not `channels` {self.channels}")
        for name in ("data", "val_data"):
            if isinstance(getattr(self, name), str):
                raise FieldError("channels", f"{self.channels} needs `{name}` in folders: .npy and TIFF files")

    @classmethod
    def from_toml(cls, path: Path | str, **changes: Any) -> TrainConfig:
        """Read a recipe, by the path of its file or the name of a bundled one; `changes` win over it.

        >>> TrainConfig.from_toml("laptop", epochs=3).img_size
        128

        Raises:
            UsageError: there is no such recipe, or it has unknown keys.
        """
        values = read_toml(recipe_file(path))
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            import difflib

            near = difflib.get_close_matches(unknown[0], known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else "`onar train --help` lists the names"
            raise UsageError(f"{path}: unknown key {unknown[0]!r}; {advice}")
        return cls(**{**values, **changes})

    def to_plain(self) -> dict[str, Any]:
        """The configuration as TOML values, which `from_toml` and `--config` read; those that are None are left out."""
        return plain_settings(self)


def settings_to_share(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe that are saved with the weights: without files and folders of this machine."""
    fields = dataclasses.fields(TrainConfig)
    places = {field.name for field in fields if any(kind in str(field.type) for kind in ("Path", "PhotosOption"))}
    known = {field.name: recipe[field.name] for field in fields if field.name in recipe}
    return {name: value for name, value in known.items() if name not in places or _is_everywhere(value)}


def _is_everywhere(place: object) -> bool:
    """Whether a place is the same on every machine: bundled weights, a name on the hub, or no place at all."""
    local = ("hf:imagefolder:", "hf:parquet:", "hf:webdataset:", "hf:.", "hf:/", "hf:~")
    text = str(place)
    return text in (BUNDLED, "auto", "never") or (text.startswith(HUB_PREFIX) and not text.startswith(local))
