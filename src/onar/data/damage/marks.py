"""A mark of damage on a photo, and how it is painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.float32]
Points: TypeAlias = NDArray[np.float64]
"""N×2 places x, y in pixels."""


@dataclass(frozen=True)
class Mark:
    """One mark: how much it covers the pixels of a part of the photo."""

    top: int
    left: int
    coverage: Plane  # h×w in [0, 1]
    shade: Plane | None = None  # h×w, levels of 255 added to the photo beneath, such as the slope beside a crease

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the photo."""
        height, width = self.coverage.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


DrawMark: TypeAlias = "Callable[[int, int, np.random.Generator], Mark]"  # as text, which imports no np.random
"""Draws a mark for a photo of that height and width."""


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform: small ones are drawn more often."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def any_place(height: int, width: int, rng: np.random.Generator) -> Points:
    """A place of the photo, as an array of two."""
    return rng.random(2) * (width, height)


def clouds(height: int, width: int, cell: float, rng: np.random.Generator) -> Plane:
    """Smooth noise in [0, 1] whose values change over `cell` pixels."""
    rows, columns = (2 + int(length / cell) for length in (height, width))
    coarse = rng.random((rows, columns), np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def visible_box(points: Points, margin: float, height: int, width: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of the photo round the points, of at least one pixel."""
    low = np.floor(points.min(0) - margin).astype(int)
    high = np.ceil(points.max(0) + margin).astype(int) + 1
    left, top = (int(min(max(0, at), length - 1)) for at, length in zip(low, (width, height), strict=True))
    right, bottom = (int(min(at, length)) for at, length in zip(high, (width, height), strict=True))
    return left, top, max(left + 1, right), max(top + 1, bottom)


def blurred(plane: Plane, sigma: float) -> Plane:
    """Gaussian blur."""
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)


def paint(photo: Plane, mark: Mark, colour: Plane, opacity: float) -> None:
    """Paint a mark in place; `photo` is float32 H×W×3 and `colour` of three, in levels of 255."""
    part = photo[mark.place]
    if mark.shade is not None:
        part += mark.shade[..., None]
    part += (opacity * mark.coverage)[..., None] * (colour - part)
    np.clip(part, 0, 255, out=part)
