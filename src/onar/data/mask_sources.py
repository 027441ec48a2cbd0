"""Sources of masks: generated at random, or read from a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from onar.data.photo_folders import NamedFolders, PhotoPaths, find_mask_paths
from onar.errors import OnarError, printable
from onar.imaging.images import PhotoError, read_mask
from onar.imaging.listing import MAX_NAMES, some
from onar.imaging.matching import match_folder
from onar.masks.defaults import MAX_MASKS, MAX_SIZE_RATIO, MAX_THICKNESS
from onar.masks.generation import random_mask
from onar.masks.holes import (
    Holes,
    augment_mask,
    fit_holes,
    holes_from_mask,
    is_mostly_grey,
    is_mostly_hole,
    why_no_hole,
)
from onar.settings.training import MaskConfig, TrainConfig
from onar.system.console import progress_bar, warn

MAX_CHECKED_MASKS = 200
"""Number of mask files that are checked before a training, which takes about a second."""


class MaskSource(Protocol):
    """A callable that makes holes, bool H×W; it must be picklable, for the reading processes."""

    def __call__(self, height: int, width: int, rng: np.random.Generator, /) -> Holes:
        """Make holes, with all random numbers from `rng`."""


@dataclass(frozen=True)
class GeneratedMasks:
    """Random masks; the fields are arguments of `onar.random_mask`.

    >>> GeneratedMasks("rectangle")(64, 48, np.random.default_rng(0)).shape
    (64, 48)
    """

    mask_type: str = "irregular"
    max_masks: int = MAX_MASKS
    max_size_ratio: float = MAX_SIZE_RATIO
    max_thickness: float = MAX_THICKNESS
    hole_ratio: tuple[float, float] | None = None

    def __call__(self, height: int, width: int, rng: np.random.Generator, /) -> Holes:
        """Draw holes."""
        return holes_from_mask(random_mask(height, width, rng=rng, **vars(self)))


@dataclass(frozen=True)
class MaskFolder:
    """Random mask files, resized to the given size; by default flipped and rotated at random."""

    paths: PhotoPaths
    augment: bool = True

    @property
    def digest(self) -> str:
        """Identifies the files, by their names."""
        return self.paths.digest

    def __call__(self, height: int, width: int, rng: np.random.Generator, /) -> Holes:
        """Read a mask; raises `OnarError` if it cannot be read."""
        path = self.paths[int(rng.integers(len(self.paths)))]
        try:
            hole = holes_from_mask(read_mask(path))
        except PhotoError as error:  # unlike a photo, a mask is never replaced by another
            raise OnarError(f"cannot use a mask file: {error}") from error
        return fit_holes(augment_mask(hole, rng) if self.augment else hole, height, width)


@dataclass(frozen=True)
class NamedMasks:
    """A mask file for each photo, by its path, cropped and augmented like the photo; `digest` identifies the files."""

    masks: Mapping[str, str]
    digest: str

    def holes_of(self, photo: object, height: int, width: int) -> Holes:
        """The holes of a whole photo, bool H×W; raises `OnarError` if its mask is unreadable or does not fit."""
        path = Path(self.masks[str(photo)])
        try:
            hole = read_holes(path)
        except PhotoError as error:
            raise OnarError(f"cannot use a mask file: {error}") from error
        if hole.shape != (height, width):
            raise OnarError(
                f"{printable(path)} is {hole.shape[0]} x {hole.shape[1]} pixels (height x width), and its photo "
                f"{printable(photo)} is {height} x {width}: masks by name are of the size of their photos"
            )
        return hole


def name_masks(photos: PhotoPaths, folder: Path, setting: str) -> tuple[PhotoPaths, NamedMasks]:
    """Find the mask of each photo in a folder, by its name; photos without one are dropped with a warning.

    `setting` is the name of the setting of that folder. Raises `OnarError` if no photo has a mask, or a photo several.
    """
    places = {photos[index]: photos.place(index) for index in range(len(photos))}
    matches = match_folder(places, folder, setting)
    if matches.ambiguous:
        raise OnarError("; ".join(list(matches.ambiguous.values())[:MAX_NAMES]))
    if matches.without:
        warn(f"{len(matches.without)} photos have no mask of their name and are skipped: {some(matches.without)}")
    masks = {str(photo): str(mask) for photo, mask in matches.masks.items()}
    kept = [index for index in range(len(photos)) if str(photos[index]) in masks]
    check_mask_files([Path(mask) for mask in masks.values()])
    digest = hashlib.sha256("\0".join(Path(mask).name for mask in masks.values()).encode(errors="replace")).hexdigest()
    return photos.chosen(kept), NamedMasks(masks, digest)


def mask_source(config: MaskConfig, others: NamedFolders = (), *, validation: bool = False) -> MaskSource:
    """The source of the masks of a run, for training or validation; those of `val_masks` are not augmented.

    `others` are folders of other settings, which are skipped. Raises `OnarError` if there are no mask files, or no
    holes.
    """
    if validation and isinstance(config, TrainConfig) and config.val_masks is not None:
        return MaskFolder(_find_checked_masks(config.val_masks, others), augment=False)
    if config.masks is not None:
        return MaskFolder(_find_checked_masks(config.masks, others))
    return GeneratedMasks(
        config.mask_type, config.max_masks, config.max_size_ratio, config.max_thickness, config.hole_ratio
    )


def _find_checked_masks(folder: Path, others: NamedFolders) -> PhotoPaths:
    apart = [(setting, place) for setting, place in others if setting not in ("masks", "val_masks")]
    paths = find_mask_paths(folder, apart)
    check_mask_files(paths)
    return paths


def read_holes(path: Path) -> Holes:
    """The holes of a mask file, bool H×W; raises `PhotoError` if it cannot be read or has no hole."""
    mask = read_mask(path)
    hole = holes_from_mask(mask)
    if not hole.any():
        raise PhotoError(f"{printable(path)}: no hole: {why_no_hole(mask)}")
    return hole


def check_mask_files(paths: Sequence[Path] | PhotoPaths) -> None:
    """Check at most `MAX_CHECKED_MASKS` mask files, evenly spaced, and warn about doubtful ones on stderr.

    Unreadable files are reported when they are used. Raises `OnarError` if no readable mask has a hole.
    """
    without_hole: dict[Path, str] = {}
    grey: list[Path] = []
    inverted: list[Path] = []
    readable = 0
    chosen = [paths[index] for index in range(0, len(paths), -(-len(paths) // MAX_CHECKED_MASKS))]
    for path in progress_bar(chosen, desc="Reading masks", unit="mask", delay=1):
        try:
            mask = read_mask(path)
        except PhotoError:
            continue
        readable += 1
        hole = holes_from_mask(mask)
        if not hole.any():
            without_hole[path] = why_no_hole(mask)
        if is_mostly_grey(mask):
            grey.append(path)
        elif is_mostly_hole(hole):
            inverted.append(path)
    if without_hole:
        path, reason = next(iter(without_hole.items()))
        example = f"{printable(path)}: {reason}"
        if len(without_hole) == readable:
            raise OnarError(f"the masks have no hole ({readable} files were checked); {example}")
        warn(f"{len(without_hole)} of {readable} mask files have no hole; {example}")
    if grey:
        warn(f"{len(grey)} of {readable} mask files are mostly neither black nor white, such as {printable(grey[0])}")
    if inverted:
        example = printable(inverted[0])
        warn(f"{len(inverted)} of {readable} mask files are mostly hole, such as {example}: white is the hole")
