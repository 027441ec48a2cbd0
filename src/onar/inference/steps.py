"""The steps that fill the holes of a photo, planned before the first: what is filled, at which scale, at which cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onar.inference import rules
from onar.inference.backends import Backend
from onar.inference.window_plan import Planner, Window
from onar.inference.windows import Box, blocks_with_holes, deeper_than, hole_depth
from onar.masks.holes import Holes

TILE, TILE_MARGIN = 64, 16
"""Side in pixels of the tiles in which the pyramid fills thin holes, and its context on all sides."""

TILE_COST = 500
"""Cost of such a tile, in pixels of the network's input."""


@dataclass(frozen=True)
class Sketch:
    """A window that is completed at half the scale first.

    Attributes:
        window: its deep holes are filled.
        filled: bool H×W of `window.shown`, what is taken from half the scale.
        final: bool H×W, what of that is not completed again at its own scale.
        strategy: at half the scale.
    """

    window: Window
    filled: Holes
    final: Holes
    strategy: str = "auto"

    @property
    def cost(self) -> float:
        """About the pixels of the network's input at half the scale."""
        return self.window.shown.area / 4


@dataclass(frozen=True)
class Steps:
    """The steps, in their order.

    Attributes:
        thin: bool H×W, holes that the pyramid fills.
        tiles: the tiles that have some.
        sketches: one after the other.
        turns: windows of the network; those of a turn see the same state of the photo.
    """

    thin: Holes
    tiles: Sequence[Box]
    sketches: Sequence[Sketch]
    turns: Sequence[Sequence[Window]]

    @property
    def cost(self) -> float:
        """Total cost, in pixels of the network's input."""
        return TILE_COST * len(self.tiles) + sum(sketch.cost for sketch in self.sketches) + _area(self.turns)


def plan_steps(hole: Holes, backend: Backend, training_size: int, strategy: str = "auto") -> Steps:
    """Plan the steps for the holes of a photo, bool H×W; the other arguments are those of `Canvas`.

    >>> hole = np.zeros((300, 300), bool)
    >>> hole[100:110, 200:220] = True
    >>> from onar.inference.backends import PyramidBackend
    >>> plan_steps(hole, PyramidBackend(), 64).turns
    [[Window(core=Box(top=100, left=200, bottom=110, right=220), shown=Box(top=73, left=176, bottom=137, right=244))]]
    """
    photo = Box(0, 0, *hole.shape)
    planner = Planner(photo, training_size, backend.step, backend.max_side)
    whole = Window(photo, photo)
    if strategy == "whole":
        return _plan_whole(hole, whole, backend)
    thin = hole & ~deeper_than(hole, rules.THIN)
    unknown = hole & ~thin
    deep = deeper_than(unknown, rules.max_depth(training_size))
    at_once = strategy == "auto" and photo.longer_side <= planner.limit
    if not backend.draws:  # what draws wants all context; others gain that there are no seams inside
        at_once = at_once and photo.area < 2 * _area(planner.plan(unknown))
    sketches = []
    if deep.any():
        for window in [whole] if at_once else planner.plan_deep(deep):
            if window.shown.longer_side > training_size:
                sketches.append(_sketch(window, deep, unknown, backend, rules.band(training_size)))
    turns = ([[whole]] if unknown.any() else []) if at_once else planner.plan(unknown)
    return Steps(thin, _tiles(thin), sketches, turns)


def _area(turns: Sequence[Sequence[Window]]) -> int:
    """Pixels of the network's input."""
    return sum(window.shown.area for turn in turns for window in turn)


def _plan_whole(hole: Holes, whole: Window, backend: Backend) -> Steps:
    """All holes at once, at the largest of the scales 1, 1/2, 1/4, … that the network takes."""
    if backend.max_side is None or whole.shown.longer_side <= backend.max_side:
        return Steps(np.zeros_like(hole), [], [], [[whole]])
    return Steps(np.zeros_like(hole), [], [Sketch(whole, hole, hole, "whole")], [])


def _tiles(thin: Holes) -> list[Box]:
    places = np.argwhere(blocks_with_holes(thin, TILE)).tolist() if thin.any() else []
    return [Box(row * TILE, column * TILE, (row + 1) * TILE, (column + 1) * TILE) for row, column in places]


def _sketch(window: Window, deep: Holes, unknown: Holes, backend: Backend, band: int) -> Sketch:
    """The sketch of a window; what is final in it is removed from `unknown`.

    A network that draws texture has drawn it for half the scale: its fill gets the photo's detail, and no band.
    """
    holes = unknown[window.shown.slices]
    filled = np.zeros_like(holes)
    filled[window.core.within(window.shown)] = deep[window.core.slices]
    final = filled if backend.draws else filled & (hole_depth(holes) > band)
    holes[final] = False
    return Sketch(window, filled, final)
