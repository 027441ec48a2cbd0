"""Restore the detail of a fill that was copied at half the scale, from where the photo has the same patches.

Image analogies (Hertzmann et al. 2001, "Image Analogies"): for each small patch of the fill, the nearest known patch
is found, with a preference for the source that continues a neighbour's (coherence, section 3.2; Ashikhmin 2001,
"Synthesizing Natural Textures"), and the high frequencies that halving removed from the photo there are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.imaging.levels import Pixels
from onar.inference.scaling import double
from onar.inference.windows import blocks_with_holes
from onar.masks.holes import Holes

RADIUS = 3
"""Patch radius; the descriptor of a patch is the means of nine blocks of 3×3 pixels, in 8 bits: squared distances are
exact in float32, so that the page finds the same minimum of nearly equal ones."""

SPACING = 2
"""Pixels at half the scale between nodes, the centres of the patches that get detail."""

DESCRIPTOR_LENGTH = 27
"""Nine blocks of three channels."""

MAX_SOURCES = 8192
"""Known patches that a node is compared with; then those near the best one."""

MAX_PIXELS = 1 << 20
"""Pixels that get detail at once."""

COHERENCE = 0.8
"""Factor on the distance of a patch that continues a neighbouring node's source."""

Places: TypeAlias = NDArray[np.intp]
"""Rows or columns at half the scale."""

Offsets: TypeAlias = tuple[Places, Places]
"""Rows and columns at half the scale from each node to its source, on the grid of nodes: every `SPACING`-th pixel, and
one row and column more."""

Descriptors: TypeAlias = NDArray[np.float32]
"""N×27."""

Numbers: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Copy:
    """A photo whose holes are filled with copied patches.

    Attributes:
        pixels: uint8 H×W×3; only hole pixels count.
        offsets: of each node to its source, as `restore_detail` has found them at half the scale.
    """

    pixels: Pixels
    offsets: Offsets | None = None


def restore_detail(photo: Pixels, hole: Holes, small: Copy, unknown: Holes) -> Copy:
    """Enlarge a fill that was copied at half the scale, and add the detail of the patches it was copied from.

    Args:
        photo: uint8 H×W×3; values inside its holes are ignored.
        hole: bool H×W.
        small: the photo at half the scale, as `halve` makes it, filled.
        unknown: its holes.
    """
    enlarged = double(small.pixels, hole)
    # The detail at the centre of a fully known patch is known.
    bare = unknown | blocks_with_holes(hole, 2)
    known = ~_dilate(bare, RADIUS)
    if not known[RADIUS:-RADIUS, RADIUS:-RADIUS].any():
        return Copy(enlarged)
    offsets = _match(small, bare, known)
    rows, columns = np.nonzero(hole)
    filled = enlarged.copy()
    for start in range(0, len(rows), MAX_PIXELS):  # all at once would take gigabytes
        part = rows[start : start + MAX_PIXELS], columns[start : start + MAX_PIXELS]
        detail = _mix(photo, enlarged, part, *offsets)
        filled[part] = np.clip(np.rint(enlarged[part] + detail), 0, 255).astype(np.uint8)
    return Copy(filled, offsets)


