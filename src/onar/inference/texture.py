"""Copied texture: a network's fill blended with patches of the photo.

A network predicts colours, PatchMatch copies the photo's texture. So the network's fill is replaced twice by patches of
the photo, at its own scale and at half of it, and a `TextureBlend` weighs the three per pixel and band. Where both
copies agree they are more likely right; the coarse one continues shapes more often, takes a third of the other's time,
and is made in parallel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from math import inf
from typing import NamedTuple

import numpy as np

from onar.fills.patches import copy_patches
from onar.imaging.levels import Pixels, as_8_bits
from onar.inference import rules
from onar.inference.backends import BLEND_MULTIPLE, Blend
from onar.inference.detail import Copy, restore_detail
from onar.inference.progress import WorkProgress
from onar.inference.scaling import double, halve_filled, to_frame, to_pixels
from onar.inference.window_plan import Window, in_turns, join_windows
from onar.inference.windows import Box, deeper_than, find_groups, hole_depth
from onar.masks.holes import Holes, known_from_mask
from onar.system.devices import available_cpus

BLEND_TILE, BLEND_SIGHT = 512, 11 * BLEND_MULTIPLE
"""Longest side in pixels of a tile, and the receptive field of a blend to each side: 92 pixels of its U-Net, and 80
over which the share of holes is averaged. A multiple of `BLEND_MULTIPLE`."""


FINE_COST, COARSE_COST, DETAIL_COST, BLEND_COST = 4.0, 0.8, 0.7, 0.8
"""Costs in pixels of the network's input: of a hole pixel at the scale of the copy, for each copy; of one that gets
detail; and of a pixel of the blend's input."""


class Costs(NamedTuple):
    """Costs of a window, in pixels of the network's input."""

    fine: float
    coarse: float
    blend: float


@dataclass(frozen=True)
class Texturing:
    """A plan.

    Attributes:
        bare: bool H×W, the holes that get texture.
        turns: windows around them; those of a turn do not touch.
        costs: of each window.
    """

    bare: Holes
    turns: Sequence[Sequence[Window]]
    costs: Mapping[Window, Costs]

    @property
    def cost(self) -> float:
        """Total cost, in pixels of the network's input."""
        return sum(sum(costs) for costs in self.costs.values())


def plan_texturing(unknown: Holes) -> Texturing:
    """Plan the texture of holes, bool H×W: of all but small ones, which show none."""
    bare = deeper_than(unknown, rules.SMALL)
    turns = plan_texture(bare)
    return Texturing(bare, turns, {window: _costs_of(bare, window) for window in chain(*turns)})


def _costs_of(bare: Holes, window: Window) -> Costs:
    """Estimated costs of a window; bool H×W of the whole photo."""
    hole = bare[window.shown.slices]
    if hole.all():
        return Costs(0, 0, 0)
    pixels, depth, detail = float(np.count_nonzero(hole)), depth_of(hole), 0.0
    while rules.TEXTURE_DEPTH < depth < inf:
        detail, pixels, depth = detail + DETAIL_COST * pixels, pixels / 4, depth / 2
    near = window.core.grown(rules.TEXTURE_MARGIN, Box(0, 0, *bare.shape))
    return Costs(FINE_COST * pixels + detail, COARSE_COST * pixels + detail, BLEND_COST * near.area)


