"""Extending photos: margins that are holes at the photo's edge, for the same filling as any hole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.errors import UsageError
from onar.imaging.images import PhotoTooLargeError
from onar.imaging.levels import Pixels
from onar.imaging.photo_file import Photo
from onar.inference.photos import MaskedPhoto
from onar.masks.holes import Holes, mask_from_holes
from onar.masks.margins import RULE, Margins, are_margins, margins_of
from onar.masks.shapes import HOLE

MUCH = 0.5
"""Share of new pixels in the result above which most of it is made up."""


def extend(photo: Any, margins: str | int) -> tuple[Any, NDArray[np.uint8]]:
    """A photo with margins, and the mask of what is new, for `Inpainter`.

    Args:
        photo: a PIL picture, or an array H×W or H×W×C.
        margins: pixels or a share on all sides, such as 40 or "10%", or four of them, "LEFT,TOP,RIGHT,BOTTOM". Shares
            are of the photo's width and height.

    Returns:
        The larger photo, black in its margins, of the type given; and a mask, uint8 H×W, 255 = hole.

    Raises:
        UsageError: these are no margins, or no photo.

    >>> photo, mask = extend(np.full((20, 30), 9, np.uint8), "0,0,10%,5")
    >>> photo.shape, int((mask > 0).sum())
    ((25, 33), 225)
    """
    if not are_margins(str(margins)):
        raise UsageError(f"margins {RULE}, not {margins!r}")
    if isinstance(photo, Image.Image):
        sides = margins_of(str(margins), photo.height, photo.width)
        larger: Any = Image.new(photo.mode, _larger(photo.size, sides))
        larger.paste(photo, (sides.left, sides.top))
        return larger, _border(sides, (photo.height, photo.width))
    if not isinstance(photo, np.ndarray) or photo.ndim not in (2, 3) or photo.size == 0:
        raise UsageError(f"a photo is a PIL picture, or an array H×W or H×W×C, not {type(photo).__name__}")
    sides = margins_of(str(margins), *photo.shape[:2])
    return sides.around(photo, 0), _border(sides, photo.shape[:2])


def extended(masked: MaskedPhoto, margins: str, pixel_limit: int) -> MaskedPhoto:
    """A photo with margins, which are holes beside those that it has. Raises as `extended_photo`."""
    larger, hole = extended_photo(masked.photo, margins, pixel_limit)
    sides = margins_of(margins, *masked.photo.size)
    share = 1 - masked.hole.size / hole.size
    doubts = (f"{share:.0%} of the result is new: far from the photo, a fill is a guess",) if share > MUCH else ()
    hole |= sides.around(masked.hole, value=0)
    return replace(masked, photo=larger, hole=hole, doubts=(*masked.doubts, *doubts))


def extended_photo(photo: Photo, margins: str, pixel_limit: int) -> tuple[Photo, Holes]:
    """A photo with margins, black and opaque, and the holes that they are, bool H×W.

    Metadata say the new size; blocks of a JPEG file are not kept, because they lie elsewhere.

    Raises `PhotoTooLargeError` if the result has more pixels than the limit.
    """
    height, width = photo.size
    sides = margins_of(margins, height, width)
    wide, tall = _larger((width, height), sides)
    if wide * tall > pixel_limit:
        raise PhotoTooLargeError(
            f"extended to {wide:,} x {tall:,} pixels, more than {pixel_limit / 1_000_000:g} megapixels"
        )
    alpha = None if photo.alpha is None else sides.around(photo.alpha, np.iinfo(photo.alpha.dtype).max)
    return photo.framed(sides.around(photo.pixels, 0), alpha), sides.around(np.zeros((height, width), bool), 1)


def _larger(size: tuple[int, int], sides: Margins) -> tuple[int, int]:
    """Width and height with margins."""
    return size[0] + sides.left + sides.right, size[1] + sides.top + sides.bottom


def _border(sides: Margins, size: tuple[int, ...]) -> Pixels:
    return sides.around(mask_from_holes(np.zeros(size, bool)), HOLE)
