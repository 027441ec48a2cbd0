"""The training data of a colour predictor: photos at low resolution, and many holes.

The predictor sees means of cells, so photos are kept at half resolution at most. They are read once, and batches are
cut out of memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.data.photo_sets import Photos
from onar.data.reduced_photos import read_reduced_photos
from onar.imaging.images import EightBits
from onar.masks.generation import random_mask
from onar.models.colour_unet import CELL
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
    """The photos at low resolution, and masks; see `read_reduced_photos`."""
    kept = read_reduced_photos(photos, count, side=KEPT_SIDE, max_aspect=MAX_ASPECT, num_workers=num_workers, seed=seed)
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


def _halve(photo: EightBits) -> EightBits:
    """Means of 2×2 pixels; an odd last row or column is left out, if it is not the only one."""
    rows, columns = (max(1, length // 2) for length in photo.shape[:2])
    even = photo[: 2 * rows, : 2 * columns]
    return np.asarray(cv2.resize(even, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
