"""Pairs of photos and holes, and the groups that scores are averaged by.

The groups are those of Liu et al. 2018 (section 4.1): six ranges of hole share, each with holes that reach the
border of the photo and with holes that keep away from it. A group follows from the holes as they are scored, fitted
to their photo, and not from a file's name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from onar.data.mask_sources import check_mask_files, read_holes
from onar.data.photo_folders import NamedFolders, find_photo_paths, refuse_shared_folders
from onar.errors import OnarError, printable
from onar.imaging.crops import centre_box
from onar.imaging.images import EightBits, PhotoError, open_photo
from onar.imaging.listing import find_masks
from onar.masks.generation import random_mask
from onar.masks.holes import HOLE_RATIO_RANGES, Holes, fit_holes, hole_share, holes_from_mask
from onar.masks.shapes import Mask
from onar.system.console import progress_bar

BORDER_SHARE = 1 / 20
"""Maximum distance of a hole that reaches the border to the edge, as a share of the side. In NVIDIA's test masks, holes
with border are within 1/50, and those without are 1/10 away."""

INSET_SHARE = 1 / 10
"""Distance of generated holes without border to the edge, as a share of the side; about 50 of 512 pixels, as in the
paper."""

EMPTY = 128  # grey value of the hole pixels in a method's input
MASKS_PER_RANGE = 10  # default number of generated masks in each of the twelve groups

_ATTEMPTS = 100

Item = TypeVar("Item")


@dataclass(frozen=True)
class Group:
    """Group of a pair."""

    range: tuple[float, float] | None
    """The range of `HOLE_RATIO_RANGES` that the hole share is in, low < share <= high; None outside all of them."""
    border: bool  # A hole reaches the border of the photo


def group_of(hole: Holes) -> Group:
    """The group of holes, bool H×W."""
    share = hole_share(hole)
    fitting = (limits for limits in HOLE_RATIO_RANGES if limits[0] < share <= limits[1])
    return Group(next(fitting, None), reaches_border(hole))


def reaches_border(hole: Holes) -> bool:
    """Whether holes, bool H×W, come within `BORDER_SHARE` of the edge."""
    rows, columns = (max(1, round(BORDER_SHARE * side)) for side in hole.shape)
    edges = hole[:rows], hole[-rows:], hole[:, :columns], hole[:, -columns:]
    return any(bool(edge.any()) for edge in edges)


# ---------------------------------------------------------------- holes


class HoleSource(Protocol):
    """Source of holes for a photo of any size."""

    @property
    def name(self) -> str:
        """Their name in reports."""

    def __call__(self, height: int, width: int) -> Holes:
        """Holes for a photo, bool H×W; deterministic."""


@dataclass(frozen=True)
class MaskFile:
    """A mask file, fitted to the photo by nearest neighbour."""

    path: Path
    name: str

    def __call__(self, height: int, width: int) -> Holes:
        """Read and fit the mask; raises `PhotoError` when the file cannot be read, or has no hole."""
        return fit_holes(read_holes(self.path), height, width)


@dataclass(frozen=True)
class GeneratedHoles:
    """Random strokes of one group; they depend only on the fields and on the size."""

    group: int  # index into `HOLE_RATIO_RANGES`
    border: bool
    number: int
    seed: int

    @property
    def name(self) -> str:
        """Such as "generated 10-20% border 3"."""
        low, high = HOLE_RATIO_RANGES[self.group]
        return f"generated {percent(low, high)} {'border' if self.border else 'no border'} {self.number}"

    def __call__(self, height: int, width: int) -> Holes:
        """Draw the holes."""
        rng = np.random.default_rng((self.seed, self.group, self.border, self.number))
        if not self.border:
            return holes_from_mask(_draw_inset(height, width, HOLE_RATIO_RANGES[self.group], rng))
        for _ in range(_ATTEMPTS):
            hole = holes_from_mask(random_mask(height, width, rng=rng, hole_ratio=HOLE_RATIO_RANGES[self.group]))
            if reaches_border(hole):
                break
        return hole


def _draw_inset(height: int, width: int, limits: tuple[float, float], rng: np.random.Generator) -> Mask:
    """Draw holes that stay `INSET_SHARE` away from the edge and cover a share of the whole photo within the limits."""
    rows, columns = (min((side - 1) // 2, int(np.ceil(INSET_SHARE * side))) for side in (height, width))
    inner_height, inner_width = height - 2 * rows, width - 2 * columns
    enlarged = height * width / (inner_height * inner_width)
    low, high = (min(0.98, enlarged * limit) for limit in limits)  # photos of a few pixels cannot meet every share
    inner = random_mask(inner_height, inner_width, rng=rng, hole_ratio=(low, high))
    return np.pad(inner, ((rows, rows), (columns, columns)))


def percent(low: float, high: float) -> str:
    """A range of hole shares as text.

    >>> percent(0.01, 0.1)
    '1-10%'
    """
    return f"{round(100 * low)}-{round(100 * high)}%"


def range_title(limits: tuple[float, float] | None) -> str:
    """A range of `HOLE_RATIO_RANGES` as text; "other" for None."""
    return percent(*limits) if limits else "other"


def generated_holes(masks_per_range: int | None, seed: int) -> list[HoleSource]:
    """Holes for each of the twelve groups, group by group."""
    numbers = range(MASKS_PER_RANGE if masks_per_range is None else masks_per_range)
    groups = [(group, border) for group in range(len(HOLE_RATIO_RANGES)) for border in (False, True)]
    return [GeneratedHoles(group, border, number, seed) for group, border in groups for number in numbers]


def mask_files(folder: Path, masks_per_range: int | None) -> tuple[Sequence[HoleSource], list[str]]:
    """The mask files of a folder and its subfolders by path, and a line for each unusable one.

    At most `masks_per_range` of each group are taken, evenly spread, where the group is that of the unresized file.
    Without a maximum all are, and an unusable file is noticed only during scoring.

    Raises:
        OnarError: there is no mask file in the folder, or none can be read, or none has a hole.
    """
    files = [MaskFile(path, _name(path, folder)) for path in find_masks(folder)]
    check_mask_files([file.path for file in files])
    if masks_per_range is None:
        return files, []
    groups: dict[Group, list[MaskFile]] = {}
    unreadable = []
    for file in progress_bar(files, desc="Reading masks", unit="mask", leave=False):
        try:
            groups.setdefault(group_of(read_holes(file.path)), []).append(file)
        except PhotoError as error:
            unreadable.append(f"mask {error}")
    taken: list[MaskFile] = [file for group in groups.values() for file in spread(group, masks_per_range)]
    if not taken:
        raise OnarError(f"none of the {len(files)} mask files in {printable(folder)} can be read: {unreadable[0]}")
    taken.sort(key=lambda file: file.path)
    return taken, unreadable


def spread(items: Sequence[Item], count: int | None) -> list[Item]:
    """At most `count` items, evenly spread and in their order; all when None.

    >>> spread([0, 1, 2, 3], 2)
    [0, 2]
    """
    if count is None or count >= len(items):
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def _name(path: Path, folder: Path) -> str:
    return printable(Path(path.relative_to(folder).as_posix()))


# ---------------------------------------------------------------- pairs


@dataclass(frozen=True)
class Pair:
    """A photo with holes."""

    number: int  # from 1, in the order in which pairs are scored
    photo_name: str
    mask_name: str
    photo: EightBits  # uint8 H×W×3
    hole: Holes  # bool H×W

    @property
    def empty(self) -> EightBits:
        """Input of a method: the photo with grey holes, uint8 H×W×3."""
        return np.where(self.hole[..., None], np.uint8(EMPTY), self.photo)

    @property
    def digest(self) -> str:
        """12 hexadecimal digits of a hash of names, holes and size."""
        names = "\0".join([self.photo_name, self.mask_name, ""]).encode()
        return hashlib.sha256(names + _packed(self.hole)).hexdigest()[:12]


class Pairs:
    """Pairs of holes and photos: holes i are paired with photo i modulo the number of photos.

    Args:
        folder: searched for photos with its subfolders.
        holes: one source for each pair.
        size: height and width of the centre crop that is resized to; None keeps photos whole, at their own size.
        count: number of photos, spread evenly in the order of their paths; all when None.
        others: folders of other settings, by setting; those inside the photos' folder are excluded.

    Raises:
        UsageError: two settings name one folder.
        OnarError: there are no photos in the folder.
    """

    def __init__(
        self,
        folder: Path,
        holes: Sequence[HoleSource],
        size: tuple[int, int] | None,
        count: int | None,
        others: NamedFolders = (),
    ) -> None:
        refuse_shared_folders([("data", folder), *others], [])
        paths = find_photo_paths(folder, others)
        self.folder = folder
        self.paths = spread([paths[index] for index in range(len(paths))], count)
        self.holes = holes
        self.size = size
        self.skipped: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self.holes)

    def __getitem__(self, index: int) -> Pair | None:
        """Read a pair; None, with a line in `skipped`, when its mask cannot be read or has no hole.

        A photo that cannot be read is replaced by the next one, so that every mask is used.

        Raises:
            OnarError: no photo can be read.
        """
        path, photo = self._read_photo(index)
        source, (height, width) = self.holes[index], photo.shape[:2]
        try:
            hole = source(height, width)
        except PhotoError as error:
            self.skipped[source.name] = f"mask {error}"
            return None
        if not hole.any():
            self.skipped[source.name] = f"mask {source.name}: no hole at {height} x {width} pixels (height x width)"
            return None
        return Pair(index + 1, _name(path, self.folder), source.name, photo, hole)

    def _read_photo(self, index: int) -> tuple[Path, EightBits]:
        for step in range(len(self.paths)):
            path = self.paths[(index + step) % len(self.paths)]
            if str(path) in self.skipped:
                continue
            try:
                return path, self._read(path)
            except PhotoError as error:
                self.skipped[str(path)] = f"photo {error}"
        raise OnarError(f"none of the {len(self.paths)} photos can be read: {next(iter(self.skipped.values()))}")

    def _read(self, path: Path) -> EightBits:
        with open_photo(path) as photo:
            if self.size is None:
                return np.array(photo.read())
            return np.array(photo.read_crop(centre_box(photo.height, photo.width, *self.size), *self.size))


class MasksHash:
    """SHA-256 of holes in the order of scoring, to verify that two reports are about the same holes.

    For each mask: height and width, 4 bytes each, little-endian; then its pixels row by row, 1 = hole, 8 to a byte,
    the first in the highest bit (`numpy.packbits`).
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, hole: Holes) -> None:
        """Add holes, bool H×W."""
        self._digest.update(_packed(hole))

    @property
    def value(self) -> str:
        """64 hexadecimal digits."""
        return self._digest.hexdigest()


def _packed(hole: Holes) -> bytes:
    """Height and width, and the pixels of bool H×W as bits."""
    return np.array(hole.shape, "<u4").tobytes() + np.packbits(hole).tobytes()
