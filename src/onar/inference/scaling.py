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
    known = _known_in_pairs(unknown)
    rows, columns = (even - side for even, side in zip(known.shape, unknown.shape, strict=True))
    frame = visible_frame(np.pad(photo, ((0, rows), (0, columns), (0, 0))), known)
    share = _block_means(known)
    means = np.asarray(_block_means(frame) / np.maximum(share, np.float32(0.25))[..., None], np.float32)
    return to_pixels(means, photo.dtype), share < 0.5


def halve_filled(photo: Pixels, unknown: Holes) -> tuple[Pixels, Holes]:
    """As `halve`, with the means of the fill in the holes that are left.

    Args:
        photo: uint8 H×W×3 with its holes filled.
        unknown: bool H×W, those holes.
    """
    means, holes = halve(photo, unknown)
    even = np.pad(photo, [(0, side % 2) for side in unknown.shape] + [(0, 0)], mode="edge").astype(np.uint16)
    rows = even[::2] + even[1::2]
    means[holes] = ((rows[:, ::2] + rows[:, 1::2] + 2) // 4)[holes]
    return means, holes


def halve_holes(unknown: Holes) -> Holes:
    """The holes of `halve` alone.

    >>> halve_holes(np.array([[True, True, True], [False, False, True]]))
    array([[False,  True]])
    """
    return np.asarray(_block_means(_known_in_pairs(unknown)) < 0.5)


def _known_in_pairs(unknown: Holes) -> Frame:
    """1 = known, 0 = hole, with an even number of rows and columns."""
    (known,) = known_from_mask(np.pad(unknown, [(0, side % 2) for side in unknown.shape], constant_values=True))
    return np.asarray(known, np.float32)


def _block_means(values: Frame) -> Frame:
    """Means of the 2×2 blocks of H×W or H×W×C."""
    size = values.shape[1] // 2, values.shape[0] // 2
    means = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
    return means.reshape(*size[::-1], *values.shape[2:])
