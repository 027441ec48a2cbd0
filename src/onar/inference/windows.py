"""Geometry of holes: bounding boxes of groups of holes, and their depth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.masks.holes import Holes


class Box(NamedTuple):
    """A rectangle of pixels; bottom and right are exclusive.

    >>> Box(0, 0, 10, 20).grown(5, photo=Box(0, 0, 12, 100))
    Box(top=0, left=0, bottom=12, right=25)
    """

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def longer_side(self) -> int:
        """The larger of height and width."""
        return max(self.height, self.width)

    @property
    def area(self) -> int:
        """Pixels."""
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """For indexing an H×W or H×W×3 array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, window: Box) -> tuple[slice, slice]:
        """For indexing an array that covers `window` only."""
        rows = slice(self.top - window.top, self.bottom - window.top)
        return rows, slice(self.left - window.left, self.right - window.left)

    def grown(self, margin: int, photo: Box, min_side: int = 0) -> Box:
        """The box with a margin on all sides and at least `min_side` pixels a side, clipped to the photo."""
        rows, columns = (max(2 * margin, min_side - side) for side in (self.height, self.width))
        top, left = self.top - rows // 2, self.left - columns // 2
        return Box(
            max(0, top),
            max(0, left),
            min(photo.bottom, top + self.height + rows),
            min(photo.right, left + self.width + columns),
        )

    def joined(self, other: Box) -> Box:
        """The bounding box of both."""
        return Box(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def pieces(self, size: int) -> Iterator[Box]:
        """Split into nearly equal boxes of at most `size` pixels a side, in reading order.

        Raises:
            ValueError: `size` is less than 1.
        """
        if size < 1:
            raise ValueError(f"a box cannot be split into pieces of {size} pixels a side")
        rows, columns = _cuts(self.top, self.bottom, size), _cuts(self.left, self.right, size)
        for top, bottom in pairwise(rows):
            for left, right in pairwise(columns):
                yield Box(top, left, bottom, right)


def _cuts(start: int, end: int, size: int) -> list[int]:
    count = -(-(end - start) // size)
    return [start + (end - start) * number // count for number in range(count + 1)]


def find_groups(hole: Holes, block: int = 1) -> list[Box]:
    """Bounding boxes of the connected components (8-connectivity) of holes, in reading order.

    Args:
        hole: bool H×W.
        block: side in pixels of the blocks that are connected instead of single pixels; above 1, holes closer than
            that are one group.
    """
    if not hole.any():
        return []
    place = shrink(Box(0, 0, *hole.shape), hole)
    # On one grid for the whole photo, so that holes far away do not change which are close.
    place = place._replace(top=place.top // block * block, left=place.left // block * block)
    blocks = blocks_with_holes(hole[place.slices], block)
    _, _, groups, _ = cv2.connectedComponentsWithStats(blocks.astype(np.uint8))
    left, top, width, height = block * np.asarray(groups)[1:, :4].T
    corners = np.stack([top, left, top + height, left + width], axis=1) + (place.top, place.left) * 2
    return sorted(shrink(Box(*box), hole) for box in corners.tolist())


def blocks_with_holes(hole: Holes, size: int) -> Holes:
    """Which blocks of `size` × `size` pixels hold any hole: bool, ⌈H/size⌉×⌈W/size⌉."""
    height, width = hole.shape
    padded = np.pad(hole, ((0, -height % size), (0, -width % size)))
    blocks = padded.reshape(padded.shape[0] // size, size, padded.shape[1] // size, size)
    return np.asarray(blocks.any(axis=(1, 3)))


def shrink(box: Box, hole: Holes) -> Box:
    """The bounding box of the holes in a box, which has some and may reach beyond the photo."""
    rows, columns = (np.flatnonzero(hole[box.slices].any(axis=axis)) for axis in (1, 0))
    return Box(
        box.top + int(rows[0]), box.left + int(columns[0]), box.top + int(rows[-1]) + 1, box.left + int(columns[-1]) + 1
    )


def hole_depth(hole: Holes) -> NDArray[np.float32]:
    """Distance transform of holes, bool H×W: pixels to the nearest known one; infinite when nothing is known.

    >>> hole_depth(np.array([[False, True, True, True, False]])).round()
    array([[0., 1., 2., 1., 0.]], dtype=float32)
    """
    if hole.all():
        return np.full(hole.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3), np.float32)


def deeper_than(hole: Holes, depth: float) -> Holes:
    """The connected components (8-connectivity) of holes, bool H×W, whose largest `hole_depth` exceeds `depth`."""
    deep = np.zeros_like(hole)
    if hole.any():
        # The crop includes the adjacent known pixels; pixels outside the photo count as unknown.
        photo = Box(0, 0, *hole.shape)
        place = shrink(photo, hole).grown(1, photo).slices
        core = hole_depth(hole[place]) > depth
        if core.any():
            count, labels = cv2.connectedComponents(hole[place].astype(np.uint8))
            found = np.zeros(count, bool)
            found[labels[core]] = True
            deep[place] = found[labels]
    return deep
