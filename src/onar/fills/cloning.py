"""Clone and heal: pixels of another place of the photo, as they are, or fitted to the place they go to.

Healing is Poisson image editing (Pérez, Gangnet and Blake, "Poisson Image Editing", SIGGRAPH 2003, section 3): the
gradients of the source, and the photo's own values around the stroke. What is added to the copied pixels is then
harmonic, with the differences of photo and source at the edge. OpenCV's `seamlessClone` solves the same for
rectangles; for other shapes it changes pixels outside of them, too, and it knows 8 bits only.
`web/src/engine/browser/cloning.ts` is the counterpart in the browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onar.fills.membrane import Indices, Samples, membrane

FULL = 255
"""The strength at which a stroke replaces the photo."""

_AROUND = ((0, -1), (0, 1), (-1, 0), (1, 0))


PixelMap: TypeAlias = NDArray[np.bool_]
"""H×W."""


class Offset(NamedTuple):
    """Where the source of a pixel lies, in pixels from it."""

    x: int
    y: int


@dataclass(frozen=True)
class Stroke:
    """A stroke of the clone or the heal brush.

    Attributes:
        strength: uint8 H×W, of the photo's size; 0 stays, `FULL` is replaced, and what is between them is mixed.
        offset: from each pixel to its source.
        heals: whether the source is fitted to the photo around the stroke.
    """

    strength: NDArray[np.uint8]
    offset: Offset
    heals: bool


class _Places(NamedTuple):
    rows: Indices
    columns: Indices

    def moved(self, x: int, y: int) -> _Places:
        return _Places(self.rows + y, self.columns + x)

    def inside(self, size: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which of them are in a photo, bool N."""
        return (self.rows >= 0) & (self.rows < size[0]) & (self.columns >= 0) & (self.columns < size[1])

    def clipped(self, size: tuple[int, ...]) -> _Places:
        """The nearest places in a photo."""
        return _Places(self.rows.clip(0, size[0] - 1), self.columns.clip(0, size[1] - 1))


def clone(photo: NDArray[Any], stroke: Stroke, white: int, shown: PixelMap | None = None) -> PixelMap:
    """Paint a stroke, in place.

    Args:
        photo: uint8 or uint16, H×W or H×W×C.
        stroke: of the same size.
        white: the largest value of a pixel.
        shown: bool H×W, False where the photo is transparent, which is neither source nor painted; None for no such.

    Returns:
        Which pixels were painted, bool H×W: none whose source lies outside of the photo.

    >>> photo = np.arange(6, dtype=np.uint8).reshape(2, 3)
    >>> painted = clone(photo, Stroke(np.uint8([[255, 0, 0], [0, 0, 255]]), Offset(1, 0), heals=False), 255)
    >>> photo.tolist(), int(painted.sum())
    ([[1, 1, 2], [3, 4, 5]], 1)
    """
    pixels = photo.reshape(*photo.shape[:2], -1)
    painted, places = np.zeros(photo.shape[:2], bool), _painted(stroke, shown)
    if len(places.rows) == 0:
        return painted
    own, source = _values(pixels, places), _values(pixels, places.moved(*stroke.offset))
    if stroke.heals:
        source += membrane(*places, *_edge(pixels, places, stroke.offset, shown), photo.shape[:2])
    share = stroke.strength[places].astype(np.float32)[:, None] / np.float32(FULL)
    pixels[places] = np.rint(own + share * (source - own)).clip(0, white).astype(photo.dtype)
    painted[places] = True
    return painted


def _painted(stroke: Stroke, shown: PixelMap | None) -> _Places:
    """The touched pixels that have a source."""
    places, size = _Places(*np.nonzero(stroke.strength)), stroke.strength.shape
    sources = places.moved(*stroke.offset)
    kept = sources.inside(size)
    if shown is not None:
        kept &= shown[places] & shown[sources.clipped(size)]
    return _Places(places.rows[kept], places.columns[kept])


def _values(photo: NDArray[Any], places: _Places) -> Samples:
    """Pixels as float32 N×C."""
    return photo[places].astype(np.float32)


def _edge(photo: NDArray[Any], places: _Places, offset: Offset, shown: PixelMap | None) -> tuple[Samples, Samples]:
    """Sums and degrees for the membrane.

    Given values are photo less source. A source that lies outside of the photo is its nearest pixel there. Transparent
    neighbours are left out, as are those outside of the photo.
    """
    size = photo.shape[:2]
    inner = np.zeros(size, bool)
    inner[places] = True
    sums = np.zeros_like(_values(photo, places))
    degrees = np.zeros((len(sums), 1), np.float32)
    for x, y in _AROUND:
        near = places.moved(x, y)
        there, near = near.inside(size), near.clipped(size)
        source = near.moved(*offset).clipped(size)
        if shown is not None:
            there &= shown[near] & shown[source]
        degrees[there] += 1
        given = there & ~inner[near]
        near, source = (_Places(each.rows[given], each.columns[given]) for each in (near, source))
        sums[given] += _values(photo, near) - _values(photo, source)
    return sums, np.maximum(degrees, 1)
