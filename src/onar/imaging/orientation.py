"""The EXIF orientation of a picture."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.Image import Transpose

from onar.imaging.formats.exif import check_values, exif_of

_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""EXIF orientation -> transposition that makes the picture upright; from 5 on, height and width are swapped."""


def find_turn(image: Image.Image) -> Transpose | None:
    """The transposition that makes a picture upright, by its EXIF; None for an orientation of 1, missing or damaged."""
    try:
        check_values(BytesIO(exif_of(image)))
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # of any type, see `map_photo_errors`; EXIF is optional
        return None


def orientation_of(turn: Transpose | None) -> int:
    """The EXIF orientation, 1 to 8, of a picture that a transposition makes upright.

    >>> orientation_of(Transpose.ROTATE_270), orientation_of(None)
    (6, 1)
    """
    return next((orientation for orientation, known in _TURNS.items() if known is turn), 1)


def stored_pixels(upright: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """A view of upright pixels, H×W or H×W×C, as a picture of an EXIF orientation stores them.

    >>> stored_pixels(np.array([[1, 2], [3, 4]]), 6)
    array([[2, 4],
           [1, 3]])
    """
    turned = upright.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else upright
    return turned[:: -1 if orientation in (3, 4, 6, 7) else 1, :: -1 if orientation in (2, 3, 7, 8) else 1]


def upright_size(size: tuple[int, int], turn: Transpose | None) -> tuple[int, int]:
    """Width and height of a picture after a transposition.

    >>> upright_size((40, 30), Transpose.ROTATE_90)
    (30, 40)
    """
    width, height = size
    swapped = turn in (Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90)
    return (height, width) if swapped else (width, height)


def mirrored_sides(turn: Transpose | None) -> tuple[bool, bool]:
    """Whether the left side of the upright picture is the right or bottom side of the stored one, and the top side.

    >>> mirrored_sides(Transpose.FLIP_LEFT_RIGHT), mirrored_sides(Transpose.ROTATE_90)
    ((True, False), (False, True))
    """
    left = (Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.ROTATE_270, Transpose.TRANSVERSE)
    top = (Transpose.FLIP_TOP_BOTTOM, Transpose.ROTATE_180, Transpose.ROTATE_90, Transpose.TRANSVERSE)
    return turn in left, turn in top
