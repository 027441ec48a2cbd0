"""The rule by which completing chooses: what fills a hole, at which scale, and how much of the photo is shown for it.

All lengths are pixels. A hole is what touches, also at corners; its depth is the largest distance in it to a known
pixel, about half its width. What the numbers rest on is measured in docs/performance.md, "What a hole needs".
"""

from __future__ import annotations

from math import inf

THIN = 3.5
"""Holes up to this depth are filled by the pyramid, which is as good there as the network."""

SMALL = 6.0
"""Holes up to this depth need few surroundings, and no copied texture."""

SMALL_PHOTO = 1024
"""A side that any network may get at once: one window has no seams inside."""


def surroundings(depth: float, training_size: int) -> tuple[int, int]:
    """What a network is shown with holes of that depth: so much on all sides, and at least so much in all, a side."""
    if depth <= SMALL:
        return 24, 64
    return max(24, training_size // 4), max(64, training_size)


def longest_side(training_size: int) -> int:
    """Of a photo or window that a network gets at once."""
    return max(2 * training_size, SMALL_PHOTO)


def deepest(training_size: int) -> int:
    """Depth beyond which a hole is filled at half the scale first: more than what the network was trained on."""
    return training_size // 4


def band(training_size: int) -> int:
    """Width of the band along the seam of such a hole that is then filled again at its own scale.

    At least as wide as what enlarging mixes with known pixels.
    """
    return max(8, training_size // 16)


TEXTURE_DEPTH = 64.0
"""Holes deeper than that are copied at half the scale, or less, and get their detail back afterwards: patches of the
photo's own scale bridge them no better, and take four times as long."""

TEXTURE_SIDE, TEXTURE_MARGIN = 768, 32
"""Longest side of what gets texture at once, and the least that is shown of what is round it."""


def texture_side(depth: float) -> int:
    """Longest side of holes of that depth that get texture at once; longer ones are cut."""
    return TEXTURE_SIDE if depth == inf else max(TEXTURE_SIDE, int(6 * depth))


TEXTURE_NEAR = 32
"""Holes nearer than that get texture together."""


def patch_radius(depth: float, share: float) -> int:
    """Radius of the patches for holes of that depth that are such a share of what is shown.

    Large patches follow shapes; small ones fit into strokes, and are still found where little is known.
    """
    return 2 if depth <= 32 or share > 0.3 else 4


COARSE_RADIUS = 3
"""Radius of the patches at half the scale."""
