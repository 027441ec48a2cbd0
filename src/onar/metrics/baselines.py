"""Baselines: classical fills that a trained network is compared with, one entry each in `BASELINES`.

Each takes a photo (uint8 H x W x 3, RGB) and a mask (uint8 or bool H x W, see `onar.masks`) and returns a uint8
H x W x 3 picture whose known pixels are bit-identical to the photo's. Values of the photo inside holes are ignored. A
photo without known pixels becomes mid grey.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import OnarError, UsageError
from onar.imaging.images import EightBits
from onar.masks.holes import holes_from_mask
from onar.metrics.patchmatch import MID_GREY, fill_with_patches, no_patchmatch

Fill = Callable[[EightBits, NDArray[Any]], EightBits]  # (photo, mask) -> completed, as above

Algorithm = Callable[[EightBits, NDArray[np.bool_]], NDArray[Any]]
"""(photo with the mean colour in its holes, hole) -> a picture of which only hole pixels are used."""

RADIUS = 3  # neighbourhood of OpenCV's fills, in pixels


def telea(photo: EightBits, mask: NDArray[Any]) -> EightBits:
    """Fast marching from the seam inwards (Telea 2004, "An Image Inpainting Technique...")."""
    return _fill(photo, mask, lambda start, hole: _opencv(start, hole, cv2.INPAINT_TELEA))


def navier_stokes(photo: EightBits, mask: NDArray[Any]) -> EightBits:
    """Isophotes transported into the hole as by a fluid (Bertalmio et al. 2001, "Navier-Stokes...")."""
    return _fill(photo, mask, lambda start, hole: _opencv(start, hole, cv2.INPAINT_NS))


def mean(photo: EightBits, mask: NDArray[Any]) -> EightBits:
    """The mean colour of the known pixels: the least that any method must beat.

    >>> photo = np.full((4, 4, 3), 100, np.uint8)
    >>> mean(photo, np.eye(4) > 0)[0, 0]
    array([100, 100, 100], dtype=uint8)
    """
    return _fill(photo, mask, lambda start, hole: start)


def biharmonic(photo: EightBits, mask: NDArray[Any]) -> EightBits:
    """The smoothest surface through the seam (Damelin & Hoang 2018, "On Surface Completion..."), by scikit-image.

    Raises:
        OnarError: scikit-image is not installed.
    """
    return _fill(photo, mask, _biharmonic)


def patchmatch(photo: EightBits, mask: NDArray[Any], radius: int = 5) -> EightBits:
    """Patches of the photo itself (Barnes et al. 2009, "PatchMatch: A Randomized Correspondence Algorithm...").

    By pypatchmatch, coarse to fine; deterministic. Patches are 2 · radius + 1 pixels a side: 5 is better for holes the
    size of objects, 2 for strokes in small photos.

    Raises:
        OnarError: pypatchmatch is not installed, or not for this machine.
    """
    return _fill(photo, mask, lambda start, hole: fill_with_patches(start, hole, radius))


def _no_scikit_image() -> str | None:
    return None if find_spec("skimage") else 'pip install "onar[evaluate]" (scikit-image is missing)'


@dataclass(frozen=True)
class Baseline:
    """A classical fill to compare with."""

    fill: Fill  # the function
    description: str  # for reports
    # its name beside the scores of every validation; None for those that only `onar evaluate` compares with
    title: str | None = None
    # why it cannot run here, or None; for those that need an optional package
    missing: Callable[[], str | None] | None = None

    @property
    def reason_missing(self) -> str | None:
        """Why it cannot run here; None where it can."""
        return self.missing() if self.missing else None


_PATCHMATCH = "PatchMatch (Barnes et al. 2009), patches of {0} x {0} pixels, pypatchmatch"

BASELINES: dict[str, Baseline] = {
    "telea": Baseline(telea, "fast marching (Telea 2004), OpenCV", title="Telea"),
    "navier_stokes": Baseline(navier_stokes, "Navier-Stokes (Bertalmio et al. 2001), OpenCV"),
    "mean": Baseline(mean, "the mean colour of the known pixels"),
    "biharmonic": Baseline(
        biharmonic, "biharmonic surface (Damelin & Hoang 2018), scikit-image", missing=_no_scikit_image
    ),
    # small patches are better for strokes in small photos, such as validation crops.
    "patchmatch_2": Baseline(
        partial(patchmatch, radius=2), _PATCHMATCH.format(5), title="PatchMatch", missing=no_patchmatch
    ),
    "patchmatch_5": Baseline(patchmatch, _PATCHMATCH.format(11), missing=no_patchmatch),
}
"""All baselines by name."""


def _fill(photo: EightBits, mask: NDArray[Any], algorithm: Algorithm) -> EightBits:
    """Run an algorithm on the photo with the mean colour in its holes, and use only the hole pixels of the result."""
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
        # OpenCV reads a few hole pixels where a hole touches the border.
        filled[hole] = photo[~hole].mean(axis=0).round()
        filled[hole] = algorithm(filled, hole)[hole]
    return filled


def _opencv(start: NDArray[Any], hole: NDArray[np.bool_], method: int) -> NDArray[Any]:
    holes: NDArray[Any] = hole.astype(np.uint8)
    if 1 in hole.shape:  # OpenCV reads out of bounds where a picture is one pixel thin
        start, holes = (cv2.copyMakeBorder(plane, 0, 2, 0, 2, cv2.BORDER_REPLICATE) for plane in (start, holes))
    filled: NDArray[Any] = cv2.inpaint(start, holes, RADIUS, method)
    return filled[: hole.shape[0], : hole.shape[1]]


def _biharmonic(start: EightBits, hole: NDArray[np.bool_]) -> NDArray[Any]:
    try:
        from skimage.restoration import inpaint_biharmonic
    except ImportError as error:
        raise OnarError(f'the biharmonic fill needs pip install "onar[evaluate]" ({error})') from error
    # one hole at a time: many small linear systems need less memory than one large one.
    filled = inpaint_biharmonic(start, hole, split_into_regions=True, channel_axis=-1)
    rounded: NDArray[Any] = (filled * 255).round()
    return rounded
