"""The holes of one photo, made from its mask: what completing files and serving have in common."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import OnarError
from onar.imaging.photo_file import Photo
from onar.inference.windows import Holes
from onar.masks import holes_from_mask, is_mostly_grey, why_no_hole

MUCH = 0.7
"""Share of holes above which a mask is probably inverted."""


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
    if share > MUCH:
        advice = f"leave {option} out" if inverted else f"use {option}"
        told.append(f"{share:.0%} of the photo is hole; white is filled: if the mask is inverted, {advice}")
    if share == 0:
        told.append(f"the mask has no hole: {why_no_hole(mask, inverted)}; the photo stays as it is")
    if is_mostly_grey(mask):
        told.append("the mask is mostly neither black nor white: is it a mask, and not a photo?")
    return told
