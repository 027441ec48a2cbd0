"""The training data of a damage finder: crops of photos, on which damage is drawn."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from onar.data.damage.drawing import damage_photo
from onar.data.photo_sets import Photos
from onar.data.reduced_photos import read_reduced_photos
from onar.imaging.images import EightBits

KEPT_SIDE = 512  # maximum of the shorter side of a photo in memory
MAX_ASPECT = 1.5  # maximum of the longer side over the shorter one: of a panorama the middle is kept
SCALES = (0.6, 2.0)  # of the crops: enlarged ones are as soft as scans
ENLARGED_SHARE = 0.6

FinderBatch = tuple[Tensor, Tensor]
"""Photo uint8 B×3×H×W, and truth bool B×2×H×W."""


def read_kept(photos: Photos, count: int, num_workers: int, seed: int) -> list[EightBits]:
    """The photos to cut crops from; see `read_reduced_photos`."""
    return read_reduced_photos(photos, count, side=KEPT_SIDE, max_aspect=MAX_ASPECT, num_workers=num_workers, seed=seed)


def draw_batch(
    photos: list[EightBits], batch_size: int, side: int, clean_share: float, rng: np.random.Generator
) -> FinderBatch:
    """Draw crops with and without damage."""
    drawn = []
    for _ in range(batch_size):
        crop = draw_crop(photos[rng.integers(len(photos))], side, rng)
        drawn.append(damage_photo(crop, rng, clean_share=clean_share))
    photo = torch.from_numpy(np.stack([one.photo for one in drawn])).permute(0, 3, 1, 2)
    return photo, torch.from_numpy(np.stack([one.truth for one in drawn]))


def draw_crop(photo: EightBits, side: int, rng: np.random.Generator) -> EightBits:
    """A square crop at a random scale, place and orientation; photos that are too small are mirrored at their edge."""
    scale = np.exp(rng.uniform(*np.log(SCALES))) if rng.random() < ENLARGED_SHARE else 1.0
    taken = max(1, round(side / scale))
    missing = [(0, max(0, taken - length)) for length in photo.shape[:2]]
    photo = np.pad(photo, (*missing, (0, 0)), mode="symmetric") if any(map(any, missing)) else photo
    top, left = (int(rng.integers(length - taken + 1)) for length in photo.shape[:2])
    crop = photo[top : top + taken, left : left + taken]
    if taken != side:
        kernel = cv2.INTER_AREA if taken > side else cv2.INTER_CUBIC
        crop = np.asarray(cv2.resize(crop, (side, side), interpolation=kernel), np.uint8)
    crop = np.rot90(crop, int(rng.integers(4)))
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)
