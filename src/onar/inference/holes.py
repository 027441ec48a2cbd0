"""Holes from masks of all kinds, and filling the holes of a photo that may be partly transparent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.errors import UsageError
from onar.imaging.grey import is_grey, to_grey
from onar.imaging.images import mask_of_picture
from onar.imaging.levels import NoWhiteError, Pixels, as_8_bits, integers_as_8_bits, unused_bits
from onar.inference.windows import Box, find_groups
from onar.masks.holes import (
    THRESHOLD,
    Holes,
    holes_from_mask,
    is_mostly_grey,
    is_mostly_hole,
    mask_from_holes,
    resize_holes,
    why_no_hole,
)

ALPHA: Literal["alpha"] = "alpha"
"""Selects a photo's own transparency as its mask."""
_OPAQUE = 0.98
"""Share of the photo's usual opacity above which a pixel was not erased."""
_BLOCK = 64
"""Least side in pixels of the blocks by which holes are grouped to be grown."""
MAX_CONTEXT = 512
"""Distance from a visible hole, in pixels, up to which transparent pixels are unknown to the fill. No network sees
further, and filling all of them would take as long as a hole of that size."""


class SizesDifferError(UsageError):
    """A mask and its photo differ in size."""


def find_holes(
    mask: NDArray[np.uint8], *, invert: bool = False, dilate: int = 0, size: tuple[int, int] | None = None
) -> Holes:
    """The holes of a mask.

    Args:
        mask: uint8 H×W, as `images.read_mask` returns it.
        invert: black is the hole.
        dilate: pixels by which holes are widened.
        size: height and width to resize to, for a mask of the same proportions; None keeps its size.

    Returns:
        bool H×W, True = hole.

    Raises:
        SizesDifferError: mask and `size` differ in proportions.

    >>> find_holes(np.array([[0, 127, 128, 255]], np.uint8))
    array([[False, False,  True,  True]])
    """
    hole = ~holes_from_mask(mask) if invert else holes_from_mask(mask)
    hole = hole if size is None else _resize_holes(hole, *size)
    return widened(hole, dilate)


def widened(hole: Holes, pixels: int) -> Holes:
    """Holes, bool H×W, with all pixels within a Euclidean distance of them."""
    return _grown(hole, pixels, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) if pixels else hole


def _grown(hole: Holes, reach: int, metric: int, kernel: int) -> Holes:
    """Pixels within `reach` of holes, bool H×W, by a metric and a kernel of `cv2.distanceTransform`.

    Distances are computed around groups of holes alone; groups are further apart than they grow, so that few pixels
    belong to several.
    """
    photo, grown = Box(0, 0, *hole.shape), hole.copy()
    for group in find_groups(hole, max(_BLOCK, 2 * reach)):
        place = group.grown(reach, photo).slices
        grown[place] |= cv2.distanceTransform((~hole[place]).view(np.uint8), metric, kernel) <= reach
    return grown


def have_proportions(tall: int, wide: int, height: int, width: int) -> bool:
    """Whether tall×wide is height×width scaled, within a pixel of rounding."""
    return abs(tall * width - wide * height) <= max(tall, wide, height, width)


def _resize_holes(hole: Holes, height: int, width: int) -> Holes:
    """Holes resized to a photo of the same proportions."""
    tall, wide = hole.shape
    if not have_proportions(tall, wide, height, width):
        raise SizesDifferError(
            f"the mask is {wide} x {tall} pixels, the photo {width} x {height}: it cannot be resized to that, because "
            "its proportions differ"
        )
    return resize_holes(hole, height, width)


def as_holes(mask: Any) -> Holes:
    """A mask as bool H×W, True = hole.

    Args:
        mask: a PIL picture, read as a mask file; or an array H×W or H×W×1 of uint8 (hole at 128 and above), bool, or
            float in [0, 1] (hole at 0.5 and above). Wider integers may use 8 bits, as 0 and 255, or their full range.

    Raises:
        UsageError: it is none of these; or its values are only 0 and 1, which some programs write for False and True.

    >>> as_holes(np.array([[0.0, 0.5, 1.0]]))
    array([[False,  True,  True]])
    """
    values = mask_of_picture(mask) if isinstance(mask, Image.Image) else _mask_of_array(np.asarray(mask))
    hole = holes_from_mask(values)
    if values.dtype == np.uint8 and values.max() == 1:
        raise UsageError(f"the mask has no hole: {why_no_hole(values)}; give 0 and 1 as bool, or times 255")
    return hole


def _mask_of_array(values: NDArray[Any]) -> NDArray[Any]:
    """An array of H×W or H×W×1 as H×W, floats as bool; raises `UsageError` for floats outside [0, 1]."""
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.dtype.kind in "iu" and values.itemsize > 1 and values.size:
        try:
            return integers_as_8_bits(values)
        except NoWhiteError as error:
            raise UsageError(f"this is no mask: {error}") from error
    if values.dtype.kind != "f":
        return values
    if np.isnan(values).any():
        raise UsageError("the mask holds NaN: a mask of floats goes from 0 (known) to 1 (hole)")
    if values.size and not 0 <= values.min() <= values.max() <= 1:
        raise UsageError(
            f"the mask goes from {values.min():g} to {values.max():g}: a mask of floats goes from 0 (known) to 1 (hole)"
        )
    return np.asarray(values >= 0.5)


