"""Where the holes of a photo are: boxes round groups of them, and how deep they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Holes: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Box:
    """A part of a photo in pixels; bottom and right are outside."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing an H×W or H×W×3 array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, window: Box) -> tuple[slice, slice]:
        """For indexing an array that shows `window` only."""
        rows = slice(self.top - window.top, self.bottom - window.top)
        return rows, slice(self.left - window.left, self.right - window.left)

    @property
    def longer_side(self) -> int:
        """The larger of height and width."""
        return max(self.bottom - self.top, self.right - self.left)

    def grown(self, margin: int, height: int, width: int, at_least: int = 0) -> Box:
        """The box with a margin on all sides, and at least so many pixels a side, cut at the photo's edges."""
        rows = max(margin, (at_least - (self.bottom - self.top) + 1) // 2)
        columns = max(margin, (at_least - (self.right - self.left) + 1) // 2)
        return Box(
            max(0, self.top - rows),
            max(0, self.left - columns),
            min(height, self.bottom + rows),
            min(width, self.right + columns),
        )

    def pieces(self, size: int) -> Iterator[Box]:
        """Cut into boxes of at most `size` pixels a side."""
        for top in range(self.top, self.bottom, size):
            for left in range(self.left, self.right, size):
                yield Box(top, left, min(top + size, self.bottom), min(left + size, self.right))


def find_groups(hole: Holes, reach: int) -> list[Box]:
    """Boxes round groups of holes that are no more than about twice `reach` pixels apart, in reading order.

    Args:
        hole: bool H×W.
        reach: pixels.
    """
    height, width = hole.shape
    # Distances matter only roughly, so blocks of pixels serve: 100 megapixels become a few thousand blocks.
    block = max(1, reach // 4)
    padded = np.pad(hole, ((0, -height % block), (0, -width % block)))
    blocks = padded.reshape(padded.shape[0] // block, block, padded.shape[1] // block, block).any(axis=(1, 3))
    radius = max(1, reach // block)
    reached = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    grown = np.asarray(cv2.dilate(np.asarray(blocks, np.uint8), reached), np.uint8)
    count, labels = cv2.connectedComponents(grown)
    groups = []
    for label in range(1, count):
        rows, columns = np.nonzero(blocks & (labels == label))
        box = Box(rows.min() * block, columns.min() * block, (rows.max() + 1) * block, (columns.max() + 1) * block)
        groups.append(_shrink(box.grown(0, height, width), hole))
    return groups


def _shrink(box: Box, hole: Holes) -> Box:
    """The smallest box round the holes in a box."""
    rows, columns = hole[box.slices].any(axis=1).nonzero()[0], hole[box.slices].any(axis=0).nonzero()[0]
    return Box(
        box.top + int(rows[0]), box.left + int(columns[0]), box.top + int(rows[-1]) + 1, box.left + int(columns[-1]) + 1
    )


def hole_depth(hole: Holes) -> NDArray[np.float32]:
    """Distance of each hole pixel, bool H×W, to the nearest known one in pixels; infinite when nothing is known."""
    if hole.all():
        return np.full(hole.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3), np.float32)
