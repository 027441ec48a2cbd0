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
from onar.imaging.levels import Pixels, as_8_bits, unused_bits
from onar.imaging.photo_file import Photo
from onar.masks import Holes, holes_from_mask, is_mostly_grey, is_mostly_hole, why_no_hole

ALPHA: Literal["alpha"] = "alpha"
"""What names a photo's own transparency as its mask."""
SIGHT = 512
"""Pixels from a visible hole up to which transparent ones are unknown. No network looks further, and to fill them all
would take as long as a hole of that size."""


class SizesDifferError(OnarError):
    """A mask that is not of its photo's size."""


def find_holes(mask: NDArray[np.uint8], *, invert: bool = False, dilate: int = 0) -> Holes:
    """Where a photo is to be filled.

    Args:
        mask: H×W, as `images.read_mask` gives it.
        invert: black is the hole.
        dilate: pixels by which holes are widened.
    """
    hole = ~holes_from_mask(mask) if invert else holes_from_mask(mask)
    if dilate and hole.any():
        distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        hole = np.asarray(distance <= dilate)
    return hole


def as_holes(mask: Any) -> Holes:
    """A PIL picture, read as a mask file is, or a uint8 or bool array H×W, as bool H×W, True = hole.

    Raises:
        UsageError: it is something else; or its values are 0 and 1, which programs write for False and True.
    """
    values = mask_of_picture(mask) if isinstance(mask, Image.Image) else np.asarray(mask)
    hole = holes_from_mask(values)
    if values.dtype == np.uint8 and values.max() == 1:
        raise UsageError(f"the mask has no hole: {why_no_hole(values)}; give 0 and 1 as bool, or times 255")
    return hole


def mask_of_alpha(alpha: Pixels) -> NDArray[np.uint8]:
    """The mask, uint8 H×W, of a photo whose holes were erased: they are what is more transparent than not."""
    return as_8_bits(np.invert(alpha))


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
