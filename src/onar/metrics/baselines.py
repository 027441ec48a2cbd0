"""Classical fills to compare a trained network with.

Each takes a photo (uint8 H x W x 3, RGB) and a mask (uint8 or bool H x W, see `onar.masks` for its meaning) and
returns a uint8 H x W x 3 picture whose known pixels are those of the photo, bit for bit. What the photo holds inside
its holes makes no difference. A photo that is all hole becomes mid grey.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import OnarError, UsageError
from onar.fills.patchmatch import MID_GREY, fill_with_patches
from onar.imaging.images import EightBits
from onar.masks.holes import holes_from_mask

Fill = Callable[[EightBits, NDArray[Any]], EightBits]
"""(photo, mask) -> completed, as above."""

Algorithm = Callable[[EightBits, NDArray[np.bool_]], NDArray[Any]]
"""(photo whose holes have the mean colour, hole) -> what to put into the holes; elsewhere it may hold anything."""

RADIUS = 3
"""Pixels around a hole pixel that OpenCV's fills look at."""


def telea(photo: EightBits, mask: NDArray[Any]) -> EightBits:
    """Fast marching from the hole's rim inwards (Telea 2004, "An Image Inpainting Technique...")."""
    return _fill(photo, mask, lambda start, hole: _opencv(start, hole, cv2.INPAINT_TELEA))


def navier_stokes(photo: EightBits, mask: NDArray[Any]) -> EightBits:
    """Lines of equal brightness carried into the hole like a fluid (Bertalmio et al. 2001, "Navier-Stokes...")."""
    return _fill(photo, mask, lambda start, hole: _opencv(start, hole, cv2.INPAINT_NS))


def mean(photo: EightBits, mask: NDArray[Any]) -> EightBits:
    """The mean colour of the known pixels: what any method must beat."""
    return _fill(photo, mask, lambda start, hole: start)


def biharmonic(photo: EightBits, mask: NDArray[Any]) -> EightBits:
    """The smoothest surface through the rim (Damelin & Hoang 2018, "On Surface Completion..."), by scikit-image.

    Raises:
        OnarError: scikit-image is not installed.
    """
    return _fill(photo, mask, _biharmonic)


def patchmatch(photo: EightBits, mask: NDArray[Any], radius: int = 5) -> EightBits:
    """Patches of the photo itself (Barnes et al. 2009, "PatchMatch: A Randomized Correspondence Algorithm...").

    By pypatchmatch, coarse to fine; the same each time.

    Args:
        photo: see above.
        mask: see above.
        radius: of the patches, which are 2 · radius + 1 pixels a side. 5 is the better one for holes as large as
            things, 2 for strokes in small photos.

    Raises:
        OnarError: pypatchmatch is not installed, or not for this machine.
    """
    return _fill(photo, mask, lambda start, hole: fill_with_patches(start, hole, radius))


BASELINES: dict[str, Fill] = {
    "telea": telea,
    "navier_stokes": navier_stokes,
    "mean": mean,
    "biharmonic": biharmonic,
    "patchmatch_2": partial(patchmatch, radius=2),
    "patchmatch_5": patchmatch,
}
"""The classical fills by name; PatchMatch with small and with large patches."""


def _fill(photo: EightBits, mask: NDArray[Any], algorithm: Algorithm) -> EightBits:
    """Run an algorithm on the photo with its holes set to the mean colour, and keep only what it put into the holes."""
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape != (*mask.shape, 3):
        raise UsageError(
            f"a photo is uint8 of height x width x 3 and its mask of the same height and width, "
            f"not {photo.dtype} {photo.shape} and {mask.shape}"
        )
    hole: NDArray[np.bool_] = holes_from_mask(mask)
    filled: EightBits = photo.copy()
    if hole.all():
        filled[:] = MID_GREY
    elif hole.any():
        # OpenCV lets a little of the hole's content through where a hole touches the border.
        filled[hole] = photo[~hole].mean(axis=0).round()
        filled[hole] = algorithm(filled, hole)[hole]
    return filled


def _opencv(start: NDArray[Any], hole: NDArray[np.bool_], method: int) -> NDArray[Any]:
    holes: NDArray[Any] = hole.astype(np.uint8)
    if 1 in hole.shape:  # OpenCV reads past the edge of a picture one pixel thin
        start, holes = (cv2.copyMakeBorder(plane, 0, 2, 0, 2, cv2.BORDER_REPLICATE) for plane in (start, holes))
    filled: NDArray[Any] = cv2.inpaint(start, holes, RADIUS, method)
    return filled[: hole.shape[0], : hole.shape[1]]


def _biharmonic(start: EightBits, hole: NDArray[np.bool_]) -> NDArray[Any]:
    try:
        from skimage.restoration import inpaint_biharmonic
    except ImportError as error:
        raise OnarError(f'the biharmonic fill needs pip install "onar[evaluate]" ({error})') from error
    # One hole at a time: many small linear systems cost less memory than one large one.
    filled = inpaint_biharmonic(start, hole, split_into_regions=True, channel_axis=-1)
    rounded: NDArray[Any] = (filled * 255).round()
    return rounded
