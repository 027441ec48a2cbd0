"""Pixels as values in [0, 1] and back, and photos with holes at half the scale and back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from onar.fills.pyramid import Frame
from onar.imaging.levels import Pixels
from onar.masks.holes import Holes, known_from_mask


def to_frame(photo: Pixels) -> Frame:
    """Pixels of any shape in [0, 1].

    >>> to_frame(np.array([0, 255], np.uint8))
    array([0., 1.], dtype=float32)
    """
    return np.divide(photo, np.iinfo(photo.dtype).max, dtype=np.float32)


def visible_frame(photo: Pixels, known: Frame) -> Frame:
    """Pixels …×3 in [0, 1], 0 in the holes."""
    return np.asarray(to_frame(photo) * known[..., None], np.float32)


def to_pixels(frame: Frame, kind: np.dtype[Any]) -> Pixels:
    """Values around [0, 1], rounded and clipped, as uint8 or uint16 of the same shape.

    >>> to_pixels(np.array([-0.1, 0.5, 2.0], np.float32), np.dtype("uint8"))
    array([  0, 128, 255], dtype=uint8)
    """
    white = np.iinfo(kind).max
    return np.clip(np.rint(frame * white), 0, white).astype(kind)


def double(photo: Pixels, hole: Holes) -> Pixels:
    """The result of `halve`, enlarged to the shape of the original holes, bool H×W."""
    enlarged = cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged[: hole.shape[0], : hole.shape[1]], photo.dtype)


def halve(photo: Pixels, unknown: Holes) -> tuple[Pixels, Holes]:
    """Means of the known pixels of 2×2 blocks, and the blocks with less than half known; odd sides get a row of hole.

    Only known pixels are averaged: values inside holes do not change the result.
    """
    padding = ((0, photo.shape[0] % 2), (0, photo.shape[1] % 2))
    (known,) = known_from_mask(np.pad(unknown, padding, constant_values=True))
    frame = visible_frame(np.pad(photo, (*padding, (0, 0))), known)
    size = known.shape[1] // 2, known.shape[0] // 2
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA).reshape(size[::-1])
    means = cv2.resize(frame, size, interpolation=cv2.INTER_AREA).reshape(*size[::-1], photo.shape[2])
    return to_pixels(means / np.maximum(share, np.float32(0.25))[..., None], photo.dtype), share < 0.5