def mask_of_alpha(alpha: Pixels) -> NDArray[np.uint8]:
    """The mask, uint8 H×W, of a photo whose holes were erased.

    Erased pixels are those below half opacity, and their soft edges: connected pixels less opaque than the photo, whose
    opacity is the most frequent one. So half-erased rims belong to the hole, and separate translucent areas do not. If
    no pixel is below half opacity, all pixels less opaque than the photo are erased, as by a soft brush.

    Args:
        alpha: uint8 or uint16, H×W, 0 = transparent.

    >>> mask_of_alpha(np.array([[255, 255, 0]], np.uint8))
    array([[  0,   0, 255]], dtype=uint8)
    """
    opacity = as_8_bits(alpha)
    erased = opacity < THRESHOLD
    if erased.all():
        return mask_from_holes(erased)
    usual = int(np.argmax(np.bincount(opacity[~erased], minlength=256)))
    soft = opacity < max(THRESHOLD, _OPAQUE * usual)
    if not erased.any() or np.array_equal(soft, erased):
        return mask_from_holes(soft)
    count, labels = cv2.connectedComponents(soft.view(np.uint8), connectivity=8)
    is_erased = np.zeros(count, bool)
    is_erased[labels[erased]] = True
    return mask_from_holes(is_erased[labels])


def fill_visible(pixels: Pixels, alpha: Pixels | None, hole: Holes, inpaint: Callable[[Pixels, Holes], Pixels]) -> None:
    """Fill the holes of a photo that may be partly transparent, in place.

    Transparent pixels are unknown to the fill, because their colour is arbitrary, and stay unchanged. If the known
    pixels use fewer than 16 bits, the fill sees them shifted up to the full range. A black-and-white photo gets a grey
    fill.

    Args:
        pixels: uint8 or uint16, H×W or H×W×3; changed in visible holes only.
        alpha: H×W, 0 = transparent; None for an opaque photo.
        hole: bool H×W.
        inpaint: (pixels, holes) -> the pixels with their holes filled; it may change what it gets.
    """
    transparent = None if alpha is None else alpha == 0
    if transparent is not None and transparent.any():
        _fill_partly_transparent(pixels, transparent, hole, inpaint)
    elif hole.any():
        unused = unused_bits(pixels, ~hole) if pixels.dtype == np.uint16 else 0
        if unused:
            pixels <<= unused
        completed = inpaint(pixels, hole)
        if completed is not pixels:
            pixels[hole] = completed[hole]
        if unused:
            pixels >>= unused


def _fill_partly_transparent(
    pixels: Pixels, transparent: Holes, hole: Holes, inpaint: Callable[[Pixels, Holes], Pixels]
) -> None:
    """See `fill_visible`, for a photo with transparent pixels."""
    shown, known = hole & ~transparent, ~(hole | transparent)
    if not shown.any():
        return
    unused = unused_bits(pixels, known) if pixels.dtype == np.uint16 else 0
    unknown = shown | (transparent & _grown(shown, MAX_CONTEXT, cv2.DIST_C, cv2.DIST_MASK_3))
    filled = inpaint(pixels << unused if unused else pixels.copy(), unknown)[shown] >> unused
    # `inpaint` detects black-and-white photos itself, but counts the colours of transparent pixels far from the holes.
    pixels[shown] = to_grey(filled[:, None]) if pixels.ndim == 3 and is_grey(pixels, known) else filled


def check_size(
    hole: Holes, size: tuple[int, ...], stored_size: tuple[int, int] | None = None, mask_name: str = "the mask"
) -> None:
    """Raise `SizesDifferError`, with both sizes in its message, when holes and photo differ in size.

    Args:
        hole: bool H×W.
        size: height and width of the upright photo.
        stored_size: its width and height before it was set upright.
        mask_name: of the mask, in the message.
    """
    (tall, wide), (height, width) = hole.shape, size
    if (tall, wide) == (height, width):
        return
    message = f"{mask_name} is {wide} x {tall} pixels, the photo {width} x {height}"
    if (wide, tall) == stored_size:
        message += f"; the file holds it as {wide} x {tall}, to be turned by its EXIF orientation: turn the mask, too"
    else:
        message += "; they must be the same size"
    raise SizesDifferError(message)


def doubts(mask: NDArray[np.uint8], hole: Holes, inverted: bool, option: str) -> list[str]:
    """Warnings about a mask, one line each: no hole, mostly hole, or looks like a photo.

    Args:
        mask: as for `find_holes`.
        hole: its holes.
        inverted: whether the mask was inverted.
        option: name of the option that inverts masks.
    """
    warnings = []
    share = float(np.count_nonzero(hole)) / hole.size
    if is_mostly_hole(hole):
        advice = f"leave {option} out" if inverted else f"use {option}"
        warnings.append(f"{share:.0%} of the photo is hole; white is filled: if the mask is inverted, {advice}")
    if share == 0:
        warnings.append(f"the mask has no hole: {why_no_hole(mask, inverted)}; the photo stays as it is")
    if is_mostly_grey(mask):
        warnings.append("the mask is mostly neither black nor white: is it a mask, and not a photo?")
    return warnings
