"""The pyramid fill of `models.pyramid_fill` on arrays, by OpenCV and without torch; equal to 1e-6.

The networks need the other one, which is differentiable; this one is several times faster on a CPU.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SMOOTHING_STEPS = 4
NEIGHBOURS = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]], np.float32) / 12

Frame = NDArray[np.float32]
"""Photos or known maps in [0, 1]."""


def fill_frame(photo: Frame, known: Frame) -> Frame:
    """Fill the holes of a photo.

    Args:
        photo: float32 H×W×3; values inside holes are ignored, also NaN.
        known: float32 H×W, 1 = known, 0 = hole.

    Returns:
        H×W×3; known pixels are the photo's own. Without known pixels: 0.5.

    >>> fill_frame(np.ones((2, 2, 3), np.float32), np.array([[1, 0], [1, 1]], np.float32))[0, 1]
    array([1., 1., 1.], dtype=float32)
    """
    return _fill(np.where(known[..., None] > 0, photo, np.float32(0)), known)


def fill_pixels(photo: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """As `fill_frame`, of uint8 H×W×3; `hole` is H×W, True = hole."""
    known = (~hole).astype(np.float32)
    frame = np.divide(photo, 255, dtype=np.float32) * known[..., None]
    return np.rint(fill_frame(frame, known) * 255).clip(0, 255).astype(np.uint8)


def _fill(photo: Frame, known: Frame) -> Frame:
    """See `fill_frame`; `photo` is 0 in its holes."""
    if known.all():
        return photo  # coarser levels are not needed
    height, width = known.shape
    hole = (1 - known)[..., None]
    if height == 1 and width == 1:
        return np.asarray(photo + 0.5 * hole, np.float32)
    # An odd side is padded with hole; 0, 1/4, ... of the pixels of a block are known.
    padding = ((0, height % 2), (0, width % 2))
    share = _halve(np.pad(known, padding))
    mean = _halve(np.pad(photo, (*padding, (0, 0)))) / np.maximum(share, np.float32(0.25))[..., None]
    coarse = _fill(np.asarray(mean, np.float32), np.sign(share))
    enlarged = cv2.resize(coarse, (2 * coarse.shape[1], 2 * coarse.shape[0]), interpolation=cv2.INTER_LINEAR)
    filled: Frame = photo + hole * enlarged[:height, :width]
    for _ in range(SMOOTHING_STEPS):
        filled = photo + hole * cv2.filter2D(filled, -1, NEIGHBOURS, borderType=cv2.BORDER_REPLICATE)
    return filled


def _halve(x: Frame) -> Frame:
    """The means of the 2×2 blocks of float32 H×W or H×W×3, both sides even."""
    size = x.shape[1] // 2, x.shape[0] // 2
    return np.asarray(cv2.resize(x, size, interpolation=cv2.INTER_AREA), np.float32)
