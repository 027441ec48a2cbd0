"""A folder of photos as training samples: a crop of a photo, and which of its pixels are known.

A sample depends on the seed, the number of the pass over the photos, and the photo's index, and on nothing else: not
on how many processes read, nor on what was read before. All random numbers of a sample come from one generator made
from these three, so any epoch can be entered at any step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeAlias, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from onar.config import MaskConfig, TrainConfig
from onar.errors import OnarError
from onar.images import (
    PHOTO_EXTENSIONS,
    Box,
    PhotoError,
    Pixels,
    centre_box,
    largest_crop,
    open_photo,
    printable,
    read_mask,
)
from onar.masks import augment_mask, fit_mask, known_from_mask, random_mask

Key: TypeAlias = tuple[int, int]
"""Number of the pass over the photos, and index of the photo."""

# Without these, numpy would start the order of pass 3 and the crop of pass 3, photo 0 from the same state: missing
# numbers of a seed count as zeros.
ORDER, _TRAINING, _VALIDATION, _HOLD_OUT = range(4)


# ---------------------------------------------------------------- files


def find_photos(folder: Path, what: str = "photos", extensions: tuple[str, ...] = PHOTO_EXTENSIONS) -> list[Path]:
    """Find the photos in a folder and its subfolders, sorted; hidden files and folders are passed over.

    Args:
        folder: where to look; links to folders are followed, each folder once.
        what: what the error message says was looked for.
        extensions: endings of photos, in lower case.

    Raises:
        OnarError: there is no such folder, or no file in it ends in one of `extensions`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise OnarError(f"no {what}: {printable(folder)} is {'not a folder' if folder.exists() else 'not there'}")
    files = list(_visible_files(folder))
    photos = [file for file in files if os.path.splitext(file)[1].lower() in extensions]
    if not photos:
        found = f"{len(files)} files of other kinds" if files else "no files at all"
        wanted = " ".join(extensions)
        raise OnarError(f"no {what} in {printable(folder)} and its subfolders: looked for {wanted}; found {found}")
    return [Path(photo) for photo in sorted(photos)]


def _visible_files(folder: Path) -> Iterator[str]:
    """Paths of all files under a folder; the set of folders seen ends circles of links."""
    seen: set[str] = set()
    for place, subfolders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield from (os.path.join(place, name) for name in files if not name.startswith("."))


def hold_out(paths: Sequence[Path], share: float, seed: int, most: int = 100) -> tuple[list[Path], list[Path]]:
    """Split photos into those to train on and those held out for validation, both in the order given.

    Args:
        paths: all photos.
        share: share to hold out, at least 0 and below 1. Above 0, at least one photo is held out if two are there.
        seed: the same seed and paths give the same split.
        most: most photos to hold out.
    """
    count = min(most, max(1, round(share * len(paths))), len(paths) - 1) if share > 0 else 0
    order = np.random.default_rng((seed, _HOLD_OUT)).permutation(len(paths))
    held_out = set(order[: max(0, count)].tolist())
    training = [path for index, path in enumerate(paths) if index not in held_out]
    return training, [paths[index] for index in sorted(held_out)]


# ---------------------------------------------------------------- holes


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
        """Read a mask; raises `PhotoError` when the file cannot be read."""
        mask = read_mask(self.paths[int(rng.integers(len(self.paths)))])
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


# ---------------------------------------------------------------- samples


class Sample(TypedDict):
    """What one sample holds; torch's default collation turns numbers into tensors and text into lists."""

    photo: Tensor
    """uint8 3×H×W, RGB."""
    known: Tensor
    """uint8 1×H×W, 1 = known; uint8 because samples travel between processes."""
    index: int
    """Index of the photo that was read."""
    upscaled: bool
    """The photo is smaller than the crop, and was enlarged."""
    unreadable: str
    """One line, `file: reason`, for each photo that could not be read before this one was."""


