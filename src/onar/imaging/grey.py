"""Detect black-and-white photos, which are often stored as RGB, and convert RGB to grey."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.imaging.levels import Pixels, brightest_of

GREY_LEVELS = 2
"""Maximum difference between the channels of a grey pixel, in levels of 255. Lossy compression and colour conversion
cause differences of 1; the palest of a thousand colour photos had a pixel with 9."""
_ROWS = 64


def is_grey(pixels: Pixels, counts: NDArray[np.bool_]) -> bool:
    """Whether a photo is black and white: it has valid pixels, and all are grey. Tones such as sepia are colours.

    Pixels are uint8 or uint16, H×W×3, in 16 bits relative to the used bits. `counts`, bool H×W, is False for pixels to
    ignore: holes, and transparent ones.

    >>> is_grey(np.full((4, 4, 3), 90, np.uint8), np.ones((4, 4), bool))
    True
    """
    if not counts.any():
        return False
    most = GREY_LEVELS
    if pixels.dtype == np.uint16:
        most = GREY_LEVELS * ((1 << brightest_of(pixels, counts).bit_length()) - 1) // 255
    for top in range(0, len(pixels), _ROWS):  # most colour photos have a colour in their first rows
        red, green, blue = np.moveaxis(pixels[top : top + _ROWS], 2, 0)
        darkest = np.minimum(np.minimum(red, green), blue)
        apart = np.maximum(np.maximum(red, green), blue) - darkest
        if ((apart > most) & counts[top : top + _ROWS]).any():
            return False
    return True


def to_grey(pixels: Pixels) -> Pixels:
    """Brightness of uint8 or uint16 H×W×3 as H×W; grey pixels keep their value.

    >>> to_grey(np.full((1, 2, 3), 90, np.uint8))
    array([[90, 90]], dtype=uint8)
    """
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), pixels.dtype)
