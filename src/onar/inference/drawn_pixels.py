"""How many pixels a network is given for the holes of a photo: the windows of `steps`, planned without filling."""

from __future__ import annotations

from itertools import chain

from onar.inference.backends import Backend
from onar.inference.scaling import halve_holes
from onar.inference.steps import plan_steps
from onar.inference.windows import Box
from onar.masks.holes import Holes


def drawn_pixels(hole: Holes, backend: Backend, training_size: int, strategy: str = "auto") -> int:
    """Pixels of all windows of a network that draws, with what they are padded by.

    Args:
        hole: bool H×W.
        backend: `draws`.
        training_size: as for `Canvas`.
        strategy: as for `Canvas.fill`.
    """
    if not hole.any():
        return 0
    steps, unknown, total = plan_steps(hole, backend, training_size, strategy), hole.copy(), 0
    unknown &= ~steps.thin
    for sketch in steps.sketches:
        place = unknown[sketch.window.shown.slices]
        total += drawn_pixels(halve_holes(place), backend, training_size, sketch.strategy)
        place[sketch.final] = False
    windows = chain.from_iterable(steps.turns)
    return total + sum(_padded(one.shown, backend) for one in windows if unknown[one.core.slices].any())


def _padded(shown: Box, backend: Backend) -> int:
    height, width = (-(-side // backend.step) * backend.step for side in (shown.height, shown.width))
    return height * width
