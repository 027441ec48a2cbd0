"""Fill the holes of a photo: thin ones by the pyramid, the others by the network, window by window, coarse to fine.

Memory and time grow with the holes, not with the photo. Windows of one shape are one batch. A hole deeper than what
the network was trained on is first completed at half the scale, in the same way. Enlarged, that fixes its structure;
only a band along the seam, where the eye compares, is then completed again, between the known pixels and the enlarged
ones. `rules` has the thresholds, `window_plan` the windows.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from onar.fills.pyramid import Frame, fill_frame
from onar.imaging.levels import Pixels, as_8_bits
from onar.inference import rules
from onar.inference.backends import Backend
from onar.inference.detail import Copy, restore_detail
from onar.inference.scaling import double, halve, to_frame, to_pixels, visible_frame
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
            self._fill_whole(whole)
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
        return Planner(self._all, self.training_size, self.backend.step, self.backend.max_side)

    def _fill_whole(self, whole: Window) -> None:
        """Fill all holes at once, at the largest of the scales 1, 1/2, 1/4, … that the network takes."""
        if self.backend.max_side is not None and self._all.longer_side > self.backend.max_side:
            self._sketch(whole, self.unknown.copy(), "whole")
        else:
            self._complete([whole])

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
        filled = fill_frame(visible_frame(self.photo[shown.slices], known), known)
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

    def _sketch(self, window: Window, deep: Holes, strategy: str = "auto") -> None:
        """Complete a window at half the scale, and copy the deep holes of its core from there.

        A network that draws texture has drawn it for half the scale: its fill gets the photo's detail, and no band.
        """
        photo, unknown = self.photo[window.shown.slices], self.unknown[window.shown.slices]
        small_photo, small_unknown = halve(photo, unknown)
        small = Canvas(self.backend, self.training_size, small_photo, small_unknown.copy())
        small.fill(strategy)
        filled = np.zeros_like(unknown)
        filled[window.core.within(window.shown)] = deep[window.core.slices]
        if self.backend.draws:
            photo[filled] = _double_with_detail(photo, unknown, small.photo, small_unknown)[filled]
            unknown[filled] = False
        else:
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
        frames = visible_frame(np.stack([self.photo[window.shown.slices] for window in windows]), known)
        for number, completed in enumerate(self.backend(frames, known)):
            window = windows[number]
            if self.feather:
                completed = completed + _seam_correction(frames[number], known[number], completed, self.feather)
            hole = self.unknown[window.core.slices]
            completed = completed[window.core.within(window.shown)]
            self.photo[window.core.slices][hole] = to_pixels(completed[hole], self.photo.dtype)


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


def _double_with_detail(photo: Pixels, hole: Holes, small: Pixels, small_hole: Holes) -> Pixels:
    """As `double`, with the detail that `restore_detail` finds.

    Args:
        photo: uint8 or uint16 H×W×3; values inside its holes are ignored.
        hole: bool H×W.
        small: the photo at half the scale, filled.
        small_hole: its holes.
    """
    eight_bits = as_8_bits(small)
    restored = restore_detail(as_8_bits(photo), hole, Copy(eight_bits), small_hole).pixels
    detail = to_frame(restored) - to_frame(double(eight_bits, hole))
    return to_pixels(to_frame(double(small, hole)) + detail, photo.dtype)
