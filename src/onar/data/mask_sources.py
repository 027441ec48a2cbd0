"""Where the masks of a training or a preview come from: drawn at random, or a folder of mask files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from onar.config import MaskConfig, TrainConfig
from onar.errors import OnarError
from onar.imaging.images import PhotoError, Pixels, read_mask
from onar.imaging.listing import find_photos
from onar.masks import augment_mask, fit_mask, random_mask


class MaskSource(Protocol):
    """Anything that makes a uint8 H×W mask of a given size; it must pickle, to reach the reading processes."""

    def __call__(self, height: int, width: int, rng: np.random.Generator, /) -> Pixels:
        """Make a mask, drawing every random number from `rng`."""


@dataclass(frozen=True)
class GeneratedMasks:
    """Random masks; the fields are the arguments of `onar.masks.random_mask`."""

    mask_type: str = "irregular"
    max_masks: int = 3
    max_size_ratio: float = 0.3
    max_thickness: float = 20
    hole_ratio: tuple[float, float] | None = None

    def __call__(self, height: int, width: int, rng: np.random.Generator, /) -> Pixels:
        """Draw a mask."""
        return random_mask(height, width, rng=rng, **vars(self))


@dataclass(frozen=True)
class MaskFolder:
    """Masks drawn at random from mask files, fitted to the size asked for.

    Attributes:
        paths: mask files; `find_photos(folder, "mask files")` finds them.
        augment: flip and rotate them at random.
    """

    paths: Sequence[Path]
    augment: bool = True

    def __call__(self, height: int, width: int, rng: np.random.Generator, /) -> Pixels:
        """Read a mask; raises `OnarError` when the file cannot be read."""
        path = self.paths[int(rng.integers(len(self.paths)))]
        try:
            mask = read_mask(path)
        except PhotoError as error:  # of a mask file: other holes than those asked for would be worse than none
            raise OnarError(f"cannot use a mask file: {error}") from error
        return fit_mask(augment_mask(mask, rng) if self.augment else mask, height, width)


def mask_source(config: MaskConfig, *, validation: bool = False) -> MaskSource:
    """Choose where the masks of a run come from; those of `val_masks` are used as they are.

    Raises:
        OnarError: there are no mask files in the folder that `config` names.
    """
    if validation and isinstance(config, TrainConfig) and config.val_masks is not None:
        return MaskFolder(find_photos(config.val_masks, "mask files"), augment=False)
    if config.masks is not None:
        return MaskFolder(find_photos(config.masks, "mask files"))
    return GeneratedMasks(
        config.mask_type, config.max_masks, config.max_size_ratio, config.max_thickness, config.hole_ratio
    )
