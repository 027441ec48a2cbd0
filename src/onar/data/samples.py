"""Training samples: a crop of a photo, and its known pixels.

A sample depends only on the seed, the number of the pass over the photos, and the photo's index: not on the number of
reading processes, nor on earlier samples. Its random numbers come from one generator seeded with these three, so
training can resume at any step of any epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from onar.data.augmentation import NO_AUGMENTATION, UNCHANGED, Augmentation, Change
from onar.data.mask_sources import MaskSource, NamedMasks
from onar.data.photo_sets import AUGMENTATION, TRAINING, VALIDATION, Photos, first_readable
from onar.imaging.arrays import ArrayFile, open_array
from onar.imaging.crops import Corners, box_with_hole, centre_box, random_box
from onar.imaging.grey import to_grey
from onar.imaging.images import PhotoFile, PhotoSource, open_photo
from onar.masks.holes import Holes, known_from_holes, resize_holes

Key: TypeAlias = tuple[int, int]
"""Number of the pass over the photos, and index of the photo."""


class Sample(TypedDict):
    """One training sample; torch's default collation turns numbers into tensors and text into lists."""

    photo: Tensor
    """H×W×C, augmented in training: uint8 RGB or grey; float32 in [0, 1] with other channels."""
    known: Tensor
    """uint8 1×H×W, 1 = known; uint8 because samples are sent between processes."""
    index: int
    """Index of the photo."""
    upscaled: bool
    """The photo was smaller than the crop, and was enlarged."""
    unreadable: str
    """One line, `file: reason`, for each unreadable photo that was skipped before this one."""


def in_unit_range(photo: Tensor) -> Tensor:
    """Convert photos of samples to float32 in [0, 1].

    >>> in_unit_range(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([0., 1.])
    """
    return photo.float() / 255 if photo.dtype == torch.uint8 else photo


@dataclass(frozen=True)
class Crops:
    """Base of training and validation crops; photos with other than 3 channels (RGB) or 1 (grey) are arrays."""

    height: int
    width: int
    masks: MaskSource | NamedMasks
    seed: int
    channels: int = field(default=3, kw_only=True)

    def _cut(
        self,
        photo: PhotoSource,
        index: int,
        choose_box: Callable[[int, int], Corners],
        rng: np.random.Generator,
        flip: bool = False,
        change: Change = UNCHANGED,
    ) -> Sample:
        """The sample of a photo; raises `PhotoError`, or `OnarError` if the mask file cannot be read.

        `choose_box` maps height and width of the photo to the crop to read; `rng` is the generator of the mask.
        """
        hole: Holes | None = None
        with self._open(photo) as file:
            small = file.height < self.height or file.width < self.width
            box = choose_box(file.height, file.width)
            if isinstance(self.masks, NamedMasks):
                whole = self.masks.holes_of(photo, file.height, file.width)
                box = box_with_hole(box, whole, rng)
                hole = self._cut_holes(whole, box, flip, change)
                if not hole.any():  # rotated out of the crop
                    change = replace(change, rotation=0.0)
                    hole = self._cut_holes(whole, box, flip, change)
            pixels = file.read_crop(box, *change.size_to_read(self.height, self.width))
        pixels = change(pixels[:, ::-1] if flip else pixels, self.height, self.width)
        if self.channels == 1:
            pixels = to_grey(pixels)[..., None]
        if not isinstance(self.masks, NamedMasks):
            hole = self.masks(self.height, self.width, rng)
        assert hole is not None
        known = known_from_holes(hole)
        return Sample(
            photo=torch.from_numpy(pixels.copy()),
            known=torch.from_numpy(known),
            index=index,
            upscaled=small,
            unreadable="",
        )

    def _open(self, photo: PhotoSource) -> AbstractContextManager[PhotoFile | ArrayFile]:
        return open_photo(photo) if self.channels in (1, 3) else open_array(photo, self.channels)

    def _cut_holes(self, whole: Holes, box: Corners, flip: bool, change: Change) -> Holes:
        """Crop and augment the holes as the photo in `_cut`."""
        left, top, right, bottom = box
        hole = resize_holes(whole[top:bottom, left:right], *change.size_to_read(self.height, self.width))
        return np.ascontiguousarray(change.turn_holes(hole[:, ::-1] if flip else hole, self.height, self.width))


@dataclass(frozen=True)
class RandomCrops(Crops):
    """Random crops for training, with random mirroring and holes, and augmentation, on which these do not depend.

    `min_crop`, above 0 and at most 1, is the minimum size before resizing, as a share of the largest crop that fits.
    """

    min_crop: float = 0.5
    augmentation: Augmentation = NO_AUGMENTATION

    def __call__(self, photo: PhotoSource, key: Key) -> Sample:
        """The sample of a photo in one pass; raises as `Crops._cut`."""
        rng = np.random.default_rng((self.seed, TRAINING, *key))
        flip = bool(rng.random() < 0.5)
        size = self.height, self.width
        change = self.augmentation.draw(np.random.default_rng((self.seed, AUGMENTATION, *key)))
        return self._cut(
            photo, key[1], lambda tall, wide: random_box((tall, wide), size, self.min_crop, rng), rng, flip, change
        )


@dataclass(frozen=True)
class CentreCrops(Crops):
    """Centre crops for validation, with holes that depend only on seed and index."""

    def __call__(self, photo: PhotoSource, index: int) -> Sample:
        """The sample of a photo; raises as `Crops._cut`."""
        rng = np.random.default_rng((self.seed, VALIDATION, index))
        return self._cut(photo, index, lambda tall, wide: centre_box(tall, wide, self.height, self.width), rng)


def _sample_of(photos: Photos, index: int, cut: Callable[[PhotoSource], Sample]) -> Sample:
    """The sample that `cut` makes of the first readable photo from `index` on; raises as `first_readable`."""
    sample, at, unreadable = first_readable(photos, index, cut)
    sample["index"], sample["unreadable"] = at, "\n".join(unreadable)
    return sample


class TrainingPhotos(Dataset[Sample]):
    """Training samples by the keys of `EpochBatches`, from at least one photo."""

    def __init__(self, photos: Photos, crops: RandomCrops) -> None:
        self.photos, self.crops = photos, crops

    def __getitem__(self, key: Key) -> Sample:
        """The sample of a photo in one pass; raises `OnarError` if no photo can be read."""
        return _sample_of(self.photos, key[1], lambda photo: self.crops(photo, key))


class ValidationPhotos(Dataset[Sample]):
    """Validation samples by index; arguments as in `TrainingPhotos`."""

    def __init__(self, photos: Photos, crops: CentreCrops) -> None:
        self.photos, self.crops = photos, crops

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Sample:
        """The sample of a photo; raises `OnarError` if no photo can be read."""
        return _sample_of(self.photos, index, lambda photo: self.crops(photo, index))
