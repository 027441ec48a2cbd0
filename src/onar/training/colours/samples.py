"""The training data of a colour predictor: photos at low resolution, and many holes.

The predictor sees means of cells, so photos are kept at half resolution at most. They are read once, and batches are
cut out of memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from onar.data.batches import ErrorsAsItems, PhotoLoader, start_worker
from onar.data.photo_sets import Photos
from onar.errors import OnarError
from onar.imaging.crops import centre_box
from onar.imaging.images import EightBits, PhotoError, open_photo
from onar.masks.generation import random_mask
from onar.models.colour_unet import CELL
from onar.system.console import progress_bar, warn
from onar.training.holes import IRREGULAR, OBJECT

SEEN_CELL = CELL // 2
"""Side in pixels of a cell in the reduced photos, which have half the resolution of a generator's input."""

KEPT_SIDE = 320  # maximum of the shorter side of a reduced photo
MAX_ASPECT = 2  # maximum of the longer side over the shorter one: of a panorama the middle is kept
HALVED_SHARE = 0.65  # share of the crops at half the resolution of the reduced photos

CROP, LARGE_CROP = 128, 192
LARGE_SHARE = 0.2  # share of the batches with large crops, fewer of them

MASKS = 3000
SEEN_OBJECT = {**OBJECT, "hole_ratio": (0.02, 0.25), "max_size_ratio": 0.7}

BRIGHTNESS = (0.8, 1.2)


@dataclass(frozen=True)
class ReducedPhotos:
    """Photos and masks in memory."""

    photos: list[EightBits]  # uint8 h×w×3 each, the shorter side at most `KEPT_SIDE`
    halved: list[EightBits]  # the same at half the size
    masks: NDArray[np.uint8]  # uint8 N×`CROP`×(`CROP` / 8), eight pixels to a byte, 1 = hole

    def draw(self, batch_size: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draw a batch: photos B×S×S×3 in [0, 1] and known B×S×S, 1 = known.

        There are `batch_size` crops of `CROP` pixels a side, or fewer large ones, with as many pixels.
        """
        side = LARGE_CROP if rng.random() < LARGE_SHARE else CROP
        count = max(1, batch_size * CROP**2 // side**2)
        crops = [self._draw_crop(side, rng) for _ in range(count)]
        holes = [self._draw_hole(side, rng) for _ in range(count)]
        return np.stack(crops), 1 - np.stack(holes).astype(np.float32)

    def _draw_crop(self, side: int, rng: np.random.Generator) -> NDArray[np.float32]:
        index = rng.integers(len(self.photos))
        photo = (self.halved if rng.random() < HALVED_SHARE else self.photos)[index]
        missing = [(0, max(0, side - length)) for length in photo.shape[:2]]
        photo = np.pad(photo, (*missing, (0, 0)), mode="symmetric")
        top, left = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
        crop = photo[top : top + side, left : left + side]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        brightness = rng.uniform(*BRIGHTNESS) if rng.random() < 0.5 else 1.0
        pixels: NDArray[np.float32] = np.asarray(crop, np.float32) * np.float32(brightness / 255)
        return pixels.clip(max=1)

    def _draw_hole(self, side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        hole = np.unpackbits(self.masks[rng.integers(len(self.masks))], axis=-1)
        hole = np.rot90(hole, int(rng.integers(4)))
        if rng.random() < 0.5:
            hole = hole[::-1]
        return np.pad(hole, ((0, side - CROP),) * 2, mode="wrap") if side > CROP else hole


def read_reduced(photos: Photos, count: int, num_workers: int, seed: int) -> ReducedPhotos:
    """Read at most `count` photos, drawn by the seed, with a progress bar on stderr; unreadable ones are reported.

    Raises:
        OnarError: none can be read.
    """
    chosen = np.random.default_rng((seed, len(photos))).permutation(len(photos))[:count]
    loader = PhotoLoader(
        ErrorsAsItems(_Reduced(photos)),
        batch_size=None,
        sampler=chosen.tolist(),
        num_workers=min(num_workers, len(chosen)),
        worker_init_fn=start_worker,
        collate_fn=_as_array,
    )
    kept, unreadable = [], []
    for photo in progress_bar(loader, desc="Reading photos", total=len(chosen), unit="photo"):
        if isinstance(photo, str):
            unreadable.append(photo)
            warn(f"Skipped {photo}")
        else:
            kept.append(photo)
    if not kept:
        raise OnarError(f"none of the {len(chosen)} photos could be read; the first: {unreadable[0]}")
    return ReducedPhotos(kept, [_halve(photo) for photo in kept], draw_masks(seed))


@cache
def draw_masks(seed: int) -> NDArray[np.uint8]:
    """`MASKS` masks, half of them irregular and half shaped like things, as `ReducedPhotos` has them.

    They take seconds to draw, and those of a seed are always the same.
    """
    masks = []
    for number in range(MASKS):
        shape = SEEN_OBJECT if number % 2 else IRREGULAR
        masks.append(random_mask(CROP, CROP, rng=np.random.default_rng((seed, number)), **shape) > 0)
    return np.packbits(np.stack(masks), axis=-1)


class _Reduced(Dataset[Any]):
    """Photos by index as they are kept, or a line about one that cannot be read."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos

    def __getitem__(self, index: int) -> EightBits | str:
        try:
            with open_photo(self._photos[index]) as file:
                shorter = min(file.height, file.width)
                height, width = min(file.height, MAX_ASPECT * shorter), min(file.width, MAX_ASPECT * shorter)
                scale = min(1.0, KEPT_SIDE / shorter)
                box = centre_box(file.height, file.width, height, width)
                return file.read_crop(box, max(1, round(scale * height)), max(1, round(scale * width)))
        except PhotoError as error:
            return str(error)


def _as_array(photo: Any) -> Any:
    """Leave the photo as it is; the loader would make a tensor of it."""
    return photo


def _halve(photo: EightBits) -> EightBits:
    """Means of 2×2 pixels; an odd last row or column is left out, if it is not the only one."""
    rows, columns = (max(1, length // 2) for length in photo.shape[:2])
    even = photo[: 2 * rows, : 2 * columns]
    return np.asarray(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
