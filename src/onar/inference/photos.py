"""One photo from its mask to its result: what `onar complete` does with files, and the server with uploads.

The caller reads a photo and its mask, and writes or sends the result; everything between is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from onar.errors import UsageError
from onar.imaging.levels import Pixels
from onar.imaging.losses import Loss
from onar.imaging.photo_file import Photo, format_losses
from onar.inference.holes import ALPHA, check_size, doubts, fill_visible, find_holes, mask_of_alpha
from onar.masks.holes import Holes


@dataclass(frozen=True)
class MaskOptions:
    """How holes are read from a mask: whether black is the hole, and by how many pixels holes are widened.

    `prefix` is that of option names in messages: "--" on the command line, nothing in the API.
    """

    invert: bool = False
    dilate: int = 0
    prefix: str = ""


@dataclass(frozen=True)
class MaskHoles:
    """The holes of a mask, bool H×W, and doubts about it, one line each."""

    hole: Holes
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class MaskedPhoto:
    """A photo with its holes, bool H×W, doubts about them, and the format of the result, as Pillow names it.

    The photo is opaque where its own transparency was the mask.
    """

    photo: Photo
    hole: Holes
    kind: str
    doubts: tuple[str, ...] = ()

    @property
    def is_unchanged(self) -> bool:
        """Whether the result is the photo's own file, because there is no hole and no other format."""
        return not self.hole.any() and is_own_kind(self.photo, self.kind)

    @property
    def notes(self) -> list[str]:
        """Notes for the user, one line each: losses of the result, and doubts about the mask."""
        if self.is_unchanged:
            return [*self.doubts]
        return [*self.photo.losses, *self.doubts, *format_losses(self.photo, self.kind)]

    def fill(self, inpaint: Callable[[Pixels, Holes], Pixels], *, in_place: bool = False) -> Photo:
        """Fill the holes; see `fill_visible` for transparent photos and for 16 bits.

        Args:
            inpaint: (pixels, holes) -> the pixels with their holes filled; it may change what it gets.
            in_place: fill the photo's own pixels: a copy of a large photo takes hundreds of megabytes.
        """
        pixels = self.photo.pixels
        pixels = pixels if in_place and pixels.flags.writeable else pixels.copy()
        fill_visible(pixels, self.photo.alpha, self.hole, inpaint)
        return replace(self.photo, pixels=pixels, changed=self.hole)


def read_holes(mask: NDArray[np.uint8], options: MaskOptions, size: tuple[int, int] | None = None) -> MaskHoles:
    """The holes of a uint8 H×W mask, with doubts about it; resized to a height and width if given.

    Raises `SizesDifferError` if `size` has other proportions than the mask.

    >>> mask = np.pad(np.full((4, 4), 255, np.uint8), 10)
    >>> int(read_holes(mask, MaskOptions(dilate=1)).hole.sum())
    32
    """
    hole = find_holes(mask, invert=options.invert, dilate=options.dilate, size=size)
    (tall, wide), (height, width) = mask.shape, hole.shape
    resized = f"its mask of {wide} x {tall} pixels is resized to {width} x {height} pixels"
    doubted = doubts(mask, hole, options.invert, f"{options.prefix}invert_mask")
    return MaskHoles(hole, (*([resized] if hole.shape != mask.shape else []), *doubted))


def mask_photo(photo: Photo, holes: MaskHoles, kind: str, mask_name: str = "the mask") -> MaskedPhoto:
    """Join a photo and the holes of its mask; raises `SizesDifferError` with the mask's name if they do not fit."""
    check_size(holes.hole, photo.size, photo.stored_size, mask_name)
    return MaskedPhoto(photo, holes.hole, kind, holes.doubts)


def mask_erased_photo(photo: Photo, kind: str, options: MaskOptions) -> MaskedPhoto:
    """A photo whose mask is its own transparency, and which becomes opaque; raises `UsageError` if it has none."""
    if photo.alpha is None:
        raise UsageError(f"nothing is transparent in the photo, so {options.prefix}mask {ALPHA} finds no hole")
    holes = read_holes(mask_of_alpha(photo.alpha), options)
    return mask_photo(replace(photo, alpha=None), holes, kind)


def is_own_kind(photo: Photo, kind: str) -> bool:
    """Whether a photo's file has that format; an MPO file counts as JPEG."""
    return kind == ("JPEG" if photo.kind == "MPO" else photo.kind)


def compressed_again(written: list[Loss]) -> list[Loss]:
    """Of the losses in writing, that the known pixels of a JPEG file could not be kept."""
    return [loss for loss in written if loss.key == "compresses"]


def all_losses(photo: Photo, kind: str) -> list[Loss]:
    """Losses of a result in a format against the photo's file, by reading and by writing."""
    return [*photo.losses, *format_losses(photo, kind)]
