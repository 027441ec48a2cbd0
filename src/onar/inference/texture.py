"""Copied texture: holes get the photo's own texture, led by what a network put there.

A network knows where the colours go, PatchMatch what the photo's texture is. So a hole that is filled already is
filled twice more with patches of the photo, at the photo's own scale and at half of it, and a small network says pixel
by pixel and scale by scale what to believe of the three. What both copies agree on is more likely right, and shapes go
on more often in the coarse one, which takes a third of the other's time and is made beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from math import inf

import numpy as np

from onar.fills.patchmatch import fill_with_patches
from onar.imaging.levels import Pixels, as_8_bits
from onar.inference import rules
from onar.inference.backends import Blend
from onar.inference.canvas import double, halve, to_frame, to_pixels
from onar.inference.detail import Copy, restore_detail
from onar.inference.window_plan import Window, in_turns, join_windows
from onar.inference.windows import Box, deeper_than, find_groups, hole_depth
from onar.masks.holes import Holes, known_from_mask
from onar.system.devices import available_cpus
from onar.weights.numbers import BLEND_MULTIPLE

BLEND_TILE, BLEND_SIGHT = 1024, 11 * BLEND_MULTIPLE
"""Longest side in pixels of what is blended at once, and how far from a pixel what its blend depends on may lie: its
U-Net looks 92 pixels far, and the depth of holes that it sees is a mean over 80 more. A multiple of `BLEND_MULTIPLE`.
"""


@dataclass(frozen=True)
class Texture:
    """Gives fills the photo's texture.

    Attributes:
        blend: makes one fill of the network's and the two copied ones.
        seed: of PatchMatch.
        threads: of the CPU; 0 for one on each.
    """

    blend: Blend
    seed: int = 0
    threads: int = 0

    def apply(self, photo: Pixels, unknown: Holes) -> None:
        """Give all holes texture but small ones, which show none.

        Args:
            photo: uint8 or uint16 H×W×3 with its holes filled; changed in place.
            unknown: bool H×W, those holes.
        """
        bare = deeper_than(unknown, rules.SMALL)
        with ThreadPoolExecutor(self.threads or available_cpus()) as executor:
            for windows in plan_texture(bare):
                # Before any of a turn changes the photo, all of them have seen it.
                fills = list(executor.map(lambda window: self._fill(photo, bare, window), windows))
                for window, fill in zip(windows, fills, strict=True):
                    hole = bare[window.core.slices]
                    photo[window.core.slices][hole] = fill[hole]
                for window in windows:
                    bare[window.core.slices] = False

    def _fill(self, photo: Pixels, bare: Holes, window: Window) -> Pixels:
        """What belongs into the bare holes of a window's core; H×W×3 of the core."""
        hole = bare[window.shown.slices]
        if hole.all():  # nothing to copy from
            return photo[window.core.slices]
        copies = copy_texture(as_8_bits(photo[window.shown.slices]), hole, self.seed, beside=self.threads != 1)
        # Copying wants many surroundings, blending few.
        near = window.core.grown(rules.TEXTURE_MARGIN, Box(0, 0, *bare.shape))
        copied, coarse = (copy[near.within(window.shown)] for copy in copies)
        fill = blend_in_tiles(self.blend, photo[near.slices], copied, coarse, bare[near.slices])
        return fill[window.core.within(near)]


def blend_in_tiles(blend: Blend, led: Pixels, copied: Pixels, coarse: Pixels, hole: Holes) -> Pixels:
    """Blend fills tile by tile, in memory that does not grow with them.

    It is what blending all at once would give; from some megapixels on, which ONNX Runtime adds up in another order, a
    few pixels in a million differ by one level.

    Args:
        blend: the network.
        led: uint8 or uint16 H×W×3, filled by a generator.
        copied: uint8 H×W×3; what it holds outside of the holes makes no difference.
        coarse: the same, copied at half the scale.
        hole: bool H×W.

    Returns:
        `led` with blended pixels in its holes.
    """
    blended, everything = led.copy(), Box(0, 0, *hole.shape)
    for tile in _tiles(everything):
        inside = hole[tile.slices]
        if inside.any():
            seen = tile.grown(BLEND_SIGHT, everything)
            frame, unknown = to_frame(led[seen.slices]), hole[seen.slices]
            fine, rough = (
                np.where(unknown[..., None], to_frame(copy[seen.slices]), frame) for copy in (copied, coarse)
            )
            fill = blend(frame, fine, rough, known_from_mask(unknown)[0])
            blended[tile.slices][inside] = to_pixels(fill[tile.within(seen)][inside], led.dtype)
    return blended


