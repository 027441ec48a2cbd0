"""Which windows of a photo the network gets: a plan that covers all holes with few pixels; nothing is filled here.

Holes close together form a group, which gets one window with its context. A group too large for one window is split,
and so is one that runs along a line. Overlapping windows are joined where that saves pixels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from math import inf
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.inference import rules
from onar.inference.windows import Box, deeper_than, find_groups, shrink
from onar.masks.holes import Holes

MAX_GROUPS = 10_000
"""Up to this number, groups are planned one by one; joining takes quadratic time."""

BLOCK = 8
"""Side in pixels of the blocks by which `find_clusters` sees that windows overlap."""


class Window(NamedTuple):
    """One input of the network.

    Attributes:
        core: the unknown pixels in it are filled.
        shown: the network's input, the core with its context.
    """

    core: Box
    shown: Box

    def joined(self, other: Window) -> Window:
        """One window instead of two."""
        return Window(self.core.joined(other.core), self.shown.joined(other.shown))


BOX = np.dtype([(side, np.int64) for side in Box._fields])
Boxes: TypeAlias = NDArray[Any]
"""N boxes of dtype `BOX`, for arithmetic on all of them at once."""

JOINED = -(1 << 60)
"""Instead of the area of a window that another one has been joined with: joining it again saves nothing."""


@dataclass(frozen=True)
class Planner:
    """Plans windows by `rules`.

    Attributes:
        photo: the whole photo.
        training_size: side in pixels of the crops that the network was trained on.
        step: sides of `Window.shown` are multiples of it, as far as the photo's sides allow.
        max_side: of `Window.shown`; None for the rule's.

    >>> hole = np.zeros((300, 300), bool)
    >>> hole[100:110, 200:220] = True
    >>> [[window]] = Planner(Box(0, 0, 300, 300), training_size=64, step=16).plan(hole)
    >>> window.shown
    Box(top=73, left=170, bottom=137, right=250)
    """

    photo: Box
    training_size: int
    step: int
    max_side: int | None = None

    @property
    def limit(self) -> int:
        """Maximum side of `Window.shown`."""
        return self.max_side or rules.max_side(self.training_size)

    def plan(self, unknown: Holes) -> list[list[Window]]:
        """Windows for all unknown pixels, bool H×W, in batches: windows of one batch do not depend on each other."""
        large = deeper_than(unknown, rules.SMALL)
        windows = self._join([*self._windows(unknown & ~large, rules.SMALL), *self._windows(large, inf)])
        even = [self._split_evenly(cluster, unknown, large) for cluster in find_clusters(windows, self.photo)]
        return in_turns([window for cluster in even for window in cluster])

    def plan_deep(self, deep: Holes) -> list[Window]:
        """Windows of any size for deep holes, bool H×W, which are filled at half the scale."""
        margin, min_side = rules.context(inf, self.training_size)
        windows = []
        for group in find_groups(deep):
            shown = group.grown(max(margin, group.longer_side // 4), self.photo, min_side)
            windows.append(Window(group, shown))
        return join_windows(windows, self.photo, step=2, limit=self.photo.longer_side)

    def _join(self, windows: Iterable[Window]) -> list[Window]:
        return join_windows(windows, self.photo, self.step, self.limit)

    def _windows(self, hole: Holes, depth: float) -> Iterator[Window]:
        """Windows for holes of up to `depth`."""
        block = 1
        while len(groups := find_groups(hole, block)) > MAX_GROUPS:
            block *= 2
        for group in groups:
            yield from self._split(group, hole, depth)

    def _split(self, group: Box, hole: Holes, depth: float) -> list[Window]:
        """As few windows as possible for a group, or small ones where they save a third, as along a line."""
        large = list(self._pieces(group, hole, depth, self.limit))
        _, size = rules.context(inf, self.training_size)
        if group.longer_side <= size:
            return large
        small = self._join(self._pieces(group, hole, depth, size))
        return small if 3 * self._pixels(small) <= 2 * self._pixels(large) else large

    def _pieces(self, group: Box, hole: Holes, depth: float, size: int) -> Iterator[Window]:
        """Windows of at most `size` pixels a side."""
        margin, min_side = rules.context(depth, self.training_size)
        shown = group.grown(margin, self.photo, min_side)
        if shown.longer_side <= size:
            yield Window(group, shown)
            return
        margin = 3 * margin // 4  # rounding up gives back as much on average
        for piece in group.pieces(size - 2 * margin):
            if hole[piece.slices].any():
                core = shrink(piece, hole)
                yield Window(core, core.grown(margin, self.photo))

    def _split_evenly(self, windows: list[Window], unknown: Holes, large: Holes) -> list[Window]:
        """Overlapping windows, or equal parts of their bounding box, whichever is fewer pixels."""
        if len(windows) == 1:
            return windows
        core = reduce(Window.joined, windows).core
        even = self._join(self._split(core, unknown, inf if large[core.slices].any() else rules.SMALL))
        return min(windows, even, key=self._pixels)

    def _pixels(self, windows: Iterable[Window]) -> int:
        """Pixels of the network's input."""
        return sum(round_up(window.shown, self.photo, self.step).area for window in windows)