@dataclass(frozen=True)
class Texture:
    """Gives fills the photo's texture.

    Attributes:
        blend: of the network's fill and the two copies.
        seed: of PatchMatch.
        threads: of the CPU; 0 for one on each.
    """

    blend: Blend
    seed: int = 0
    threads: int = 0

    @property
    def _parallel(self) -> int:
        return self.threads or available_cpus()

    def apply(self, photo: Pixels, plan: Texturing, progress: WorkProgress) -> None:
        """Give texture to holes.

        Args:
            photo: uint8 or uint16 H×W×3 with its holes filled; changed in place.
            plan: for its holes.
            progress: of the plan's cost.
        """
        bare = plan.bare.copy()

        def fill(window: Window) -> Pixels:
            progress.advance(0)
            return self._fill(photo, bare, window, plan.costs[window], progress)

        with ThreadPoolExecutor(self._parallel) as executor:
            for windows in plan.turns:
                # Before any of a turn changes the photo, all of them have seen it.
                fills = list(executor.map(fill, windows))
                for window, filled in zip(windows, fills, strict=True):
                    hole = bare[window.core.slices]
                    photo[window.core.slices][hole] = filled[hole]
                for window in windows:
                    bare[window.core.slices] = False

    def _fill(self, photo: Pixels, bare: Holes, window: Window, costs: Costs, progress: WorkProgress) -> Pixels:
        """Fill for the bare holes of a window's core; H×W×3 of the core."""
        hole = bare[window.shown.slices]
        if hole.all():  # nothing to copy from
            progress.advance(sum(costs))
            return photo[window.core.slices]
        eight_bits, is_parallel = as_8_bits(photo[window.shown.slices]), self._parallel > 1

        def copied(coarse: bool) -> None:
            progress.advance(costs.coarse if coarse else costs.fine)

        copies = copy_texture(eight_bits, hole, self.seed, parallel=is_parallel, copied=copied)
        # Copying needs much context, blending little.
        near = window.core.grown(rules.TEXTURE_MARGIN, Box(0, 0, *bare.shape))
        patches, coarse_patches = (copy[near.within(window.shown)] for copy in copies)
        fill = blend_in_tiles(self.blend, photo[near.slices], patches, coarse_patches, bare[near.slices])
        progress.advance(costs.blend)
        known = photo[window.shown.slices][~hole]
        return fill[window.core.within(near)].clip(known.min(axis=0), known.max(axis=0))


def blend_in_tiles(blend: Blend, network: Pixels, patches: Pixels, coarse_patches: Pixels, hole: Holes) -> Pixels:
    """Blend fills tile by tile, in constant memory.

    The result is that of blending all at once; from some megapixels on, where ONNX Runtime sums in another order, a few
    pixels in a million differ by one level.

    Args:
        blend: the network.
        network: uint8 or uint16 H×W×3, filled by a generator.
        patches: uint8 H×W×3; only the pixels in holes are used.
        coarse_patches: the same, copied at half the scale.
        hole: bool H×W.

    Returns:
        `network` with blended pixels in its holes.
    """
    blended, everything = network.copy(), Box(0, 0, *hole.shape)
    for tile in _tiles(everything):
        inside = hole[tile.slices]
        if inside.any():
            context = tile.grown(BLEND_SIGHT, everything)
            frame, unknown = to_frame(network[context.slices]), hole[context.slices]
            fine, coarse = (
                np.where(unknown[..., None], to_frame(copy[context.slices]), frame)
                for copy in (patches, coarse_patches)
            )
            fill = blend(frame, fine, coarse, known_from_mask(unknown)[0])
            blended[tile.slices][inside] = to_pixels(fill[tile.within(context)][inside], network.dtype)
    return blended


