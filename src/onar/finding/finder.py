"""Find damage and text: a photo in, a mask of what to fill out."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.errors import OnarError, UsageError, map_memory_errors
from onar.finding.config import FindOptions
from onar.finding.damage import DamageNetwork
from onar.finding.kinds import WITHOUT_EXTRA, FoundKind, kinds_of
from onar.finding.regions import region
from onar.finding.text import TextFinder
from onar.imaging.levels import Pixels, unused_bits
from onar.imaging.pictures import set_upright, split_alpha
from onar.inference.holes import widened
from onar.inference.windows import Box
from onar.masks.holes import Holes, mask_from_holes
from onar.weights.bundled import finder_weights

CONTEXT = 64
"""Pixels around `FindOptions.within` that are searched, too: what crosses its edge is seen whole."""


class TooMuchFoundError(OnarError):
    """More of a photo would be marked than `max_share` allows."""


class Finder:
    """Finds some kinds of damage or text; networks are loaded when they are first needed.

    Args:
        what: names in `KINDS`: one text with commas, or several.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        threads: of the CPU; 0 for one on each core that may be used.

    Raises:
        UsageError: there are no such kinds.
    """

    def __init__(self, what: str | Iterable[str], device: str = "auto", threads: int = 0) -> None:
        self.kinds = kinds_of(what)
        self._device = device
        self._threads = threads

    def load(self) -> None:
        """Load the networks; raises `OnarError` when a file or a package is missing."""
        for kind in self.kinds:
            _ = self._damage if kind.channel is not None else self._text

    def find(self, pixels: Pixels, alpha: Pixels | None, options: FindOptions) -> Holes:
        """Holes where damage and text were found in a photo: bool H×W.

        Args:
            pixels: uint8 or uint16, H×W or H×W×3.
            alpha: H×W, 0 = transparent, where nothing is found; None for an opaque photo.
            options: how much is marked, and where.

        Raises:
            TooMuchFoundError: it is more than `max_share` of the photo.
            UsageError: `within` lies outside the photo.
            OutOfMemoryError: memory ran out.
        """
        height, width = pixels.shape[:2]
        wanted = region(options.within, height, width)
        with map_memory_errors(f"not enough memory to search a photo of {width} x {height} pixels"):
            found = np.zeros((height, width), bool)
            found[wanted.slices] = self._find_within(pixels, alpha, wanted, options)
        share = np.count_nonzero(found) / found.size
        if share > options.max_share:
            raise TooMuchFoundError(
                f"{share:.1%} of the photo would be marked, and `max_share` allows {options.max_share:.1%}: this may "
                "be no damage; if it is, allow more, or lower `sensitivity`"
            )
        return found

    def _find_within(self, pixels: Pixels, alpha: Pixels | None, wanted: Box, options: FindOptions) -> Holes:
        """Holes in the rectangle `wanted`, bool of its size."""
        seen = wanted.grown(CONTEXT, Box(0, 0, *pixels.shape[:2]))
        part = pixels[seen.slices]
        if unused := unused_bits(part):
            part = part << unused
        hidden = None if alpha is None else alpha[seen.slices] == 0
        found = np.zeros(part.shape[:2], bool)
        for kind, marks in self._marks(part, hidden, options.sensitivity):
            grow = kind.grow if options.grow is None else options.grow
            found |= widened(marks, grow)
        if hidden is not None:
            found &= ~hidden
        return found[wanted.within(seen)]

    def _marks(self, pixels: Pixels, hidden: Holes | None, sensitivity: float) -> Iterable[tuple[FoundKind, Holes]]:
        """Each kind with what was found of it."""
        if any(kind.channel is not None for kind in self.kinds):
            damage = self._damage.find(pixels, hidden, sensitivity)
        for kind in self.kinds:
            if kind.channel is not None:
                yield kind, damage[kind.channel]
            else:
                yield kind, self._text.find(pixels, hidden, sensitivity)

    @cached_property
    def _damage(self) -> DamageNetwork:
        return DamageNetwork(finder_weights(), WITHOUT_EXTRA, self._device, self._threads)

    @cached_property
    def _text(self) -> TextFinder:
        return TextFinder(self._threads)


def find(
    photo: Any,
    what: str | Iterable[str] = WITHOUT_EXTRA,
    *,
    sensitivity: float = FindOptions.sensitivity,
    grow: int | None = FindOptions.grow,
    within: tuple[float, float, float, float] | None = FindOptions.within,
    max_share: float = FindOptions.max_share,
    device: str = "auto",
    threads: int = 0,
) -> NDArray[np.uint8]:
    """Find damage and text in a photo.

    Args:
        photo: a PIL picture (RGB or L, with or without alpha; it is set upright by its EXIF orientation), or a uint8 or
            uint16 array H×W×3 or H×W.
        what: "scratches", "dust", "text", or several of them: a text with commas, or a list.
        sensitivity: from 0, only what is certain, to 1, all that is suspicious.
        grow: pixels by which what was found is widened; by default 1, and 2 around text.
        within: left and top edge, width and height of the part of the photo to mark, in pixels, or in shares of the
            photo if no number is above 1.
        max_share: share of the photo above which nothing is marked.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        threads: of the CPU; 0 for one on each core that may be used.

    Returns:
        A mask for `Inpainter`: uint8 H×W, 255 = hole, of the upright photo's size.

    Raises:
        TooMuchFoundError: what was found is more than `max_share` of the photo.
        UsageError: an argument is wrong.
        OnarError: "text" without pip install "onar[text]".

    >>> photo = np.full((64, 96, 3), 90, np.uint8)
    >>> find(photo, "dust").shape
    (64, 96)
    """
    options = FindOptions(sensitivity=sensitivity, grow=grow, within=within, max_share=max_share)
    pixels, alpha = _pixels_of(photo)
    return mask_from_holes(finder_of(what, device, threads).find(pixels, alpha, options))


def finder_of(what: str | Iterable[str], device: str = "auto", threads: int = 0) -> Finder:
    """A `Finder`, which this process keeps for the next photo."""
    return _kept_finder(tuple(kind.name for kind in kinds_of(what)), device, threads)


@lru_cache(maxsize=4)
def _kept_finder(what: tuple[str, ...], device: str, threads: int) -> Finder:
    return Finder(what, device, threads)


def _pixels_of(photo: Any) -> tuple[Pixels, Pixels | None]:
    """Pixels and alpha of a photo of the user's; raises `UsageError` for what is none."""
    if isinstance(photo, Image.Image):
        if photo.mode not in ("RGB", "L", "RGBA", "LA"):
            raise UsageError(f"a PIL photo is RGB or L, with or without alpha, not {photo.mode}: convert it first")
        return split_alpha(set_upright(photo))
    is_array = isinstance(photo, np.ndarray) and photo.dtype in (np.uint8, np.uint16)
    if not is_array or photo.shape[2:] not in ((), (3,)) or photo.ndim < 2 or photo.size == 0:
        what = f"{photo.dtype} of shape {photo.shape}" if isinstance(photo, np.ndarray) else type(photo).__name__
        raise UsageError(f"a photo is a PIL picture, or a uint8 or uint16 array H×W×3 or H×W, not {what}")
    return photo, None
