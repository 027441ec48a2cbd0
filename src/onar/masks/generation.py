"""Generated masks.

A mask type is a function that draws one shape, registered in `onar.masks.shapes.MASK_TYPES`.
"""

from __future__ import annotations

import cv2
import numpy as np

from onar.errors import UsageError
from onar.masks.defaults import MAX_MASKS, MAX_SIZE_RATIO, MAX_THICKNESS
from onar.masks.shapes import MASK_TYPES, Limits, Mask, MaskType

REFERENCE_SIZE = 512
"""Shorter side, in pixels, of the photo in which `max_thickness` is measured."""


def random_mask(
    height: int,
    width: int,
    mask_type: str = "irregular",
    *,
    rng: np.random.Generator | None = None,
    max_masks: int = MAX_MASKS,
    max_size_ratio: float = MAX_SIZE_RATIO,
    max_thickness: float = MAX_THICKNESS,
    hole_ratio: tuple[float, float] | None = None,
) -> Mask:
    """Draw a random mask with at least one hole pixel.

    The same generator state gives the same mask, and at another size much the same picture scaled.

    Args:
        height: Rows, at least 1.
        width: Columns, at least 1.
        mask_type: A key of `MASK_TYPES`.
        rng: Where all randomness comes from; a fresh, unseeded generator when None.
        max_masks: Most shapes in the mask; one to this many are drawn.
        max_size_ratio: Longest rectangle side or stroke segment, as a share of the photo's side.
        max_thickness: Thickest stroke, in pixels of a photo whose shorter side is 512.
        hole_ratio: Lowest and highest share of hole pixels, 0 < low <= high < 1. The share is drawn
            evenly between them and met, from below, to a fiftieth of itself (pixels permitting): shapes
            are added until it is, whatever `max_masks` says. For large shares strokes are thicker, up to
            1 + 8 · share times, as in the masks of Liu et al. 2018.

    Returns:
        uint8 H×W mask of 0 and 255 (255 = hole).

    Raises:
        UsageError: An argument is out of its range, or the mask type is unknown.
    """
    _check_arguments(height, width, mask_type, max_masks, max_size_ratio, max_thickness, hole_ratio)
    rng = np.random.default_rng() if rng is None else rng
    canvas = np.zeros((height, width), np.uint8)
    thickness = max(1.0, max_thickness * min(height, width) / REFERENCE_SIZE)
    limits = Limits(max_size_ratio * height, max_size_ratio * width, thickness)
    draw = MASK_TYPES[mask_type]
    if hole_ratio is None:
        for _ in range(int(rng.integers(1, max_masks + 1))):
            draw(canvas, rng, limits)
    else:
        _cover(canvas, rng, draw, limits, hole_ratio)
    return canvas


def _cover(
    canvas: Mask, rng: np.random.Generator, draw: MaskType, limits: Limits, hole_ratio: tuple[float, float]
) -> None:
    """Add shapes until the H×W canvas has a share of holes drawn evenly from the two given ones."""
    low, high = hole_ratio
    close = 0.98  # how much of the target is enough; the last hundredths would take the most shapes
    share, growth = rng.uniform(min(low / close, high), high), rng.random()
    limits = limits._replace(thickness=limits.thickness * (1 + share * (3 + 5 * growth)))
    target = max(1.0, share * canvas.size)
    covered = 0
    while covered < close * target:
        draw(canvas, rng, limits._replace(area=target - covered))
        covered = cv2.countNonZero(canvas)


def _check_arguments(
    height: int,
    width: int,
    mask_type: str,
    max_masks: int,
    max_size_ratio: float,
    max_thickness: float,
    hole_ratio: tuple[float, float] | None,
) -> None:
    if mask_type not in MASK_TYPES:
        raise UsageError(f"mask_type is {' or '.join(MASK_TYPES)}, not {mask_type!r}")
    if height < 1 or width < 1:
        raise UsageError(f"a mask needs a height and a width of at least 1, not {height} x {width}")
    if max_masks < 1 or max_thickness < 1:
        raise UsageError(f"max_masks and max_thickness must be at least 1, not {max_masks} and {max_thickness}")
    if not 0 < max_size_ratio <= 1:
        raise UsageError(f"max_size_ratio must be above 0 and at most 1, not {max_size_ratio}")
    if hole_ratio is not None and not 0 < hole_ratio[0] <= hole_ratio[1] < 1:
        raise UsageError(f"hole_ratio takes two shares, 0 < low <= high < 1, not {hole_ratio}")