def join_windows(windows: Iterable[Window], photo: Box, step: int, limit: int) -> list[Window]:
    """Join pairs of windows as long as the joined one shows no more pixels than both.

    Args:
        windows: joined greedily, each in turn with the one that saves most.
        photo: the whole photo.
        step: sides of what is shown are rounded up to multiples of it, as far as the photo's sides allow.
        limit: maximum side of what is shown.

    Returns:
        Windows whose sides are rounded up, in reading order.
    """
    joined = list(windows)
    before = len(joined) + 1
    while len(joined) < before:
        before = len(joined)
        joined = _join_once(sorted(joined, key=lambda window: window.shown.top), photo, step, limit)
    return [Window(window.core, round_up(window.shown, photo, step)) for window in sorted(joined)]


def _join_once(windows: list[Window], photo: Box, step: int, limit: int) -> list[Window]:
    """Join windows, sorted by `shown.top`, from the top down.

    Afterwards one may be worth joining with an earlier one, so this is repeated until nothing changes.
    """
    joined = []
    shown = np.array([window.shown for window in windows], BOX)
    top = np.ascontiguousarray(shown["top"])
    areas, _ = _areas(shown, photo, step)
    for first, (window, area) in enumerate(zip(windows, areas.tolist(), strict=True), start=1):
        if areas[first - 1] == JOINED:
            continue
        # Windows further down than rounding can bridge save nothing.
        while len(others := areas[first : top.searchsorted(window.shown.bottom + 2 * step, "right")]):
            both = _bounding(window.shown, shown[first : first + len(others)])
            areas_of_both, sides = _areas(both, photo, step)
            saved = np.where(sides <= limit, area + others - areas_of_both, -1)
            best = int(saved.argmax())
            if saved[best] < 0:
                break
            window, area = window.joined(windows[first + best]), areas_of_both[best]
            others[best] = JOINED
        joined.append(window)
    return joined


def _bounding(box: Box, others: Boxes) -> Boxes:
    """The bounding boxes of one box with each of N others."""
    both = np.empty(len(others), BOX)
    np.minimum(box.top, others["top"], out=both["top"])
    np.minimum(box.left, others["left"], out=both["left"])
    np.maximum(box.bottom, others["bottom"], out=both["bottom"])
    np.maximum(box.right, others["right"], out=both["right"])
    return both


def _areas(boxes: Boxes, photo: Box, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels and longer sides of N boxes that are rounded up to multiples of `step`."""
    heights = _round_side(boxes["bottom"] - boxes["top"], photo.height, step)
    widths = _round_side(boxes["right"] - boxes["left"], photo.width, step)
    return heights * widths, np.maximum(heights, widths)


def _round_side(side: NDArray[np.int64], total: int, step: int) -> NDArray[np.int64]:
    rounded: NDArray[np.int64] = np.minimum(-(-side // step) * step, total)
    return rounded


def round_up(box: Box, photo: Box, step: int) -> Box:
    """The box grown evenly to a multiple of `step` a side, within the photo.

    >>> round_up(Box(3, 10, 20, 20), Box(0, 0, 100, 100), step=16)
    Box(top=0, left=7, bottom=32, right=23)
    """
    top, bottom = _widen(box.top, box.bottom, photo.height, step)
    left, right = _widen(box.left, box.right, photo.width, step)
    return Box(top, left, bottom, right)


def _widen(start: int, end: int, total: int, step: int) -> tuple[int, int]:
    length = min(-(-(end - start) // step) * step, total)
    start = min(max(0, (start + end - length) // 2), total - length)
    return start, start + length


def find_clusters(windows: list[Window], photo: Box) -> list[list[Window]]:
    """Connected components of overlapping windows, in the order of each one's first."""
    shown = np.zeros((-(-photo.height // BLOCK), -(-photo.width // BLOCK)), np.uint8)
    for window in windows:
        rows, columns = window.shown.slices
        shown[rows.start // BLOCK : -(-rows.stop // BLOCK), columns.start // BLOCK : -(-columns.stop // BLOCK)] = 1
    _, labels = cv2.connectedComponents(shown)
    clusters: dict[int, list[Window]] = defaultdict(list)
    for window in windows:
        clusters[labels[window.shown.top // BLOCK, window.shown.left // BLOCK]].append(window)
    return list(clusters.values())


def in_turns(windows: list[Window]) -> list[list[Window]]:
    """Batches of windows, one after the other; windows whose cores touch are in different ones, so that fills go on."""
    cores: Boxes = np.array([window.core for window in windows], BOX)
    turns = np.zeros(len(windows), int)
    for number, core in enumerate(cores):
        earlier = cores[:number]
        touched = (earlier["top"] <= core["bottom"]) & (earlier["bottom"] >= core["top"])
        touched &= (earlier["left"] <= core["right"]) & (earlier["right"] >= core["left"])
        turns[number] = turns[:number][touched].max(initial=-1) + 1
    return [[windows[number] for number in (turns == turn).nonzero()[0]] for turn in range(turns.max(initial=-1) + 1)]
