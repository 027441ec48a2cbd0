"""The rules of completing: which method fills a hole, at which scale, and with how much context.

All lengths are pixels. A hole is a connected component (8-connectivity); its depth is the largest distance in it to a
known pixel, about half its width. docs/performance.md, "What a hole needs", has the measurements behind the numbers.
The page reads them from `web/src/shared.json`, which `python -m tools.shared_numbers` writes.
"""

from __future__ import annotations

from math import inf

THIN = 3.5
"""Holes up to this depth are filled by the pyramid, which is as good there as the network."""

SMALL = 6.0
"""Holes up to this depth need little context, and no copied texture."""

SMALL_CONTEXT = 24, 64
"""Context of small holes, and the least of larger ones: margin per side, minimum window side."""

SMALL_PHOTO = 1024
"""A photo of up to this side may be one window for any training size."""

MIN_BAND = 8
"""Minimum width of `band`: what enlarging mixes with known pixels."""


def context(depth: float, training_size: int) -> tuple[int, int]:
    """Context for a hole depth: (margin per side, minimum window side), px.

    >>> context(5, training_size=256), context(20, training_size=256)
    ((24, 64), (64, 256))
    """
    margin, side = SMALL_CONTEXT
    return SMALL_CONTEXT if depth <= SMALL else (max(margin, training_size // 4), max(side, training_size))


def max_side(training_size: int) -> int:
    """Maximum side of a network's input.

    >>> max_side(training_size=256), max_side(training_size=640)
    (1024, 1280)
    """
    return max(2 * training_size, SMALL_PHOTO)


def max_depth(training_size: int) -> int:
    """Deeper holes than the network was trained on are first filled at half the scale.

    >>> max_depth(training_size=256)
    64
    """
    return training_size // 4


def band(training_size: int) -> int:
    """Width of the band along the seam of such a hole that is then filled again at its own scale.

    >>> band(training_size=256)
    16
    """
    return max(MIN_BAND, training_size // 16)


TEXTURE_DEPTH, TEXTURE_MIN_SIDE = 128.0, 64
"""Deeper holes are copied at half the scale, and those that are deeper there, too, at half of that, and so on; they get
their detail back afterwards. At their own scale they would take four times as long, and look little better; less deep
ones look better. Of a window with a shorter side, too little would be left."""

TEXTURE_SIDE, TEXTURE_MARGIN = 768, 32
"""Maximum side of a window for texture, and its minimum margin."""

TEXTURE_MARGIN_PER_DEPTH = 4
"""Texture is searched within this many times a hole's depth, and no further than the hole is long: near pixels resemble
it most."""

TEXTURE_SIDE_PER_DEPTH = 6
"""Windows of deep holes may be larger: their side is up to this many times the depth."""

TEXTURE_NEAR = 32
"""Holes closer than this get texture together."""


def max_texture_side(depth: float) -> int:
    """Maximum side of holes of a depth that get texture at once; larger ones are split.

    >>> max_texture_side(20), max_texture_side(200)
    (768, 1200)
    """
    return TEXTURE_SIDE if depth == inf else max(TEXTURE_SIDE, int(TEXTURE_SIDE_PER_DEPTH * depth))


def texture_margin(depth: float, side: int) -> int:
    """Margin of a window for holes of a depth whose longer side is `side`.

    >>> texture_margin(6.5, side=600), texture_margin(20, side=600), texture_margin(100, side=200)
    (32, 80, 200)
    """
    return max(TEXTURE_MARGIN, int(min(side, TEXTURE_MARGIN_PER_DEPTH * depth)))


PATCH_RADII = 2, 4
"""Patch radius for thin or large holes, and for the others: large patches follow shapes; small ones fit into strokes,
and are still found where little is known."""

THIN_PATCHES, MANY_HOLES = 32, 0.3
"""Depth up to which, and share of holes in the window above which, patches are small."""

COARSE_RADIUS = 2
"""Patch radius at half the scale."""


def patch_radius(depth: float, share: float) -> int:
    """Patch radius for a hole depth and the share of holes in the window.

    >>> patch_radius(10, share=0.1), patch_radius(50, share=0.1)
    (2, 4)
    """
    small, large = PATCH_RADII
    return small if depth <= THIN_PATCHES or share > MANY_HOLES else large
