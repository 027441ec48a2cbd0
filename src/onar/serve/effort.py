"""Estimate the time to fill holes, before they are filled, from their pixels and depths."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.finding.kinds import FoundKind
from onar.inference import rules
from onar.inference.drawn_pixels import drawn_pixels
from onar.inference.inpainter import Inpainter
from onar.inference.public_networks import PublicBackend
from onar.inference.windows import Box, hole_depth, shrink
from onar.masks.holes import Holes

NETWORK = 2.0
"""Microseconds of one core per pixel that the network fills, with the bundled weights on two cores at 2.5 GHz."""
COPIES = 15.0
"""Microseconds per pixel of texture copied at full scale."""
DETAIL, COARSER = 2.5, 10.0
"""Microseconds per pixel for texture copied at a reduced scale: for the detail; and for the copies, divided by the
square of the scale."""

DAMAGE, TEXT = 0.4, 2_000_000.0
"""Microseconds of one core to search for damage, per pixel, and for text, in any photo."""

CLONED, HEALED = 0.5, 5.0
"""Microseconds of one core per pixel of a stroke that copies."""

_HALVINGS = 7
"""Maximum number of halvings that reduce the cost."""

_MAX_PIXELS = 2_000_000
"""Approximate number of pixels to examine; larger photos are subsampled."""


def cpu_seconds(hole: Holes, copies: bool) -> float:
    """Estimated seconds of one core to fill holes, bool H×W; `copies`: deep ones get copied texture.

    >>> hole = np.zeros((400, 400), bool)
    >>> hole[100:300, 100:300] = True
    >>> cpu_seconds(hole, copies=False) < cpu_seconds(hole, copies=True)
    True
    """
    if not hole.any():
        return 0.0
    photo = Box(0, 0, *hole.shape)
    place = shrink(photo, hole).grown(1, photo)
    step = max(1, round(math.sqrt(place.area / _MAX_PIXELS)))
    holes = np.ascontiguousarray(hole[place.slices][::step, ::step])
    count, labels, found, _ = cv2.connectedComponentsWithStats(holes.astype(np.uint8))
    depths = [rules.THIN, rules.SMALL, *(rules.TEXTURE_DEPTH * 2**number for number in range(_HALVINGS))]
    levels = _count_passed(np.asarray(labels), count, step * hole_depth(holes), depths)
    copying = [0.0, 0.0, COPIES, *(DETAIL + COARSER / 4**number for number in range(1, _HALVINGS + 1))]
    costs = np.where(levels > 0, NETWORK, 0.0) + (np.asarray(copying)[levels] if copies else 0.0)
    return float((costs[1:] * found[1:, cv2.CC_STAT_AREA]).sum() * step**2 / 1_000_000)


def finding_seconds(kinds: Iterable[FoundKind], size: tuple[int, int]) -> float:
    """Estimated seconds of one core to search a photo of a height and width."""
    searches = {kind.channel is not None for kind in kinds}
    return sum(DAMAGE * size[0] * size[1] if damage else TEXT for damage in searches) / 1_000_000


def cloning_seconds(pixels: int, heals: bool) -> float:
    """Estimated seconds of one core for a stroke of the clone or the heal brush."""
    return pixels * (HEALED if heals else CLONED) / 1_000_000


def drawing_seconds(inpainter: Inpainter, hole: Holes, strategy: str = "auto") -> float:
    """Estimated seconds of one core for the windows of a network of another program, which cost as much for any hole.

    Args:
        inpainter: with such a network; others cost nothing here.
        hole: bool H×W.
        strategy: as for filling.
    """
    backend = inpainter.backend
    if not isinstance(backend, PublicBackend):
        return 0.0
    return backend.network.cost * drawn_pixels(hole, backend, inpainter.training_size, strategy) / 1_000_000


def _count_passed(
    labels: NDArray[Any], count: int, depth: NDArray[np.float32], depths: list[float]
) -> NDArray[np.intp]:
    """The number of the rising depth limits that each hole exceeds somewhere; `labels` and `depth` are H×W."""
    passed = np.zeros(count, np.intp)
    for limit in depths:
        deeper = depth > limit
        if not deeper.any():
            break
        passed += np.bincount(labels[deeper], minlength=count) > 0
    return passed
