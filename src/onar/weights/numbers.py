"""Numbers of networks that torch, ONNX graphs and weights files must agree on."""

from __future__ import annotations

FILLS = 3
"""Of how many fills a `TextureBlend` makes one."""

DESCRIBED = 14
"""Channels that it sees: the fills, how far they are apart, the holes, and how deep they are."""

BANDS = 5
"""Bands that it takes a fill apart into; each next one has half the size."""

BLEND_MULTIPLE = 2 ** (BANDS - 1)
"""Height and width of what it takes are multiples of it."""

OWN_SHARE = 0.1
"""Scale of what it adds of its own, so that it starts near nothing."""

CELL = 8
"""Side in pixels of the cells whose colours a `ColourUNet` tells."""

COLOUR_LEVELS = 4
"""Its levels; each has cells of twice the side."""

COLOUR_MULTIPLE = CELL << (COLOUR_LEVELS - 1)
"""Height and width of what it takes are multiples of it."""

LEAST_SHARE = 1e-3
"""Below the share of one known pixel in a cell; it only keeps divisions from 0."""


SOURCE_SHARE = 0.25
"""Cells of the innermost map that know more than this share of what the one knows that knows most fill others."""


def blend_widths(base_channels: int) -> list[int]:
    """Channels of the levels of a `TextureBlend`, fine to coarse."""
    return [base_channels, 3 * base_channels // 2, 2 * base_channels, 2 * base_channels]


def padding_step(depth: int, has_colours: bool) -> int:
    """Pixels: a `PConvUNet` of so many levels, with a `ColourUNet` or without, pads sides to multiples of it."""
    return max(1 << depth, COLOUR_MULTIPLE if has_colours else 1)
