"""Black-and-white photos, which are often stored in colour: how they are told, and how colours become grey."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.imaging.levels import Pixels

GREY_LEVELS = 2
"""Of 255: how far the channels of a grey pixel may be apart. Lossy files and changes of colour space put them off by 1;
in photos in colour they lie farther apart, by 9 somewhere in the palest of a thousand."""
_ROWS = 64


def is_grey(pixels: Pixels, counts: NDArray[np.bool_]) -> bool:
    """Whether a photo is black and white: all of its pixels that count are grey, and there are some.

    A tone, such as sepia, is a colour.

    Args:
        pixels: uint8 or uint16, H×W×3. Of 16 bits, levels are those of the bits that are used.
        counts: H×W, False where pixels say nothing: in holes, and where the photo is transparent.
    """
    if not counts.any():
        return False
    most = GREY_LEVELS
    if pixels.dtype == np.uint16:
        brightest = int(np.max(pixels, where=counts[..., None], initial=0))
        most = GREY_LEVELS * ((1 << brightest.bit_length()) - 1) // 255
    for top in range(0, len(pixels), _ROWS):  # most photos have a colour in their first rows
        red, green, blue = np.moveaxis(pixels[top : top + _ROWS], 2, 0)
        darkest = np.minimum(np.minimum(red, green), blue)
        apart = np.maximum(np.maximum(red, green), blue) - darkest
        if ((apart > most) & counts[top : top + _ROWS]).any():
            return False
    return True


def to_grey(pixels: Pixels) -> Pixels:
    """Brightness of uint8 or uint16 H×W×3, as H×W; what is grey keeps its value."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), pixels.dtype)