def _tiles(photo: Box) -> Iterator[Box]:
    """Tiles on the grid of `BLEND_MULTIPLE`, so that each band of a blend is on the same grid in all of them."""
    grid = Box(0, 0, -(-photo.bottom // BLEND_MULTIPLE), -(-photo.right // BLEND_MULTIPLE))
    for part in grid.pieces(BLEND_TILE // BLEND_MULTIPLE):
        yield Box(
            part.top * BLEND_MULTIPLE,
            part.left * BLEND_MULTIPLE,
            min(part.bottom * BLEND_MULTIPLE, photo.bottom),
            min(part.right * BLEND_MULTIPLE, photo.right),
        )


def plan_texture(bare: Holes) -> list[list[Window]]:
    """Windows around the holes that need texture, bool H×W, turn by turn: those of one turn do not touch."""
    photo = Box(0, 0, *bare.shape)
    windows = []
    for group in find_groups(bare, rules.TEXTURE_NEAR):
        depth = depth_of(bare[group.grown(1, photo).slices])
        side = rules.max_texture_side(depth)
        if group.longer_side <= side:
            margin = rules.texture_margin(depth, group.longer_side)
            windows.append(Window(group, group.grown(margin, photo)))
        else:
            margin = min(side // 4, rules.texture_margin(depth, side))
            pieces = (piece for piece in group.pieces(side) if bare[piece.slices].any())
            windows += [Window(piece, piece.grown(margin, photo)) for piece in pieces]
    return in_turns(join_windows(windows, photo, step=1, limit=3 * rules.TEXTURE_SIDE))


def depth_of(hole: Holes) -> float:
    """The largest depth of holes, bool H×W."""
    return float(hole_depth(hole).max())


def copy_texture(
    photo: Pixels,
    hole: Holes,
    seed: int,
    radius: int | None = None,
    *,
    parallel: bool = True,
    copied: Callable[[bool], None] = lambda _: None,
) -> tuple[Pixels, Pixels]:
    """Replace the fill of holes by patches of the photo, and once more at half the scale.

    Very deep holes are copied at half the scale, or less, first, and their detail is restored afterwards: patches
    cannot bridge any depth, and the time grows with the area.

    Args:
        photo: uint8 H×W×3 with its holes filled, by which the copies are led.
        hole: bool H×W, those holes.
        seed: of PatchMatch.
        radius: of the patches of the first copy; by default the rule's.
        parallel: make the second copy in another thread meanwhile.
        copied: called after each copy, with whether it is the second one, in its thread.

    Returns:
        Both copies, H×W×3; only the pixels in holes are of use.
    """
    levels, depth = _levels_to_copy(photo, hole)
    top, unknown = levels[-1]
    small = halve_filled(top, unknown)

    def copy_finely() -> Pixels:
        patch_radius = radius or rules.patch_radius(depth, unknown.mean())
        copy = _enlarge(copy_patches(top, unknown, patch_radius, seed), levels)
        copied(False)
        return copy

    def copy_coarsely() -> Pixels:
        copy = _enlarge(_copy_coarsely(top, unknown, *small, seed), levels)
        copied(True)
        return copy

    with ThreadPoolExecutor(1) as other:  # one hole alone would leave the other processors idle
        coarse = other.submit(copy_coarsely)
        if not parallel:
            wait([coarse])
        return copy_finely(), coarse.result()


def _levels_to_copy(photo: Pixels, hole: Holes) -> tuple[list[tuple[Pixels, Holes]], float]:
    """The photo with its holes at its own scale, at half of it, and so on to the scale to copy at; the depth there."""
    levels, depth = [(photo, hole)], depth_of(hole)
    while rules.TEXTURE_DEPTH < depth < inf:
        small, unknown = halve_filled(*levels[-1])
        if unknown.all() or min(unknown.shape) < rules.TEXTURE_MIN_SIDE:
            break
        levels.append((small, unknown))
        depth = depth_of(unknown)
    return levels, depth


def _enlarge(pixels: Pixels, levels: list[tuple[Pixels, Holes]]) -> Pixels:
    """A fill of the last of the levels, at the scale of the first, with detail."""
    fill = Copy(pixels)
    for (small, unknown), (photo, hole) in pairwise(reversed(levels)):
        known_too = np.where(unknown[..., None], fill.pixels, small)
        fill = restore_detail(photo, hole, replace(fill, pixels=known_too), unknown)
    return fill.pixels


def _copy_coarsely(photo: Pixels, hole: Holes, small: Pixels, unknown: Holes, seed: int) -> Pixels:
    """Fill holes with patches of the photo at half the scale, which follow shapes twice as large.

    Args:
        photo: uint8 H×W×3 with its holes filled.
        hole: bool H×W.
        small: the photo at half the scale, as `halve_filled` makes it.
        unknown: its holes.
        seed: of PatchMatch.
    """
    if unknown.all():  # nothing is left to copy from
        return copy_patches(photo, hole, rules.COARSE_RADIUS, seed)
    return double(copy_patches(small, unknown, rules.COARSE_RADIUS, seed), hole)
