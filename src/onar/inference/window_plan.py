"""Which windows of a photo a network gets, so that all holes are filled for few pixels: a plan, with nothing filled.

Holes that lie close together form a group, which is shown in a window with its surroundings. A group too large for one
window is cut into pieces, and so is one that runs along a line. Windows that overlap are joined where that saves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from math import inf

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.inference import rules
from onar.inference.windows import Box, deeper_than, find_groups, shrink
from onar.masks.holes import Holes

MOST_GROUPS = 10_000
"""Holes are planned for one by one up to this number: joining takes time with its square."""


@dataclass(frozen=True)
class Window:
    """What is filled at once.

    Attributes:
        core: the unknown pixels in it are filled.
        shown: what is seen for that, the core with its surroundings.
    """

    core: Box
    shown: Box

    def joined(self, other: Window) -> Window:
        """One window in place of two."""
        return Window(self.core.joined(other.core), self.shown.joined(other.shown))


@dataclass(frozen=True)
class Planner:
    """Plans windows by the rule of `rules`.

    Attributes:
        photo: all of it.
        training_size: side in pixels of the crops that the network was trained on.
        step: what is shown has a multiple of so many pixels a side, as far as the photo does.
    """

    photo: Box
    training_size: int
    step: int

    @property
    def limit(self) -> int:
        """Longest side that is shown."""
        return rules.longest_side(self.training_size)

    def plan(self, unknown: Holes) -> list[list[Window]]:
        """Windows round all that is unknown, bool H×W, turn by turn: those of one turn may be filled at once."""
        large = deeper_than(unknown, rules.SMALL)
        windows = self._join([*self._windows(unknown & ~large, rules.SMALL), *self._windows(large, inf)])
        even = [self._cut_evenly(cluster, unknown, large) for cluster in find_clusters(windows, self.photo)]
        return in_turns([window for cluster in even for window in cluster])

    def plan_deep(self, deep: Holes) -> list[Window]:
        """Windows of any size round deep holes, bool H×W, for filling them at half the scale."""
        margin, at_least = rules.surroundings(inf, self.training_size)
        windows = []
        for group in find_groups(deep):
            shown = group.grown(max(margin, group.longer_side // 4), self.photo, at_least)
            windows.append(Window(group, shown))
        return join_windows(windows, self.photo, step=2, limit=self.photo.longer_side)

    def _join(self, windows: Iterable[Window]) -> list[Window]:
        return join_windows(windows, self.photo, self.step, self.limit)

    def _windows(self, hole: Holes, depth: float) -> Iterator[Window]:
        """Windows round holes of up to that depth."""
        block = 1
        while len(groups := find_groups(hole, block)) > MOST_GROUPS:
            block *= 2
        for group in groups:
            yield from self._cut(group, hole, depth)

    def _cut(self, group: Box, hole: Holes, depth: float) -> list[Window]:
        """One window for a group, or as many as it takes; small ones where that saves a third, as along a line."""
        large = list(self._pieces(group, hole, depth, self.limit))
        _, size = rules.surroundings(inf, self.training_size)
        if group.longer_side <= size:
            return large
        small = self._join(self._pieces(group, hole, depth, size))
        return small if 3 * self._pixels(small) <= 2 * self._pixels(large) else large

    def _pieces(self, group: Box, hole: Holes, depth: float, size: int) -> Iterator[Window]:
        """Windows that show up to so many pixels a side."""
        margin, at_least = rules.surroundings(depth, self.training_size)
        shown = group.grown(margin, self.photo, at_least)
        if shown.longer_side <= size:
            yield Window(group, shown)
            return
        margin = 3 * margin // 4  # rounding up gives back as much on average
        for piece in group.pieces(size - 2 * margin):
            if hole[piece.slices].any():
                core = shrink(piece, hole)
                yield Window(core, core.grown(margin, self.photo))

    def _cut_evenly(self, windows: list[Window], unknown: Holes, large: Holes) -> list[Window]:
        """Windows that overlap, or equal parts of all that they show, whatever is fewer pixels."""
        if len(windows) == 1:
            return windows
        core = reduce(Window.joined, windows).core
        even = self._join(self._cut(core, unknown, inf if large[core.slices].any() else rules.SMALL))
        return min(windows, even, key=self._pixels)

    def _pixels(self, windows: Iterable[Window]) -> int:
        """What the network gets for windows."""
        return sum(round_up(window.shown, self.photo, self.step).area for window in windows)


def join_windows(windows: Iterable[Window], photo: Box, step: int, limit: int) -> list[Window]:
    """Join windows as long as one shows no more pixels than the two in its place would.

    Args:
        windows: to be joined; from the first on, each with whatever saves most.
        photo: all of it.
        step: what is shown has a multiple of so many pixels a side, where the photo does.
        limit: pixels a side that what is shown may have.

    Returns:
        Windows that show a multiple of `step` a side, in reading order.
    """
    boxes = np.array([_numbers(window) for window in windows]).reshape(-1, 8)
    before = len(boxes) + 1
    while len(boxes) < before:
        before = len(boxes)
        boxes = _join_once(boxes[boxes[:, _TOP].argsort(kind="stable")], photo, step, limit)
    joined = [Window(Box(*core), Box(*shown)) for core, shown in boxes.reshape(-1, 2, 4).tolist()]
    return [Window(window.core, round_up(window.shown, photo, step)) for window in sorted(joined, key=_numbers)]


def _numbers(window: Window) -> tuple[int, ...]:
    core, shown = window.core, window.shown
    return (core.top, core.left, core.bottom, core.right, shown.top, shown.left, shown.bottom, shown.right)


_IS_START, _TOP, _BOTTOM = np.array([True, True, False, False] * 2), 4, 6  # of what _numbers gives


def _join_once(boxes: NDArray[np.int64], photo: Box, step: int, limit: int) -> NDArray[np.int64]:
    """Join windows, N×8 as `_numbers` gives them, from the top down.

    Afterwards one may be worth joining with an earlier one, so this is to be repeated.
    """
    joined = []
    areas, _ = _areas(boxes, photo, step)
    while len(boxes):
        window, area, boxes, areas = boxes[0], areas[0], boxes[1:], areas[1:]
        # Windows further down than rounding can bridge save nothing.
        while near := int(boxes[:, _TOP].searchsorted(window[_BOTTOM] + 2 * step, "right")):
            both = np.where(_IS_START, np.minimum(window, boxes[:near]), np.maximum(window, boxes[:near]))
            areas_of_both, sides = _areas(both, photo, step)
            saved = np.where(sides <= limit, area + areas[:near] - areas_of_both, -1)
            best = saved.argmax()
            if saved[best] < 0:
                break
            window, area = both[best], areas_of_both[best]
            boxes, areas = np.delete(boxes, best, 0), np.delete(areas, best)
        joined.append(window)
    return np.array(joined).reshape(-1, 8)


def _areas(boxes: NDArray[np.int64], photo: Box, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels that windows show, and the longer side of that; N each."""
    sides = boxes[:, 6:] - boxes[:, 4:6]
    sides = np.minimum(-(-sides // step) * step, (photo.height, photo.width))
    return sides.prod(axis=1), sides.max(axis=1)


def round_up(box: Box, photo: Box, step: int) -> Box:
    """The box grown to a multiple of `step` a side, to all sides alike but for the photo's edges."""
    top, bottom = _widen(box.top, box.bottom, photo.height, step)
    left, right = _widen(box.left, box.right, photo.width, step)
    return Box(top, left, bottom, right)


def _widen(start: int, end: int, total: int, step: int) -> tuple[int, int]:
    length = min(-(-(end - start) // step) * step, total)
    start = min(max(0, (start + end - length) // 2), total - length)
    return start, start + length


def find_clusters(windows: list[Window], photo: Box) -> list[list[Window]]:
    """Windows by what they overlap, also by way of others; in the order of each cluster's first."""
    block = 8
    shown = np.zeros((-(-photo.height // block), -(-photo.width // block)), np.uint8)
    for window in windows:
        rows, columns = window.shown.slices
        shown[rows.start // block : -(-rows.stop // block), columns.start // block : -(-columns.stop // block)] = 1
    _, labels = cv2.connectedComponents(shown)
    clusters: dict[int, list[Window]] = defaultdict(list)
    for window in windows:
        clusters[labels[window.shown.top // block, window.shown.left // block]].append(window)
    return list(clusters.values())


def in_turns(windows: list[Window]) -> list[list[Window]]:
    """Windows that may be filled at once, turn by turn: those whose cores touch are not, so that fills go on."""
    cores = np.array([_numbers(window)[:4] for window in windows]).reshape(-1, 4)
    turns = np.zeros(len(windows), int)
    for number, (top, left, bottom, right) in enumerate(cores):
        earlier = cores[:number]
        touched = (earlier[:, :2] <= (bottom, right)).all(axis=1) & (earlier[:, 2:] >= (top, left)).all(axis=1)
        turns[number] = turns[:number][touched].max(initial=-1) + 1
    return [[windows[number] for number in (turns == turn).nonzero()[0]] for turn in range(turns.max(initial=-1) + 1)]
