"""Harmonic values over some pixels of a photo, from given ones at their edge: conjugate gradients with multigrid.

Only these pixels are stored, so a long stroke costs what it covers and not its bounding box. The preconditioner is a
V-cycle with one damped Jacobi step before and after each coarser level. Levels halve the grid, sum residuals, repeat
corrections and keep the stencil, which makes corrections about as large as they should be (Braess, "Towards algebraic
multigrid for elliptic problems of second order", Computing 55, 1995).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Indices = NDArray[np.intp]

DAMPING = 0.8
"""Of the Jacobi steps."""
COARSEST = 16
"""Pixels of a level that has no coarser one."""
COARSEST_STEPS = 8
"""Jacobi steps there."""
MAX_ROUNDS = 60
TOLERANCE = 1e-3
"""Residual at which it is solved, as a share of the first: the values are then right to a third of an 8-bit level."""


class Level(NamedTuple):
    """The pixels of one grid."""

    neighbours: list[Indices]
    """Left, right, above and below: the index of each, and the number of pixels where it is none of them."""
    degrees: Samples
    """Number of neighbours of each pixel in the photo, N×1."""
    parents: Indices
    """Index of each pixel's pixel on the next level."""


def membrane(rows: Indices, columns: Indices, sums: Samples, degrees: Samples, size: tuple[int, int]) -> Samples:
    """Samples of pixels that are the means of their neighbours.

    Args:
        rows: of the pixels.
        columns: of the pixels.
        sums: N×C, of the given values of its neighbours that are not among the pixels.
        degrees: N×1, number of its neighbours, given ones and pixels.
        size: of the photo.

    Returns:
        N×C.
    """
    levels = _levels(rows, columns, degrees, size)
    values = np.zeros_like(sums)
    residual = sums.copy()
    most = _dot(residual, residual) * TOLERANCE**2
    direction, before = np.zeros_like(sums), np.ones(sums.shape[1])
    for _ in range(MAX_ROUNDS):
        if (_dot(residual, residual) <= most).all():
            break
        better = _cycle(levels, residual)
        now = _dot(residual, better)
        direction = better + _over(now, before) * direction
        moved = _applied(levels[0], direction)
        step = _over(now, _dot(direction, moved))
        values += step * direction
        residual -= step * moved
        before = now
    return values


def _dot(one: Samples, other: Samples) -> NDArray[np.float64]:
    products: NDArray[np.float64] = np.einsum("nc,nc->c", one, other, dtype=np.float64)
    return products


def _over(one: NDArray[np.float64], other: NDArray[np.float64]) -> Samples:
    """A quotient per channel, 0 where there is nothing left to solve."""
    return np.divide(one, other, out=np.zeros_like(one), where=other > 0).astype(np.float32)


def _applied(level: Level, values: Samples) -> Samples:
    """Degree times value less the neighbours among the pixels."""
    padded = np.concatenate([values, np.zeros_like(values[:1])])
    result = level.degrees * values
    for neighbours in level.neighbours:
        result -= padded.take(neighbours, axis=0)
    return result


def _cycle(levels: list[Level], residual: Samples) -> Samples:
    level = levels[0]
    values = DAMPING * residual / level.degrees
    if len(levels) == 1:
        for _ in range(COARSEST_STEPS):
            values += DAMPING * (residual - _applied(level, values)) / level.degrees
        return values
    left = residual - _applied(level, values)
    count = len(levels[1].degrees)
    summed = np.stack([np.bincount(level.parents, channel, count) for channel in left.T], axis=1)
    values += _cycle(levels[1:], summed.astype(np.float32)).take(level.parents, axis=0)
    values += DAMPING * (residual - _applied(level, values)) / level.degrees
    return values


def _levels(rows: Indices, columns: Indices, degrees: Samples, size: tuple[int, int]) -> list[Level]:
    levels: list[Level] = []
    while True:
        top, left = rows.min(), columns.min()
        height, width = rows.max() - top + 3, columns.max() - left + 3  # a margin of one pixel
        places = (rows - top + 1) * width + columns - left + 1
        numbers = np.full(height * width, len(rows))
        numbers[places] = np.arange(len(rows))
        neighbours = [numbers[places + step] for step in (-1, 1, -width, width)]
        if len(levels) > 0:
            inside = [columns > 0, columns < size[1] - 1, rows > 0, rows < size[0] - 1]
            degrees = np.maximum(np.sum(inside, axis=0, dtype=np.float32), 1)[:, None]
        if len(rows) <= COARSEST:
            return [*levels, Level(neighbours, degrees, np.zeros(len(rows), np.intp))]
        size = (size[0] + 1) // 2, (size[1] + 1) // 2
        kept, parents = np.unique(rows // 2 * size[1] + columns // 2, return_inverse=True)
        levels.append(Level(neighbours, degrees, parents))
        rows, columns = np.divmod(kept, size[1])