def _tiles(photo: Box) -> Iterator[Box]:
    """Parts on the grid of `BLEND_MULTIPLE`, on which a blend sees the same pixels at each of its scales."""
    grid = Box(0, 0, -(-photo.bottom // BLEND_MULTIPLE), -(-photo.right // BLEND_MULTIPLE))
    for part in grid.pieces(BLEND_TILE // BLEND_MULTIPLE):
        yield Box(
            part.top * BLEND_MULTIPLE,
            part.left * BLEND_MULTIPLE,
            min(part.bottom * BLEND_MULTIPLE, photo.bottom),
            min(part.right * BLEND_MULTIPLE, photo.right),
        )


def plan_texture(bare: Holes) -> list[list[Window]]:
    """Windows round the holes that want texture, bool H×W, turn by turn: those of one turn do not touch."""
    photo = Box(0, 0, *bare.shape)
    windows = []
    for group in find_groups(bare, rules.TEXTURE_NEAR):
        side = rules.max_texture_side(depth_of(bare[group.grown(1, photo).slices]))
        if group.longer_side <= side:
            margin = max(rules.TEXTURE_MARGIN, group.longer_side)
            windows.append(Window(group, group.grown(margin, photo)))
        else:
            pieces = (piece for piece in group.pieces(side) if bare[piece.slices].any())
            windows += [Window(piece, piece.grown(side // 4, photo)) for piece in pieces]
    return in_turns(join_windows(windows, photo, step=1, limit=3 * rules.TEXTURE_SIDE))


def depth_of(hole: Holes) -> float:
    """The largest depth of holes, bool H×W."""
    return float(hole_depth(hole).max())


def copy_texture(
    photo: Pixels, hole: Holes, seed: int, radius: int | None = None, *, beside: bool = True
) -> tuple[Pixels, Pixels]:
    """Fill holes with patches of the photo, and once more at half the scale.

    Very deep holes are filled at half the scale, or less, to begin with, and get their detail back afterwards: patches
    cannot bridge any depth, and the time grows with the area.

    Args:
        photo: uint8 H×W×3; what it holds inside its holes makes no difference.
        hole: bool H×W.
        seed: of PatchMatch.
        radius: of the patches of the first copy; by default the rule's.
        beside: make the second copy while the first is made, in another thread.

    Returns:
        Both copies, H×W×3; only what lies in the holes counts.
    """
    copied, coarse = _copy(photo, hole, seed, radius, beside)
    return copied.pixels, coarse.pixels


def _copy(photo: Pixels, hole: Holes, seed: int, radius: int | None, beside: bool) -> tuple[Copy, Copy]:
    """See `copy_texture`."""
    depth = depth_of(hole)
    small, unknown = halve(photo, hole)
    if rules.TEXTURE_DEPTH < depth < inf and not unknown.all():
        copied, coarse = (
            restore_detail(photo, hole, replace(fill, pixels=np.where(unknown[..., None], fill.pixels, small)), unknown)
            for fill in _copy(small, unknown, seed, radius, beside)
        )
        return copied, coarse
    with ThreadPoolExecutor(1) as other:  # one hole alone would leave the other processors idle
        coarse_copy = other.submit(_copy_coarsely, photo, hole, small, unknown, seed)
        if not beside:
            wait([coarse_copy])
        pixels = fill_with_patches(photo, hole, radius or rules.patch_radius(depth, hole.mean()), seed)
    return Copy(pixels), Copy(coarse_copy.result())


def _copy_coarsely(photo: Pixels, hole: Holes, small: Pixels, unknown: Holes, seed: int) -> Pixels:
    """Fill holes with patches of the photo at half the scale, which follow shapes twice as large.

    Args:
        photo: uint8 H×W×3.
        hole: bool H×W.
        small: the photo at half the scale, as `halve` makes it.
        unknown: its holes.
        seed: of PatchMatch.
    """
    if unknown.all():  # nothing is left to copy from
        return fill_with_patches(photo, hole, rules.COARSE_RADIUS, seed)
    return double(fill_with_patches(small, unknown, rules.COARSE_RADIUS, seed), hole)
