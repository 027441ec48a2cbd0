"""How many pixels a network is given for the holes of a photo: the windows of `canvas`, planned without filling."""

from __future__ import annotations

from itertools import chain

from onar.inference import rules
from onar.inference.backends import Backend
from onar.inference.scaling import halve_holes
from onar.inference.window_plan import Planner, Window
from onar.inference.windows import Box, deeper_than
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
    photo = Box(0, 0, *hole.shape)
    if strategy == "whole":
        is_small = backend.max_side is None or photo.longer_side <= backend.max_side
        if is_small:
            return _padded(photo, backend)
        return drawn_pixels(halve_holes(hole), backend, training_size, strategy)
    unknown = deeper_than(hole, rules.THIN)
    planner = Planner(photo, training_size, backend.step, backend.max_side)
    whole = [Window(photo, photo)] if strategy == "auto" and photo.longer_side <= planner.limit else []
    deep, total = deeper_than(unknown, rules.max_depth(training_size)), 0
    for window in (whole or planner.plan_deep(deep)) if deep.any() else []:
        if window.shown.longer_side > training_size:
            total += drawn_pixels(halve_holes(unknown[window.shown.slices]), backend, training_size)
            unknown[window.core.slices] &= ~deep[window.core.slices]
    windows = whole or chain.from_iterable(planner.plan(unknown))
    return total + sum(_padded(one.shown, backend) for one in windows if unknown[one.core.slices].any())


def _padded(shown: Box, backend: Backend) -> int:
    height, width = (-(-side // backend.step) * backend.step for side in (shown.height, shown.width))
    return height * width
