"""Contact sheets: several pictures in one."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

GAP = 4
"""Pixels between the pictures of a sheet."""

TINT = (255, 0, 0)
"""Colour of holes."""

Picture = NDArray[np.uint8]


def picture_grid(rows: Sequence[Sequence[Picture]]) -> Picture:
    """Arrange rows of pictures, uint8 H×W×3, on white, each at the top left of a cell, with cells of the largest size.

    >>> picture_grid([[np.zeros((10, 20, 3), np.uint8)] * 3]).shape
    (18, 76, 3)
    """
    height = max(picture.shape[0] for row in rows for picture in row)
    width = max(picture.shape[1] for row in rows for picture in row)
    columns = max(len(row) for row in rows)
    sheet = np.full((len(rows) * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = GAP + i * (height + GAP), GAP + j * (width + GAP)
            sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def mask_sheet(masks: Sequence[Picture], columns: int) -> Picture:
    """Arrange masks, uint8 H×W, in rows of `columns`; uint8 H×W×3."""
    # A grey frame, because white holes on a white sheet have no edge.
    framed = [np.pad(np.stack([mask] * 3, axis=-1), ((1, 1), (1, 1), (0, 0)), constant_values=128) for mask in masks]
    return picture_grid([framed[start : start + columns] for start in range(0, len(framed), columns)])


def tint(photo: Picture, hole: NDArray[np.bool_]) -> Picture:
    """RGB uint8 H×W×3 of a photo, H×W or H×W×3, its holes half red."""
    tinted = as_rgb(photo)
    tinted[hole] = tinted[hole] // 2 + np.array(TINT, np.uint8) // 2
    return tinted


def as_rgb(photo: Picture) -> Picture:
    """A copy of a photo, H×W or H×W×3, as H×W×3."""
    return np.repeat(photo[..., None], 3, axis=2) if photo.ndim == 2 else photo.copy()


def reduced(picture: Picture, longest: int) -> Picture:
    """A picture, H×W or H×W×3, reduced to a maximum side length in pixels; a smaller one as it is.

    >>> reduced(np.zeros((10, 40, 3), np.uint8), 20).shape
    (5, 20, 3)
    """
    scale = max(longest, 1) / max(picture.shape[:2])
    if scale >= 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
