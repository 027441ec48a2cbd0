"""The holes of one photo, made from its mask, and their filling: what files, pictures and serving have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.errors import OnarError, UsageError
from onar.imaging.grey import is_grey, to_grey
from onar.imaging.images import mask_of_picture
from onar.imaging.levels import NoWhiteError, Pixels, as_8_bits, integers_as_8_bits, unused_bits
from onar.imaging.photo_file import Photo
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
"""What names a photo's own transparency as its mask."""
_OPAQUE = 0.98
"""Of the photo's usual opacity; what is more opaque was not touched by a brush."""
SIGHT = 512
"""Pixels from a visible hole up to which transparent ones are unknown. No network looks further, and to fill them all
would take as long as a hole of that size."""


class SizesDifferError(OnarError):
    """A mask that is not of its photo's size."""


def find_holes(
    mask: NDArray[np.uint8], *, invert: bool = False, dilate: int = 0, size: tuple[int, int] | None = None
) -> Holes:
    """Where a photo is to be filled.

    Args:
        mask: H×W, as `images.read_mask` gives it.
        invert: black is the hole.
        dilate: pixels by which holes are widened.
        size: height and width of the photo, to which a mask of its proportions is resized; None leaves its size.

    Raises:
        SizesDifferError: mask and photo differ in their proportions.
    """
    hole = ~holes_from_mask(mask) if invert else holes_from_mask(mask)
    hole = hole if size is None else _resize_holes(hole, *size)
    if dilate and hole.any():
        distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        hole = np.asarray(distance <= dilate)
    return hole


def have_proportions(tall: int, wide: int, height: int, width: int) -> bool:
    """Whether tall×wide is height×width scaled, give or take a pixel of a side that was rounded."""
    return abs(tall * width - wide * height) <= max(tall, wide, height, width)


def _resize_holes(hole: Holes, height: int, width: int) -> Holes:
    """Holes at the size of a photo of their proportions."""
    tall, wide = hole.shape
    if not have_proportions(tall, wide, height, width):
        raise SizesDifferError(
            f"the mask is {wide} x {tall} pixels, the photo {width} x {height}: it cannot be resized to that, because "
            "its proportions are others"
        )
    return resize_holes(hole, height, width)


def as_holes(mask: Any) -> Holes:
    """A mask as bool H×W, True = hole.

    Args:
        mask: a PIL picture, read as a mask file is; or an array H×W or H×W×1, uint8 (from 128 on it is hole), bool, or
            float from 0 to 1 (from 0.5 on). Wider integers may hold 8 bits, as 0 and 255, or all that their type does.

    Raises:
        UsageError: it is something else; or its values are 0 and 1, which programs write for False and True.
    """
    values = mask_of_picture(mask) if isinstance(mask, Image.Image) else _mask_of_array(np.asarray(mask))
    hole = holes_from_mask(values)
    if values.dtype == np.uint8 and values.max() == 1:
        raise UsageError(f"the mask has no hole: {why_no_hole(values)}; give 0 and 1 as bool, or times 255")
    return hole


def _mask_of_array(values: NDArray[Any]) -> NDArray[Any]:
    """An array of H×W or H×W×1 as H×W, floats as bool; raises `UsageError` for floats that are not from 0 to 1."""
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

    Erased is what is more transparent than not, and the soft edge round it: all that is connected with it and less
    opaque than the photo, whose opacity is the most frequent one. So half-erased rims do not stay, and what is
    transparent for itself does. Where nothing is more transparent than not, what is less opaque than the photo is
    erased: a soft brush went over it.

    Args:
        alpha: uint8 or uint16, H×W, 0 = transparent.
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


def fill_visible(
    pixels: Pixels, alpha: Pixels | None, hole: Holes, complete: Callable[[Pixels, Holes], Pixels]
) -> Pixels:
    """Fill the holes of a photo that may be transparent in part.

    Transparent pixels are unknown to the fill, because editors leave any colour under them, and stay as they are. Of
    16 bits the fill sees those that the known pixels use. A black-and-white photo gets a grey fill.

    Args:
        pixels: uint8 or uint16, H×W or H×W×3.
        alpha: H×W, 0 = transparent; None for a photo without.
        hole: H×W.
        complete: (pixels, holes) -> the pixels with other ones in the holes.

    Returns:
        Pixels of the same type and shape; but for visible holes, those that came.
    """
    transparent = np.zeros_like(hole) if alpha is None else alpha == 0
    shown = hole & ~transparent
    if not shown.any():
        return pixels
    unknown = shown | (transparent & _in_sight_of(shown)) if transparent.any() else hole
    counts = ~(hole | transparent)
    unused = unused_bits(pixels[counts]) if pixels.dtype == np.uint16 else 0
    completed = complete(pixels << unused if unused else pixels, unknown)
    # `complete` knows a black-and-white photo by itself, but not what is transparent far from the holes.
    if pixels.ndim == 3 and transparent.any() and is_grey(pixels, counts):
        completed = np.repeat(to_grey(completed)[..., None], 3, axis=2)
    filled = pixels.copy()
    filled[shown] = completed[shown] >> unused
    return filled


def _in_sight_of(hole: Holes) -> Holes:
    """What lies within `SIGHT` of a hole."""
    distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_C, cv2.DIST_MASK_3)
    return np.asarray(distance <= SIGHT)


def check_size(hole: Holes, photo: Photo, mask_name: str = "the mask") -> None:
    """Raise `SizesDifferError`, with both sizes in its message, when holes and photo are not of one size."""
    height, width = photo.pixels.shape[:2]
    tall, wide = hole.shape
    if (tall, wide) == (height, width):
        return
    message = f"{mask_name} is {wide} x {tall} pixels, the photo {width} x {height}"
    if (wide, tall) == photo.stored_size:
        message += f"; the file holds it as {wide} x {tall}, to be turned by its EXIF orientation: turn the mask, too"
    raise SizesDifferError(message)


def doubts(mask: NDArray[np.uint8], hole: Holes, inverted: bool, option: str = "--invert_mask") -> list[str]:
    """What a person should be asked about a mask, one line each: that it has no hole or much, or is perhaps a photo.

    Args:
        mask: as for `find_holes`.
        hole: what will be filled.
        inverted: the mask was inverted for it.
        option: what inverts masks, as the person calls it.
    """
    told = []
    share = float(np.count_nonzero(hole)) / hole.size
    if is_mostly_hole(hole):
        advice = f"leave {option} out" if inverted else f"use {option}"
        told.append(f"{share:.0%} of the photo is hole; white is filled: if the mask is inverted, {advice}")
    if share == 0:
        told.append(f"the mask has no hole: {why_no_hole(mask, inverted)}; the photo stays as it is")
    if is_mostly_grey(mask):
        told.append("the mask is mostly neither black nor white: is it a mask, and not a photo?")
    return told