def _dilate(holes: Holes, reach: int) -> Holes:
    """Holes dilated by a square of 2 · reach + 1 pixels a side."""
    return np.asarray(cv2.dilate(holes.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0)


# ---------------------------------------------------------------- nearest patches


@dataclass
class _Matches:
    """The best source so far of each of N nodes.

    Attributes:
        means: uint8 h×w×3, of 3×3 pixels at half the scale.
        known: bool h×w, what may be a source.
        wanted: N×27, the nodes' descriptors.
        rows: N, of the sources.
        columns: N, of the sources.
        costs: N, squared distances; infinite where there is no source yet.
    """

    means: Pixels
    known: Holes
    wanted: Descriptors
    rows: Places
    columns: Places
    costs: Numbers

    def try_others(self, rows: Places, columns: Places, allowed: Holes | None = None, factor: float = 1.0) -> None:
        """Take other sources where they are allowed and their costs, times a factor, are lower."""
        inside = np.ones(len(rows), bool) if allowed is None else allowed.copy()
        for places, side in zip((rows, columns), self.known.shape, strict=True):
            inside &= (places >= RADIUS) & (places < side - RADIUS)
        inside[inside] = self.known[rows[inside], columns[inside]]
        chosen = np.flatnonzero(inside)
        found = describe(self.means, rows[chosen], columns[chosen])
        costs = _squared_distances(found, self.wanted[chosen])
        better = costs * factor < self.costs[chosen]
        chosen = chosen[better]
        self.rows[chosen], self.columns[chosen], self.costs[chosen] = rows[chosen], columns[chosen], costs[better]

    def compare_all(self) -> int:
        """Find the nearest of a grid of known patches for nodes without a source; returns the step of the grid."""
        rows, columns, step = _choose_sources(self.known)
        without = np.flatnonzero(np.isinf(self.costs))
        best, costs = _nearest(self.wanted[without], describe(self.means, rows, columns))
        self.rows[without], self.columns[without], self.costs[without] = rows[best], columns[best], costs
        return step

    def try_around(self, reach: int) -> None:
        """Search for a better source within `reach` rows and columns of the current one."""
        rows, columns = self.rows.copy(), self.columns.copy()
        for down, right in product(range(-reach, reach + 1), repeat=2):
            self.try_others(rows + down, columns + right)


def _match(small: Copy, bare: Holes, known: Holes) -> Offsets:
    """Find a source for each node near holes; the others are their own."""
    means = np.asarray(cv2.blur(small.pixels, (3, 3), borderType=cv2.BORDER_REPLICATE), np.uint8)
    grid = [np.minimum(SPACING * np.arange(side // SPACING + 2), side - 1) for side in bare.shape]
    wants = (_dilate(bare, 2 * SPACING) & ~known)[np.ix_(*grid)]
    nodes = np.nonzero(wants)
    rows, columns = grid[0][nodes[0]], grid[1][nodes[1]]
    none, costs = np.zeros_like(rows), np.full(len(rows), np.inf)
    matches = _Matches(means, known, describe(means, rows, columns), none, none.copy(), costs)
    if small.offsets is not None:
        # Start from the sources found at a quarter of the scale.
        for down, right in product((0, 1), repeat=2):
            coarser = _coarser_nodes(nodes, (down, right), small.offsets[0].shape)
            matches.try_others(rows + 2 * small.offsets[0][coarser], columns + 2 * small.offsets[1][coarser])
    step = matches.compare_all()
    matches.try_around(1 if small.offsets is not None else step // 2)
    numbers = np.pad(np.full(wants.shape, -1), 1, constant_values=-1)
    numbers[1:-1, 1:-1][wants] = np.arange(len(rows))
    for down, right in 2 * ((-1, 0), (1, 0), (0, -1), (0, 1)):
        beside = numbers[nodes[0] + 1 + down, nodes[1] + 1 + right]
        further = matches.rows[beside] - rows[beside], matches.columns[beside] - columns[beside]
        matches.try_others(rows + further[0], columns + further[1], beside >= 0, COHERENCE)
    offsets = np.zeros((2, *wants.shape), np.intp)
    offsets[0][wants], offsets[1][wants] = matches.rows - rows, matches.columns - columns
    return offsets[0], offsets[1]


def _coarser_nodes(nodes: tuple[Places, ...], beside: tuple[int, int], shape: tuple[int, ...]) -> tuple[Places, ...]:
    """The node of the coarser grid before each, shifted by `beside` and clipped to the grid."""
    return tuple(
        np.minimum(places // 2 + further, side - 1) for places, further, side in zip(nodes, beside, shape, strict=True)
    )


def describe(means: Pixels, rows: Places, columns: Places) -> Descriptors:
    """Descriptors of the patches around N pixels, N×27: the means of nine blocks, three channels each."""
    height, width = means.shape[:2]
    down = (rows[:, None] + (-2, 0, 2)).clip(0, height - 1) * width
    right = (columns[:, None] + (-2, 0, 2)).clip(0, width - 1)
    blocks = means.reshape(-1, 3).take(down[:, :, None] + right[:, None, :], axis=0)
    return np.asarray(blocks.reshape(len(rows), DESCRIPTOR_LENGTH), np.float32)


def _squared_distances(some: Descriptors, others: Descriptors) -> Numbers:
    """Of the rows of two N×27, N."""
    differences = some - others
    return np.asarray(np.einsum("ij,ij->i", differences, differences), np.float64)


def _choose_sources(known: Holes) -> tuple[Places, Places, int]:
    """Rows and columns of a grid of known patches, and its step."""
    inside = known[RADIUS:-RADIUS, RADIUS:-RADIUS]
    step = int(np.ceil(np.sqrt(max(1.0, np.count_nonzero(inside) / MAX_SOURCES))))
    rows, columns = np.nonzero(inside[::step, ::step])
    if not len(rows):  # none of them is on the grid
        rows, columns = np.nonzero(inside)
        return rows + RADIUS, columns + RADIUS, 1
    return step * rows + RADIUS, step * columns + RADIUS, step


def _nearest(wanted: Descriptors, offered: Descriptors) -> tuple[Places, Numbers]:
    """For each row of N×D the index of the nearest row of M×D, and the squared distance."""
    # |w - o|² is least where 2 w·o - |o|² is largest: one product, with 1 as a last element of each w.
    products = np.vstack([2 * offered.T, -np.einsum("ij,ij->i", offered, offered)])
    sought = np.column_stack([wanted, np.ones(len(wanted), np.float32)])
    best, nothing = np.empty(len(wanted), np.intp), np.empty(0, np.float32)
    for start in range(0, len(wanted), 256):  # all at once would take gigabytes
        part = slice(start, start + 256)
        # numpy's product would wait for its threads: nine times the CPU seconds beside other programs.
        best[part] = np.asarray(cv2.gemm(sought[part], products, 1, nothing, 0)).argmax(1)
    return best, _squared_distances(wanted, offered[best])


# ---------------------------------------------------------------- detail


def _mix(photo: Pixels, enlarged: Pixels, inside: tuple[Places, ...], rows: Places, columns: Places) -> Numbers:
    """The detail of N pixels, N×3: interpolated between the sources of the four nodes around each.

    Args:
        photo: H×W×3.
        enlarged: H×W×3, the low frequencies of it.
        inside: rows and columns of the pixels.
        rows: offset of each node to its source, at half the scale.
        columns: the same for columns.
    """
    height, width = photo.shape[:2]
    nodes, weights = zip(*map(_nodes_of, inside, (height, width)), strict=True)
    first = nodes[0] * rows.shape[1] + nodes[1]
    further = 2 * rows.ravel(), 2 * columns.ravel()
    pixels, low = photo.reshape(-1, 3), enlarged.reshape(-1, 3)
    total = np.zeros((len(first), 3))
    for down, right in product((0, 1), repeat=2):
        node = first + (down * rows.shape[1] + right)
        row = (inside[0] + further[0].take(node)).clip(0, height - 1)
        source = row * width + (inside[1] + further[1].take(node)).clip(0, width - 1)
        weight = weights[0][down] * weights[1][right]
        total += weight[:, None] * (pixels.take(source, axis=0).astype(np.int16) - low.take(source, axis=0))
    return total


def _nodes_of(places: Places, side: int) -> tuple[Places, tuple[Numbers, Numbers]]:
    """`_between_nodes` of N rows or columns among the `side` ones of the photo, each of which is computed once."""
    before, weights = _between_nodes(np.arange(side))
    return before[places], (weights[0][places], weights[1][places])


def _between_nodes(places: Places) -> tuple[Places, tuple[Numbers, Numbers]]:
    """The node before each row or column of the photo, and the weights of that node and the next."""
    distance = np.maximum((places - 0.5) / (2 * SPACING), 0)
    before = distance.astype(np.intp)
    share = np.sin(np.pi / 2 * (distance - before)) ** 2
    return before, (1 - share, share)
