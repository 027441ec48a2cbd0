"""Conversion between 8-bit and 16-bit pixels, and the value range of other types."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import OnarError

Pixels: TypeAlias = NDArray[Any]
"""uint8 or uint16, H×W or H×W×C, black at 0 and white at 255 or 65535."""

_ROWS = 64
_HEADROOM = {1.0: 16, 255.0: 512, 2.0**16 - 1: 2.0**17}
"""Possible white levels of floats -> the maximum value for which each is assumed. Processed photos slightly exceed
white, and high dynamic range photos far exceed 1."""


class NoWhiteError(OnarError):
    """The value range cannot be inferred; the message is the reason."""


def as_8_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """Convert pixels to uint8 of the same shape.

    >>> as_8_bits(np.array([[0, 257, 65535]], np.uint16))
    array([[  0,   1, 255]], dtype=uint8)
    """
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257), np.uint8).reshape(pixels.shape)


def unused_bits(pixels: Pixels, counts: NDArray[np.bool_] | None = None) -> int:
    """Number of upper bits that are 0 in all uint16 pixels; 0 for uint8 and for black.

    Args:
        pixels: uint8 or uint16, of any shape.
        counts: bool of its first two dimensions, False for pixels to ignore; None to ignore none.

    Cameras and scanners store 10, 12 or 14 bits in the lower part of 16, few of which would be left in 8 bits.

    >>> unused_bits(np.array([[0, 4095]], np.uint16))
    4
    """
    if pixels.dtype == np.uint8 or pixels.size == 0:
        return 0
    brightest = int(pixels.max() if counts is None else brightest_of(pixels, counts))
    return 16 - brightest.bit_length() if brightest else 0


def brightest_of(pixels: Pixels, counts: NDArray[np.bool_]) -> int:
    """The largest value of the pixels that count, H×W or H×W×C with bool H×W; 0 without any."""
    brightest = 0
    for top in range(0, len(pixels), _ROWS):  # most rows have no hole
        part, counted = pixels[top : top + _ROWS], counts[top : top + _ROWS]
        if part.max() > brightest:
            brightest = max(brightest, int((part if counted.all() else part[counted]).max(initial=0)))
    return brightest


def in_used_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """Convert pixels to uint8 without unused upper bits, for networks and for display."""
    unused = unused_bits(pixels)
    return as_8_bits(pixels << unused if unused else pixels)


def white_of(values: NDArray[Any]) -> float:
    """Infer the white level of a picture whose black is 0, by the type of its values and the brightest one.

    For integers of up to 16 bits it is the maximum of the type. Larger integers often hold 16 bits, and floats 1, 255
    or 65535. Raises `NoWhiteError` if a float is too large, or an integer negative.

    >>> white_of(np.array([0.0, 0.9]))
    1.0
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
    """Convert integers of any type to uint8; 8-bit values in wider types are kept. Negative ones raise `NoWhiteError`.

    >>> integers_as_8_bits(np.array([0, 200], np.int64))
    array([  0, 200], dtype=uint8)
    """
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    white = white_of(values)
    if np.max(values, initial=0) <= 255:
        return np.asarray(values, np.uint8)
    return as_8_bits(scaled_to_16_bits(values, white))


def scaled_to_16_bits(values: NDArray[Any], white: float) -> NDArray[np.uint16]:
    """Scale values of any type from [0, white] to uint16; values outside are clipped, NaN is black.

    >>> scaled_to_16_bits(np.array([-1.0, 0.5, 2.0]), white=1.0)
    array([    0, 32768, 65535], dtype=uint16)
    """
    scaled = np.nan_to_num(values.astype(np.float32), nan=0, posinf=white, neginf=0) / np.float32(white)
    np.multiply(np.clip(scaled, 0, 1, out=scaled), 65535, out=scaled)
    return np.asarray(np.rint(scaled), np.uint16)
