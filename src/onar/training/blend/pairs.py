"""The training data of a blend: pairs of its input, a network's fill and two of copied patches, and the photo.

A pair takes seconds to make, so pairs are made once, into a folder. Each is a file, whole or not at all, that depends
on the photos, the network, the seed and its number alone: making them can be stopped at any moment, and any number of
processes can share it.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from onar.data.batches import ErrorsAsItems, PhotoLoader, start_worker
from onar.data.photo_sets import Photos, first_readable
from onar.errors import OnarError
from onar.imaging.crops import random_box
from onar.imaging.images import EightBits, PhotoSource, open_photo
from onar.inference.inpainter import Inpainter
from onar.inference.texture import copy_texture
from onar.masks.generation import random_mask
from onar.system.console import progress_bar, warn
from onar.system.files import remove_partial, replacing, write_text
from onar.training.holes import IRREGULAR, OBJECT

FillPair: TypeAlias = NDArray[np.uint8]
"""H×W×13: the photo, the network's fill, the patches and the coarse patches, three channels each, and the mask."""

CHANNELS = 13

IRREGULAR_SHARE = 0.45  # share of the pairs with irregular holes; the others have holes shaped like things
MAX_OBJECT_CROP = 3.0
"""Largest side of the crops with such holes, as a multiple of a pair's: the larger the photo, the deeper its holes. A
smaller photo is not enlarged for it: it would have no texture to learn from."""

MIN_CROP = 0.8  # smallest random crop, as a share of the largest one that fits

RADII = (2, 3, 4, 5)
OTHER_RADIUS_SHARE = 0.2
"""Share of the pairs whose patches have a random radius instead of the rule's, so that a blend sees worse ones, too."""


def claim_folder(folder: Path, made_from: dict[str, Any]) -> None:
    """Note in a folder what its pairs are made from, and tidy it; raises `OnarError` when that was something else."""
    note = folder / "pairs.json"
    if note.exists():
        try:
            before = json.loads(note.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OnarError(f"cannot read {note}: {error}") from error
        if before != made_from:
            other = next(name for name in made_from if before.get(name) != made_from[name])
            raise OnarError(f"the pairs in {folder} were made with another {other}: name another folder with `pairs`")
    else:
        write_text(note, json.dumps(made_from))
    remove_partial(folder)


def pair_file(folder: Path, number: int) -> Path:
    """The file of a pair."""
    return folder / f"pair_{number:06}.npy"


def missing_pairs(folder: Path, count: int) -> list[int]:
    """Numbers of the pairs that are not made yet, of the given number."""
    return [number for number in range(count) if not pair_file(folder, number).exists()]


def make_pairs(maker: PairMaker, numbers: list[int], num_workers: int) -> None:
    """Make pairs by their numbers, with a progress bar on stderr; unreadable photos are reported and skipped.

    Raises:
        OnarError: no photo can be read, PatchMatch is missing, the weights are unusable, or the disk is full.
        KeyboardInterrupt: Ctrl-C; the pairs that are made stay.
    """
    loader = PhotoLoader(
        ErrorsAsItems(maker),
        batch_size=None,
        sampler=numbers,
        num_workers=min(num_workers, len(numbers)),
        worker_init_fn=start_worker,
    )
    reported: set[str] = set()
    try:
        for unreadable in progress_bar(loader, desc="Making pairs", total=len(numbers), unit="pair"):
            for line in unreadable:
                if line not in reported:
                    reported.add(line)
                    warn(f"Skipped {line}")
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Stopped; the pairs that are made stay. The same command goes on.") from None


class PairMaker(Dataset[list[str]]):
    """Makes pairs of `side` pixels by their numbers and writes them into a folder.

    They show the fills of `weights`, a file as `Inpainter.load` takes it, which runs on the CPU.
    """

    def __init__(self, photos: Photos, folder: Path, weights: str | None, seed: int, side: int) -> None:
        self.photos, self.folder, self.weights, self.seed, self.side = photos, folder, weights, seed, side

    def __getitem__(self, number: int) -> list[str]:
        """Make a pair; returns a line, `file: reason`, for each photo that cannot be read. Raises as `make_pairs`."""
        rng = np.random.default_rng((self.seed, number))
        irregular = bool(rng.random() < IRREGULAR_SHARE)
        photo, unreadable = self._read_crop(irregular, rng)
        mask = random_mask(*photo.shape[:2], rng=rng, **(IRREGULAR if irregular else OBJECT))
        hole = mask > 0
        radius = int(rng.choice(RADII)) if rng.random() < OTHER_RADIUS_SHARE else None
        network = self._inpainter(photo, mask, texture="network")
        patches = [np.where(hole[..., None], copy, photo) for copy in copy_texture(network, hole, number, radius)]
        pair = crop_near_hole(np.concatenate([photo, network, *patches, mask[..., None]], axis=2), self.side, rng)
        with replacing(pair_file(self.folder, number)) as temporary:
            np.save(temporary, pair)
        return unreadable

    @cached_property
    def _inpainter(self) -> Inpainter:
        """Loaded by each process for itself."""
        return Inpainter.load(self.weights, "cpu", threads=1).for_photos()

    def _read_crop(self, irregular: bool, rng: np.random.Generator) -> tuple[EightBits, list[str]]:
        """A random crop of a random photo, or of the next one that can be read; and a line for each that cannot."""
        largest = self.side * (1.0 if irregular else MAX_OBJECT_CROP)

        def read(source: PhotoSource) -> EightBits:
            with open_photo(source) as file:
                size = file.height, file.width
                side = round(max(self.side, min(*size, largest)))
                return file.read_crop(random_box(size, (side, side), MIN_CROP, rng), side, side)

        crop, _, unreadable = first_readable(self.photos, int(rng.integers(len(self.photos))), read)
        return crop, unreadable


def read_crops(folder: Path, count: int, batch_size: int, side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Read random crops of the first `count` pairs in a folder, flipped and turned at random.

    Returns B×side×side×13, each as a `FillPair`; raises `OnarError` when a pair is missing or damaged.
    """
    crops = []
    for number in rng.integers(count, size=batch_size):
        crop = np.rot90(crop_near_hole(_read_pair(pair_file(folder, int(number))), side, rng), int(rng.integers(4)))
        crops.append(crop[::-1] if rng.random() < 0.5 else crop)
    return np.stack(crops)


def crop_near_hole(pair: FillPair, side: int, rng: np.random.Generator) -> FillPair:
    """A random crop of a pair, side×side×13; a random pixel of its holes lies about in the middle."""
    rows, columns = np.nonzero(pair[..., -1])
    chosen = int(rng.integers(len(rows)))
    before = rng.integers(side // 4, 3 * side // 4, size=2)
    room = np.subtract(pair.shape[:2], side)
    top, left = np.clip((rows[chosen], columns[chosen]) - before, 0, room).tolist()
    return pair[top : top + side, left : left + side]


def _read_pair(file: Path) -> FillPair:
    try:
        pair: FillPair = np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise OnarError(f"{file} is missing or damaged: remove it, and the same command makes it again") from error
    if pair.dtype != np.uint8 or pair.ndim != 3 or pair.shape[2] != CHANNELS:
        raise OnarError(f"{file} is not a pair of fills: remove it, and the same command makes it again")
    return pair
