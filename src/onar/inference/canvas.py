"""Fill the holes of a photo: thin ones by the pyramid, the others by the network, window by window, coarse to fine.

Memory and time grow with the holes, not with the photo. Windows of one shape are one batch. A hole deeper than what
the network was trained on is first completed at half the scale, in the same way. Enlarged, that fixes its structure;
only a band along the seam, where the eye compares, is then completed again, between the known pixels and the enlarged
ones. `rules` has the thresholds, `steps` the plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onar.fills.pyramid import Frame, fill_frame
from onar.imaging.levels import Pixels, as_8_bits
from onar.inference import rules
from onar.inference.backends import Backend
from onar.inference.detail import Copy, restore_detail
from onar.inference.progress import WorkProgress
from onar.inference.scaling import double, halve, to_frame, to_pixels, visible_frame
from onar.inference.steps import TILE_COST, TILE_MARGIN, Sketch, Steps, plan_steps
from onar.inference.window_plan import Window
from onar.inference.windows import Box, hole_depth
from onar.masks.holes import Holes, known_from_mask


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

    def plan(self, strategy: str) -> Steps:
        """The steps to fill all holes; the strategies are those of `Inpainter`."""
        return plan_steps(self.unknown, self.backend, self.training_size, strategy)

    def fill(self, steps: Steps, progress: WorkProgress) -> None:
        """Fill all holes.

        Args:
            steps: as planned.
            progress: of the steps' cost.

        Raises:
            RuntimeError: the plan left holes out.
        """
        for tile in steps.tiles:
            self._fill_tile(tile, steps.thin)
            progress.advance(TILE_COST)
        self.unknown &= ~steps.thin
        for sketch in steps.sketches:
            self._sketch(sketch, progress)
        for windows in steps.turns:
            self._complete(windows, progress)
        if self.unknown.any():
            raise RuntimeError("no window was planned for some of the holes")

    @property
    def _all(self) -> Box:
        return Box(0, 0, *self.unknown.shape)

    def _fill_tile(self, tile: Box, thin: Holes) -> None:
        """Fill the thin holes of a tile as the pyramid would in the whole photo.

        A level of the pyramid without holes hides the coarser ones, so a thin hole depends on few pixels around it, as
        long as tiles are aligned with the blocks of the pyramid.
        """
        shown = tile.grown(TILE_MARGIN, self._all)
        (known,) = known_from_mask(self.unknown[shown.slices])
        filled = fill_frame(visible_frame(self.photo[shown.slices], known), known)
        hole = thin[tile.slices]
        rows, columns = tile.within(shown)
        self.photo[tile.slices][hole] = to_pixels(
            filled[rows, columns][: hole.shape[0], : hole.shape[1]][hole], self.photo.dtype
        )

    def _sketch(self, sketch: Sketch, progress: WorkProgress) -> None:
        """Complete a window at half the scale, and copy its deep holes from there."""
        photo, unknown = (array[sketch.window.shown.slices] for array in (self.photo, self.unknown))
        small_photo, small_unknown = halve(photo, unknown)
        small = Canvas(self.backend, self.training_size, small_photo, small_unknown.copy())
        steps = small.plan(sketch.strategy)
        part = progress.part(sketch.cost, steps.cost)
        small.fill(steps, part)
        part.finish()
        if self.backend.draws:
            enlarged = _double_with_detail(photo, unknown, small.photo, small_unknown)
        else:
            enlarged = double(small.photo, unknown)
        photo[sketch.filled] = enlarged[sketch.filled]
        unknown[sketch.final] = False

    # ---------------------------------------------------------------- windows

    def _complete(self, windows: Sequence[Window], progress: WorkProgress) -> None:
        """Fill the cores of windows; each sees the photo as it was before all of them."""
        by_shape: dict[tuple[int, int], list[Window]] = defaultdict(list)
        for window in windows:
            if self.unknown[window.core.slices].any():
                by_shape[window.shown.height, window.shown.width].append(window)
            else:
                progress.advance(window.shown.area)
        limit = self.backend.max_side or rules.max_side(self.training_size)
        for (height, width), alike in by_shape.items():
            # A batch takes no more memory than one large window.
            count = max(1, limit**2 // (height * width))
            for start in range(0, len(alike), count):
                batch = alike[start : start + count]
                self._run(batch)
                progress.advance(len(batch) * height * width)
        for window in windows:
            self.unknown[window.core.slices] = False

    def _run(self, windows: Sequence[Window]) -> None:
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
