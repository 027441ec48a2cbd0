"""How long holes will take, before they are filled: from how many pixels they have, and how deep they are."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.inference import rules
from onar.inference.windows import Box, hole_depth, shrink
from onar.masks.holes import Holes

NETWORK = 2.0
"""Microseconds of one core for a pixel that the network fills: with the bundled weights, on two cores at 2.5 GHz."""
COPIES = 30.0
"""The same for a pixel that gets texture copied at its own scale."""
DETAIL, COARSER = 3.0, 60.0
"""Where copying begins at a smaller scale: for the detail; and for the copies, to be divided by its square."""

_HALVINGS = 7
"""Holes that are halved more often than that cost no less."""

_LOOKED_AT = 2_000_000
"""Pixels that are looked at, about; of more, each second, third or so of a row and a column."""


def cpu_seconds(hole: Holes, copies: bool) -> float:
    """About how many seconds of one core it takes to fill holes.

    Args:
        hole: bool H×W.
        copies: deep ones get copied texture.
    """
    if not hole.any():
        return 0.0
    photo = Box(0, 0, *hole.shape)
    place = shrink(photo, hole).grown(1, photo)
    step = max(1, round(math.sqrt(place.area / _LOOKED_AT)))
    holes = np.ascontiguousarray(hole[place.slices][::step, ::step])
    count, labels, found, _ = cv2.connectedComponentsWithStats(holes.astype(np.uint8))
    depths = [rules.THIN, rules.SMALL, *(rules.TEXTURE_DEPTH * 2**number for number in range(_HALVINGS))]
    levels = _count_passed(np.asarray(labels), count, step * hole_depth(holes), depths)
    copying = [0.0, 0.0, COPIES, *(DETAIL + COARSER / 4**number for number in range(1, _HALVINGS + 1))]
    costs = np.where(levels > 0, NETWORK, 0.0) + (np.asarray(copying)[levels] if copies else 0.0)
    return float((costs[1:] * found[1:, cv2.CC_STAT_AREA]).sum() * step**2 / 1_000_000)


def _count_passed(
    labels: NDArray[Any], count: int, depth: NDArray[np.float32], depths: list[float]
) -> NDArray[np.intp]:
    """How many of the rising depths each hole passes somewhere; labels and depths of pixels are H×W."""
    passed = np.zeros(count, np.intp)
    for limit in depths:
        deeper = depth > limit
        if not deeper.any():
            break
        passed += np.bincount(labels[deeper], minlength=count) > 0
    return passed
