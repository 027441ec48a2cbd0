"""Where the holes of a photo are: boxes round groups of them, and how deep they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.masks.holes import Holes


@dataclass(frozen=True)
class Box:
    """A part of a photo in pixels; bottom and right are outside."""

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
        """For indexing an array that shows `window` only."""
        rows = slice(self.top - window.top, self.bottom - window.top)
        return rows, slice(self.left - window.left, self.right - window.left)

    def grown(self, margin: int, photo: Box, at_least: int = 0) -> Box:
        """The box with a margin on all sides, and at least so many pixels a side, cut at the photo's edges."""
        rows, columns = (max(2 * margin, at_least - side) for side in (self.height, self.width))
        top, left = self.top - rows // 2, self.left - columns // 2
        return Box(
            max(0, top),
            max(0, left),
            min(photo.bottom, top + self.height + rows),
            min(photo.right, left + self.width + columns),
        )

    def joined(self, other: Box) -> Box:
        """The smallest box round both."""
        return Box(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def pieces(self, size: int) -> Iterator[Box]:
        """Cut into boxes of at most `size` pixels a side, nearly equal, in reading order.

        Raises:
            ValueError: `size` is less than 1.
        """
        if size < 1:
            raise ValueError(f"a box cannot be cut into pieces of {size} pixels a side")
        rows, columns = _cuts(self.top, self.bottom, size), _cuts(self.left, self.right, size)
        for top, bottom in pairwise(rows):
            for left, right in pairwise(columns):
                yield Box(top, left, bottom, right)


def _cuts(start: int, end: int, size: int) -> list[int]:
    count = -(-(end - start) // size)
    return [start + (end - start) * number // count for number in range(count + 1)]


def find_groups(hole: Holes, block: int = 1) -> list[Box]:
    """Boxes round holes, or round groups of them that lie in blocks that touch, also at a corner; in reading order.

    Args:
        hole: bool H×W.
        block: side of a block in pixels; with more than 1, holes less than that apart are one group.
    """
    if not hole.any():
        return []
    place = shrink(Box(0, 0, *hole.shape), hole)
    blocks = blocks_with_holes(hole[place.slices], block)
    _, _, groups, _ = cv2.connectedComponentsWithStats(blocks.astype(np.uint8))
    left, top, width, height = block * np.asarray(groups)[1:, :4].T
    corners = np.stack([top, left, top + height, left + width], axis=1) + (place.top, place.left) * 2
    # By all four sides: boxes that begin at one corner have no order of their own.
    return sorted((shrink(Box(*box), hole) for box in corners.tolist()), key=astuple)


def blocks_with_holes(hole: Holes, size: int) -> Holes:
    """Which blocks of so many pixels a side hold any hole: bool H×W, rounded up, divided by `size`."""
    height, width = hole.shape
    padded = np.pad(hole, ((0, -height % size), (0, -width % size)))
    blocks = padded.reshape(padded.shape[0] // size, size, padded.shape[1] // size, size)
    return np.asarray(blocks.any(axis=(1, 3)))


def shrink(box: Box, hole: Holes) -> Box:
    """The smallest box round the holes in a box, which has some; it may reach over the photo's edges."""
    rows, columns = (np.flatnonzero(hole[box.slices].any(axis=axis)) for axis in (1, 0))
    return Box(
        box.top + int(rows[0]), box.left + int(columns[0]), box.top + int(rows[-1]) + 1, box.left + int(columns[-1]) + 1
    )


def hole_depth(hole: Holes) -> NDArray[np.float32]:
    """Distance of each hole pixel, bool H×W, to the nearest known one in pixels; infinite when nothing is known."""
    if hole.all():
        return np.full(hole.shape, np.inf, np.float32)
    return np.asarray(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3), np.float32)


def deeper_than(hole: Holes, depth: float) -> Holes:
    """The holes that are somewhere deeper than so many pixels, whole; pixels that touch, also at a corner, are one.

    Args:
        hole: bool H×W.
        depth: as of `hole_depth`.
    """
    deep = np.zeros_like(hole)
    if hole.any():
        # Known pixels next to the holes are part of it, and pixels outside the photo are not known.
        photo = Box(0, 0, *hole.shape)
        place = shrink(photo, hole).grown(1, photo).slices
        core = hole_depth(hole[place]) > depth
        if core.any():
            count, labels = cv2.connectedComponents(hole[place].astype(np.uint8))
            found = np.zeros(count, bool)
            found[labels[core]] = True
            deep[place] = found[labels]
    return deep
