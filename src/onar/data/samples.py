"""Photos as training samples: a crop of a photo, and which of its pixels are known.

A sample depends on the seed, the number of the pass over the photos, and the photo's index, and on nothing else: not
on how many processes read, nor on what was read before. All random numbers of a sample come from one generator made
from these three, so any epoch can be entered at any step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeAlias, TypedDict, TypeVar
from unicodedata import normalize

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from onar.data.augmentation import NO_AUGMENTATION, UNCHANGED, Augmentation, Change
from onar.data.hub import HubPhotos, warn_unused_files
from onar.data.mask_sources import MaskSource, NamedMasks
from onar.data.photo_folders import NamedFolders, PhotoPaths, find_photo_paths
from onar.errors import OnarError, printable
from onar.imaging.arrays import ARRAY_ENDINGS, ArrayFile, open_array
from onar.imaging.crops import Corners, box_with_hole, centre_box, random_box
from onar.imaging.formats.endings import READABLE
from onar.imaging.grey import to_grey
from onar.imaging.images import PhotoError, PhotoFile, PhotoSource, open_photo
from onar.masks.holes import Holes, known_from_holes, resize_holes
from onar.settings.training import PhotoData
from onar.system.console import warn

T = TypeVar("T")

Key: TypeAlias = tuple[int, int]
"""Number of the pass over the photos, and index of the photo."""

# Without these, numpy would start the order of pass 3 and the crop of pass 3, photo 0 from the same state: missing
# numbers of a seed count as zeros.
ORDER, _TRAINING, _VALIDATION, _HOLD_OUT, _AUGMENTATION = range(5)


MAX_HELD_OUT = 100

FOLDER_TIMEOUT = 120
_GONE: set[Path] = set()
"""Folders that this process has waited for in vain."""


# ---------------------------------------------------------------- files


class Photos(Protocol):
    """Photos by index: a list of paths, or what reads them from elsewhere when they are asked for."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int, /) -> PhotoSource:
        """The photo at an index, not opened yet."""


class ChosenPhotos:
    """Some of the photos of a larger set.

    Args:
        photos: all photos.
        indices: those to take, in this order.
    """

    def __init__(self, photos: Photos, indices: NDArray[np.int64]) -> None:
        self._photos, self.indices = photos, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> PhotoSource:
        return self._photos[int(self.indices[index])]


def open_photos(data: PhotoData, column: str | None = None, others: NamedFolders = (), channels: int = 3) -> Photos:
    """Find the photos of folders and file lists, or of a Hugging Face source.

    Args:
        data: as `find_photo_paths` takes it, or the text of a source as `onar.data.hub` has it.
        column: the source's column of pictures; by default the first.
        others: folders of other settings, which are left out.
        channels: of the photos; other than 1 and 3 are in arrays.

    Raises:
        OnarError: there are none.
    """
    if not isinstance(data, str):
        return find_photo_paths(data, others, READABLE.keys() if channels in (1, 3) else ARRAY_ENDINGS)
    warn_unused_files(data)
    return HubPhotos(data, column)


def hold_out(photos: Photos, share: float, seed: int) -> tuple[Photos, Photos]:
    """Split photos into those to train on and those held out for validation, both in the order given.

    Args:
        photos: all photos.
        share: share to hold out, at least 0 and below 1.
        seed: the same seed and number of photos give the same split.
    """
    order = np.random.default_rng((seed, _HOLD_OUT)).permutation(len(photos))
    held_out, training = np.split(order, [count_held_out(len(photos), share)])
    return ChosenPhotos(photos, np.sort(training)), ChosenPhotos(photos, np.sort(held_out))


def hold_out_named(photos: PhotoPaths, names: Collection[str]) -> tuple[Photos, Photos]:
    """Split photos into those to train on and those that are named, as far as they are there; both keep their order.

    Letters match however they are put together: a folder that comes from a Mac or goes to one is the same folder.
    Runs of earlier versions named whole paths.
    """
    composed = {normalize("NFC", name) for name in names}
    both = ((photos.name(index), str(photos[index])) for index in range(len(photos)))
    named = np.array([not composed.isdisjoint(normalize("NFC", name) for name in pair) for pair in both], bool)
    return ChosenPhotos(photos, np.flatnonzero(~named)), ChosenPhotos(photos, np.flatnonzero(named))


def count_held_out(count: int, share: float) -> int:
    """How many of `count` photos to hold out: their share, at least 1 if 2 are there, at most `MAX_HELD_OUT`."""
    return max(0, min(MAX_HELD_OUT, max(1, round(share * count)), count - 1)) if share > 0 else 0


# ---------------------------------------------------------------- samples


class Sample(TypedDict):
    """What one sample holds; torch's default collation turns numbers into tensors and text into lists."""

    photo: Tensor
    """H×W×C, as it was decoded and, in training, changed: uint8, RGB or grey; float32 of other channels."""
    known: Tensor
    """uint8 1×H×W, 1 = known; uint8 because samples travel between processes."""
    index: int
    """Index of the photo that was read."""
    upscaled: bool
    """The photo is smaller than the crop, and was enlarged."""
    unreadable: str
    """One line, `file: reason`, for each photo that could not be read before this one was."""


def in_unit_range(photo: Tensor) -> Tensor:
    """Photos of samples as floats in [0, 1]."""
    return photo.float() / 255 if photo.dtype == torch.uint8 else photo