class _PhotoSet(Dataset[Sample]):
    """What training and validation photos have in common."""

    def __init__(self, paths: Sequence[Path], height: int, width: int, masks: MaskSource, seed: int) -> None:
        # One block of bytes: a list of a million objects is copied into every process by reference counting.
        self._paths = np.array([os.fsencode(path) for path in paths])
        self.height, self.width = height, width
        self.masks = masks
        self.seed = seed

    def __len__(self) -> int:
        return len(self._paths)

    def _sample(
        self, index: int, choose_box: Callable[[int, int], Box], rng: np.random.Generator, flip: bool = False
    ) -> Sample:
        """The sample of the photo at `index`, or else of the next one that can be read.

        Args:
            index: where to begin.
            choose_box: height and width of a photo -> the crop to read.
            rng: source of the mask.
            flip: mirror the crop.

        Raises:
            OnarError: no photo can be read, or not the mask file.
        """
        unreadable: list[str] = []
        for at in chain(range(index, len(self)), range(index)):
            try:
                with open_photo(Path(os.fsdecode(self._paths[at]))) as photo:
                    small = photo.height < self.height or photo.width < self.width
                    box = choose_box(photo.height, photo.width)
                    pixels = photo.read_crop(box, self.height, self.width)
            except PhotoError as error:
                unreadable.append(str(error))
                continue
            pixels = pixels[:, ::-1] if flip else pixels
            known = known_from_mask(self.masks(self.height, self.width, rng))
            return Sample(
                photo=torch.from_numpy(pixels.transpose(2, 0, 1).copy()),
                known=torch.from_numpy(known.astype(np.uint8)),
                index=at,
                upscaled=small,
                unreadable="\n".join(unreadable),
            )
        raise OnarError(f"none of the {len(self)} photos could be read; the first: {unreadable[0]}")


class TrainingPhotos(_PhotoSet):
    """Photos cropped, flipped and given holes at random; the keys are those of `EpochBatches`.

    Args:
        paths: photos, at least one.
        height: rows of the crops, in pixels.
        width: columns of the crops, in pixels.
        masks: where the holes come from.
        seed: another seed gives other crops and holes.
        min_crop: smallest crop before resizing, as a share of the largest one that fits; above 0, at most 1.
    """

    def __init__(
        self, paths: Sequence[Path], height: int, width: int, masks: MaskSource, seed: int, min_crop: float = 0.5
    ) -> None:
        super().__init__(paths, height, width, masks, seed)
        self.min_crop = min_crop

    def __getitem__(self, key: Key) -> Sample:
        """The sample of a photo in one pass; raises `OnarError` when neither it nor any other can be read."""
        rng = np.random.default_rng((self.seed, _TRAINING, *key))
        flip = bool(rng.random() < 0.5)
        size = self.height, self.width
        return self._sample(key[1], lambda tall, wide: random_box((tall, wide), size, self.min_crop, rng), rng, flip)


class ValidationPhotos(_PhotoSet):
    """The middle of each photo, with a mask that depends on the seed and the index alone; arguments as above."""

    def __getitem__(self, index: int) -> Sample:
        """The sample of a photo; raises `OnarError` when neither it nor any other can be read."""
        rng = np.random.default_rng((self.seed, _VALIDATION, index))
        return self._sample(index, lambda tall, wide: centre_box(tall, wide, self.height, self.width), rng)


def random_box(photo_size: tuple[int, int], size: tuple[int, int], min_crop: float, rng: np.random.Generator) -> Box:
    """Choose a crop with the aspect of `size`, anywhere in the photo.

    Args:
        photo_size: height and width of the photo.
        size: height and width the crop will be resized to. Where the photo allows, the crop is at least as large.
        min_crop: smallest crop, as a share of the largest one that fits.
        rng: source of the size and of the place, both evenly distributed.
    """
    tall, wide = largest_crop(*photo_size, *size)
    smallest = min(1.0, max(min_crop, size[0] / tall, size[1] / wide))
    share = rng.uniform(smallest, 1.0)
    height, width = max(1, round(share * tall)), max(1, round(share * wide))
    top, left = rng.integers(photo_size[0] - height + 1), rng.integers(photo_size[1] - width + 1)
    return int(left), int(top), int(left) + width, int(top) + height
