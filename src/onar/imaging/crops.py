"""Crops: which part of a photo is read."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Corners: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, as in Pillow: right and bottom are exclusive."""


def largest_crop(photo_height: int, photo_width: int, height: int, width: int) -> tuple[int, int]:
    """Height and width, at least 1 pixel each, of the largest crop with the aspect ratio height:width that fits.

    >>> largest_crop(600, 800, 256, 256)
    (600, 600)
    """
    scale = min(photo_height / height, photo_width / width)
    return max(1, round(scale * height)), max(1, round(scale * width))


def centre_box(photo_height: int, photo_width: int, height: int, width: int) -> Corners:
    """The largest centred crop with the aspect ratio height:width.

    >>> centre_box(600, 800, 256, 256)
    (100, 0, 700, 600)
    """
    tall, wide = largest_crop(photo_height, photo_width, height, width)
    top, left = (photo_height - tall) // 2, (photo_width - wide) // 2
    return left, top, left + wide, top + tall


def random_box(
    photo_size: tuple[int, int], size: tuple[int, int], min_crop: float, rng: np.random.Generator
) -> Corners:
    """Draw a random crop with the aspect ratio of `size`.

    Args:
        photo_size: height and width of the photo.
        size: height and width that the crop will be resized to. Where the photo allows, the crop is at least as large.
        min_crop: minimum size of the crop, as a share of the largest one that fits; above 0, at most 1.
        rng: source of size and position, both uniformly distributed.

    >>> random_box((600, 800), (256, 256), 0.5, np.random.default_rng(0))
    (83, 56, 574, 547)
    """
    tall, wide = largest_crop(*photo_size, *size)
    smallest = min(1.0, max(min_crop, size[0] / tall, size[1] / wide))
    share = rng.uniform(smallest, 1.0)
    height, width = max(1, round(share * tall)), max(1, round(share * wide))
    top, left = rng.integers(photo_size[0] - height + 1), rng.integers(photo_size[1] - width + 1)
    return int(left), int(top), int(left) + width, int(top) + height


def box_with_hole(box: Corners, hole: NDArray[np.bool_], rng: np.random.Generator) -> Corners:
    """The crop itself when it contains a hole pixel, otherwise one of the same size round a random hole pixel.

    `hole` is bool H×W of the whole photo, with at least one hole pixel.

    >>> hole = np.zeros((100, 100), bool)
    >>> hole[90, 90] = True
    >>> box_with_hole((0, 0, 20, 20), hole, np.random.default_rng(0))
    (80, 80, 100, 100)
    """
    left, top, right, bottom = box
    if hole[top:bottom, left:right].any():
        return box
    rows, columns = np.nonzero(hole)
    at, (height, width) = int(rng.integers(len(rows))), (bottom - top, right - left)
    top = int(np.clip(rows[at] - height // 2, 0, hole.shape[0] - height))
    left = int(np.clip(columns[at] - width // 2, 0, hole.shape[1] - width))
    return left, top, left + width, top + height