@dataclass(frozen=True)
class Crops:
    """What training and validation crops have in common.

    Attributes:
        height: rows of the crops, in pixels.
        width: columns of the crops, in pixels.
        masks: where the holes come from.
        seed: another seed gives other crops and holes.
        channels: 3 for RGB, 1 for grey; photos of others are arrays.
    """

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
        """The sample of a photo.

        Args:
            photo: where to read it.
            index: the index asked for.
            choose_box: height and width of a photo -> the crop to read.
            rng: source of the mask.
            flip: mirror the crop.
            change: what else happens to its pixels.

        Raises:
            PhotoError: the photo cannot be read.
            OnarError: the mask file cannot be read.
        """
        hole: Holes | None = None
        with self._open(photo) as file:
            small = file.height < self.height or file.width < self.width
            box = choose_box(file.height, file.width)
            if isinstance(self.masks, NamedMasks):
                whole = self.masks.holes_of(photo, file.height, file.width)
                box = box_with_hole(box, whole, rng)
                hole = self._cut_holes(whole, box, flip, change)
                if not hole.any():  # turned out of the crop
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
        """The holes of a photo as `_cut` changes the photo itself."""
        left, top, right, bottom = box
        hole = resize_holes(whole[top:bottom, left:right], *change.size_to_read(self.height, self.width))
        return np.ascontiguousarray(change.turn_holes(hole[:, ::-1] if flip else hole, self.height, self.width))


@dataclass(frozen=True)
class RandomCrops(Crops):
    """Crops for training, mirrored or not, changed or not, with holes: all at random.

    Attributes:
        min_crop: smallest crop before resizing, as a share of the largest one that fits; above 0, at most 1.
        augmentation: how they are changed; the crops and the holes are the same with any.
    """

    min_crop: float = 0.5
    augmentation: Augmentation = NO_AUGMENTATION

    def __call__(self, photo: PhotoSource, key: Key) -> Sample:
        """The sample of a photo in one pass; raises as `Crops._cut`."""
        rng = np.random.default_rng((self.seed, _TRAINING, *key))
        flip = bool(rng.random() < 0.5)
        size = self.height, self.width
        change = self.augmentation.draw(np.random.default_rng((self.seed, _AUGMENTATION, *key)))
        return self._cut(
            photo, key[1], lambda tall, wide: random_box((tall, wide), size, self.min_crop, rng), rng, flip, change
        )


@dataclass(frozen=True)
class CentreCrops(Crops):
    """The middle of each photo, with holes that depend on the seed and the index alone."""

    def __call__(self, photo: PhotoSource, index: int) -> Sample:
        """The sample of a photo; raises as `Crops._cut`."""
        rng = np.random.default_rng((self.seed, _VALIDATION, index))
        return self._cut(photo, index, lambda tall, wide: centre_box(tall, wide, self.height, self.width), rng)


def first_readable(photos: Photos, index: int, read: Callable[[PhotoSource], T]) -> tuple[T, int, list[str]]:
    """What is read of the photo at `index`, or else of the next one that can be read; after the last comes the first.

    Args:
        photos: all photos.
        index: where to begin.
        read: raises `PhotoError` when a photo cannot be read.

    Returns:
        What was read, of which photo, and a line for each photo that could not be read.

    Raises:
        OnarError: no photo can be read.
    """
    unreadable: list[str] = []
    for at in chain(range(index, len(photos)), range(index)):
        while True:
            try:
                return read(photos[at]), at, unreadable
            except PhotoError as error:
                if _comes_back(photos[at]):
                    continue
                unreadable.append(str(error))
                break
    raise OnarError(f"none of the {len(photos)} photos could be read; the first: {unreadable[0]}")


def _comes_back(photo: PhotoSource) -> bool:
    """Wait for the folder of a photo when it has vanished, as a drive's does for a while; whether it is there again."""
    if not isinstance(photo, Path):
        return False
    missing = [folder for folder in photo.parents if not folder.is_dir()]
    if not missing or missing[-1] in _GONE:
        return False
    folder = missing[-1]  # the drive's, if that is what is gone
    warn(f"onar: {printable(folder)} has vanished; waiting for it for up to {FOLDER_TIMEOUT} s")
    latest = time.monotonic() + FOLDER_TIMEOUT
    while time.monotonic() < latest:
        time.sleep(0.2)
        if folder.is_dir() and photo.parent.is_dir():
            return True
    _GONE.add(folder)
    return False


def _sample_of(photos: Photos, index: int, cut: Callable[[PhotoSource], Sample]) -> Sample:
    """The sample that `cut` makes of the first photo from `index` on that can be read; raises as `first_readable`."""
    sample, at, unreadable = first_readable(photos, index, cut)
    sample["index"], sample["unreadable"] = at, "\n".join(unreadable)
    return sample


class TrainingPhotos(Dataset[Sample]):
    """Photos cropped, flipped and given holes at random; the keys are those of `EpochBatches`.

    Args:
        photos: photos by index, at least one.
        crops: how they are cut.
    """

    def __init__(self, photos: Photos, crops: RandomCrops) -> None:
        self.photos, self.crops = photos, crops

    def __getitem__(self, key: Key) -> Sample:
        """The sample of a photo in one pass; raises `OnarError` when neither it nor any other can be read."""
        return _sample_of(self.photos, key[1], lambda photo: self.crops(photo, key))


class ValidationPhotos(Dataset[Sample]):
    """The middle of each photo, with holes that stay; arguments as above."""

    def __init__(self, photos: Photos, crops: CentreCrops) -> None:
        self.photos, self.crops = photos, crops

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> Sample:
        """The sample of a photo; raises `OnarError` when neither it nor any other can be read."""
        return _sample_of(self.photos, index, lambda photo: self.crops(photo, index))
