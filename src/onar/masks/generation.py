"""Generated masks: shapes of a mask type, drawn until there are enough."""

from __future__ import annotations

import cv2
import numpy as np

from onar.errors import UsageError
from onar.masks.defaults import MAX_MASKS, MAX_SIZE_RATIO, MAX_THICKNESS
from onar.masks.shapes import DrawShape, Limits, Mask, shape_of

REFERENCE_SIZE = 512
"""Shorter side, in pixels, of the photo that `max_thickness` refers to."""


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

    The same generator state gives the same mask, and at another size a similar one, scaled.

    >>> mask = random_mask(64, 96, "rectangle", rng=np.random.default_rng(0))
    >>> mask.shape, sorted(set(mask.ravel().tolist()))
    ((64, 96), [0, 255])

    Args:
        height: Rows, at least 1.
        width: Columns, at least 1.
        mask_type: A key of `onar.masks.defaults.MASK_TYPES`.
        rng: Generator of all random numbers; a fresh, unseeded one when None.
        max_masks: Maximum number of shapes; 1 to `max_masks` are drawn.
        max_size_ratio: Maximum side of rectangles and stroke segments, as a share of the photo's side.
        max_thickness: Maximum thickness of strokes, in pixels of a photo whose shorter side is 512.
        hole_ratio: Minimum and maximum share of hole pixels, 0 < low <= high < 1. The share is drawn uniformly between
            them; shapes are added until at least 98 % of it are covered, and `max_masks` is ignored. For large
            shares strokes are up to 1 + 8 · share times as thick, as in the masks of Liu et al. 2018.

    Returns:
        uint8 H×W mask of 0 and 255 (255 = hole).

    Raises:
        UsageError: An argument is out of its range, or the mask type is unknown.
    """
    draw = shape_of(mask_type)
    if height < 1 or width < 1:
        raise UsageError(f"a mask needs a height and a width of at least 1, not {height} x {width}")
    if max_masks < 1 or max_thickness < 1:
        raise UsageError(f"max_masks and max_thickness must be at least 1, not {max_masks} and {max_thickness}")
    if not 0 < max_size_ratio <= 1:
        raise UsageError(f"max_size_ratio must be above 0 and at most 1, not {max_size_ratio}")
    if hole_ratio is not None and not 0 < hole_ratio[0] <= hole_ratio[1] < 1:
        raise UsageError(f"hole_ratio takes two shares, 0 < low <= high < 1, not {hole_ratio}")
    rng = np.random.default_rng() if rng is None else rng
    canvas = np.zeros((height, width), np.uint8)
    thickness = max(1.0, max_thickness * min(height, width) / REFERENCE_SIZE)
    limits = Limits(max_size_ratio * height, max_size_ratio * width, thickness)
    if hole_ratio is None:
        for _ in range(int(rng.integers(1, max_masks + 1))):
            draw(canvas, rng, limits)
    else:
        _cover(canvas, rng, draw, limits, hole_ratio)
    return canvas


def _cover(
    canvas: Mask, rng: np.random.Generator, draw: DrawShape, limits: Limits, hole_ratio: tuple[float, float]
) -> None:
    """Draw shapes until the share of holes in the H×W canvas reaches one drawn uniformly from `hole_ratio`."""
    low, high = hole_ratio
    close = 0.98  # enough of the target; the last percent would take the most shapes
    share, growth = rng.uniform(min(low / close, high), high), rng.random()
    limits = limits._replace(thickness=limits.thickness * (1 + share * (3 + 5 * growth)))
    target = max(1.0, share * canvas.size)
    covered = 0
    while covered < close * target:
        draw(canvas, rng, limits._replace(area=target - covered))
        covered = cv2.countNonZero(canvas)
