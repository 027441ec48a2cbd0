"""Pixels of 8 and of 16 bits: how the levels of the one become those of the other, and which of them a photo uses."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import OnarError

Pixels: TypeAlias = NDArray[Any]
"""uint8 or uint16, H×W or H×W×C, black at 0 and white at 255 or 65535."""

_HEADROOM = {1.0: 16, 255.0: 512, 2.0**16 - 1: 2.0**17}
"""What white can be in floats, and up to which brightest pixel it is taken for that: photos that were processed go a
little above it, and those of high contrast go far above 1."""


class NoWhiteError(OnarError):
    """Numbers of which nobody can say what is black and what white; the message is the reason."""


def as_8_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """Pixels as uint8, of the same shape."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257), np.uint8).reshape(pixels.shape)


def unused_bits(pixels: Pixels) -> int:
    """How many of the upper bits of uint16 pixels are 0 in all of them; 0 for uint8 and for black.

    Cameras and scanners put 10, 12 or 14 bits into the lower part of 16. In 8 bits little would be left of them.
    """
    if pixels.dtype == np.uint8 or pixels.size == 0:
        return 0
    brightest = int(pixels.max())
    return 16 - brightest.bit_length() if brightest else 0


def in_used_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """Pixels as uint8, without the upper bits that are unused, as networks and people are to see them."""
    unused = unused_bits(pixels)
    return as_8_bits(pixels << unused if unused else pixels)


def white_of(values: NDArray[Any]) -> float:
    """The number that is white in a picture whose black is 0, by the type of the numbers and by the brightest.

    In integers of up to 16 bits it is the largest that the type holds. Larger integers often hold 16 bits, and floats
    1, 255 or 65535.

    Raises:
        NoWhiteError: a float is too large for any of these, or an integer negative.
    """
    brightest = np.max(values, where=np.isfinite(values), initial=0)
    if values.dtype.kind == "f":
        white = next((white for white, most in _HEADROOM.items() if brightest <= most), None)
        if white is None:
            raise NoWhiteError(f"its values reach {brightest:g}: scale them so that white is 1")
        return white
    if values.min() < 0:
        raise NoWhiteError(f"it holds negative values, down to {values.min()}: scale them so that black is 0")
    usual = [2.0**16 - 1] * (values.itemsize > 2) + [float(np.iinfo(values.dtype).max)]
    return next(white for white in usual if brightest <= white)


def integers_as_8_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Integers of any type as uint8: as they are where none is above 255, which programs write into wider types, too.

    Raises:
        NoWhiteError: some are negative.
    """
    white = white_of(values)
    if np.max(values, initial=0) <= 255:
        return np.asarray(values, np.uint8)
    return as_8_bits(scaled_to_16_bits(values, white))


def scaled_to_16_bits(values: NDArray[Any], white: float) -> NDArray[np.uint16]:
    """Numbers of any type as uint16: 0 is black, `white` 65535, what lies outside is clipped, no number is black."""
    scaled = np.nan_to_num(values.astype(np.float32), nan=0, posinf=white, neginf=0) / np.float32(white)
    np.multiply(np.clip(scaled, 0, 1, out=scaled), 65535, out=scaled)
    return np.asarray(np.rint(scaled), np.uint16)
