"""Fill the holes of a photo: thin ones by the pyramid, the others by the network, window by window, coarse to fine.

Memory and time grow with the holes, not with the photo. Windows of one shape are one batch. A hole deeper than what
the network was trained on is first completed at half the scale, in the same way. Enlarged, that fixes its structure;
only a band along the seam, where the eye compares, is then completed again, between the known pixels and the enlarged
ones. `rules` has the thresholds, `window_plan` the windows.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from onar.fills.pyramid import Frame, fill_frame
from onar.imaging.levels import Pixels
from onar.inference import rules
from onar.inference.backends import Backend
from onar.inference.window_plan import Planner, Window
from onar.inference.windows import Box, blocks_with_holes, deeper_than, hole_depth
from onar.masks.holes import Holes, known_from_mask

TILE, TILE_MARGIN = 64, 16
"""Side in pixels of the tiles in which the pyramid fills thin holes, and its context on all sides."""


@dataclass
class Canvas:
    """A photo that is being filled.

    Attributes:
        backend: runs the network.
        training_size: side in pixels of the crops that the network was trained on.
        photo: uint8 or uint16 H×W×C, filled so far.
        unknown: bool H×W, what is still to be filled.
        feather: pixels inside the seam over which the network's fill fades to match the known colours.
    """

    backend: Backend
    training_size: int
    photo: Pixels
    unknown: Holes
    feather: int = 0

    def fill(self, strategy: str) -> None:
        """Fill all holes; the strategies are those of `Inpainter`.

        Raises:
            RuntimeError: the plan left holes out.
        """
        whole = Window(self._all, self._all)
        if strategy == "whole":
            self._complete([whole])
            return
        at_once = strategy == "auto" and self._all.longer_side <= self._planner.limit
        self._fill_thin()
        self._fill_deep(whole if at_once else None)
        for windows in [[whole]] if at_once else self._planner.plan(self.unknown):
            self._complete(windows)
        if self.unknown.any():
            raise RuntimeError("no window was planned for some of the holes")

    @property
    def _all(self) -> Box:
        return Box(0, 0, *self.unknown.shape)

    @property
    def _planner(self) -> Planner:
        return Planner(self._all, self.training_size, self.backend.step)

    # ---------------------------------------------------------------- thin holes

    def _fill_thin(self) -> None:
        """Fill thin holes as the pyramid would in the whole photo, in the tiles that have some.

        A level of the pyramid without holes hides the coarser ones, so a thin hole depends on few pixels around it, as
        long as tiles are aligned with the blocks of the pyramid.
        """
        thin = self.unknown & ~deeper_than(self.unknown, rules.THIN)
        if thin.any():
            for row, column in np.argwhere(blocks_with_holes(thin, TILE)).tolist():
                self._fill_tile(Box(row * TILE, column * TILE, (row + 1) * TILE, (column + 1) * TILE), thin)
            self.unknown &= ~thin

    def _fill_tile(self, tile: Box, thin: Holes) -> None:
        shown = tile.grown(TILE_MARGIN, self._all)
        (known,) = known_from_mask(self.unknown[shown.slices])
        filled = fill_frame(_to_frame(self.photo[shown.slices], known), known)
        hole = thin[tile.slices]
        rows, columns = tile.within(shown)
        self.photo[tile.slices][hole] = to_pixels(
            filled[rows, columns][: hole.shape[0], : hole.shape[1]][hole], self.photo.dtype
        )

    # ---------------------------------------------------------------- deep holes

    def _fill_deep(self, whole: Window | None) -> None:
        """Fill deep holes at half the scale, except a band along their seams; in one window if one is given."""
        deep = deeper_than(self.unknown, rules.max_depth(self.training_size))
        if deep.any():
            for window in [whole] if whole else self._planner.plan_deep(deep):
                if window.shown.longer_side > self.training_size:
                    self._sketch(window, deep)

    def _sketch(self, window: Window, deep: Holes) -> None:
        """Complete a window at half the scale, and copy the deep holes of its core from there."""
        photo, unknown = self.photo[window.shown.slices], self.unknown[window.shown.slices]
        small = Canvas(self.backend, self.training_size, *halve(photo, unknown))
        small.fill("auto")
        filled = np.zeros_like(unknown)
        filled[window.core.within(window.shown)] = deep[window.core.slices]
        photo[filled] = double(small.photo, unknown)[filled]
        unknown[filled & (hole_depth(unknown) > rules.band(self.training_size))] = False

    # ---------------------------------------------------------------- windows

    def _complete(self, windows: list[Window]) -> None:
        """Fill the cores of windows; each sees the photo as it was before all of them."""
        by_shape: dict[tuple[int, int], list[Window]] = defaultdict(list)
        for window in windows:
            if self.unknown[window.core.slices].any():
                by_shape[window.shown.height, window.shown.width].append(window)
        for (height, width), alike in by_shape.items():
            # A batch takes no more memory than one large window.
            count = max(1, self._planner.limit**2 // (height * width))
            for start in range(0, len(alike), count):
                self._run(alike[start : start + count])
        for window in windows:
            self.unknown[window.core.slices] = False

    def _run(self, windows: list[Window]) -> None:
        """Fill the cores of windows of one shape, as one batch."""
        known = np.concatenate([known_from_mask(self.unknown[window.shown.slices]) for window in windows])
        frames = _to_frame(np.stack([self.photo[window.shown.slices] for window in windows]), known)
        for number, completed in enumerate(self.backend(frames, known)):
            window = windows[number]
            if self.feather:
                completed = completed + _seam_correction(frames[number], known[number], completed, self.feather)
            hole = self.unknown[window.core.slices]
            completed = completed[window.core.within(window.shown)]
            self.photo[window.core.slices][hole] = to_pixels(completed[hole], self.photo.dtype)


def to_frame(photo: Pixels) -> Frame:
    """Pixels of any shape in [0, 1].

    >>> to_frame(np.array([0, 255], np.uint8))
    array([0., 1.], dtype=float32)
    """
    return np.divide(photo, np.iinfo(photo.dtype).max, dtype=np.float32)


def _to_frame(photo: Pixels, known: Frame) -> Frame:
    """Pixels …×3 in [0, 1], 0 in the holes."""
    return np.asarray(to_frame(photo) * known[..., None], np.float32)


def to_pixels(frame: Frame, kind: np.dtype[Any]) -> Pixels:
    """Values around [0, 1], rounded and clipped, as uint8 or uint16 of the same shape.

    >>> to_pixels(np.array([-0.1, 0.5, 2.0], np.float32), np.dtype("uint8"))
    array([  0, 128, 255], dtype=uint8)
    """
    white = np.iinfo(kind).max
    return np.clip(np.rint(frame * white), 0, white).astype(kind)


def _seam_correction(photo: Frame, known: Frame, completed: Frame, feather: int) -> Frame:
    """The network's error on the known side of the seam, extrapolated into the hole and fading over `feather`.

    Known pixels do not change: the composite takes them from the photo.

    Args:
        photo: H×W×3, 0 in its holes.
        known: H×W.
        completed: H×W×3.
        feather: pixels.
    """
    error = fill_frame(photo - completed * known[..., None], known)
    fade = np.clip(1 - hole_depth(known == 0) / (feather + 1), 0, 1)
    return np.asarray(error * fade[..., None], np.float32)


def double(photo: Pixels, hole: Holes) -> Pixels:
    """The result of `halve`, enlarged to the shape of the original holes, bool H×W."""
    enlarged = cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged[: hole.shape[0], : hole.shape[1]], photo.dtype)


def halve(photo: Pixels, unknown: Holes) -> tuple[Pixels, Holes]:
    """Means of the known pixels of 2×2 blocks, and the blocks with less than half known; odd sides get a row of hole.

    Only known pixels are averaged: values inside holes do not change the result.
    """
    padding = ((0, photo.shape[0] % 2), (0, photo.shape[1] % 2))
    (known,) = known_from_mask(np.pad(unknown, padding, constant_values=True))
    frame = _to_frame(np.pad(photo, (*padding, (0, 0))), known)
    size = known.shape[1] // 2, known.shape[0] // 2
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA).reshape(size[::-1])
    means = cv2.resize(frame, size, interpolation=cv2.INTER_AREA).reshape(*size[::-1], photo.shape[2])
    return to_pixels(means / np.maximum(share, np.float32(0.25))[..., None], photo.dtype), share < 0.5
