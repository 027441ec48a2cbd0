"""The baseline PatchMatch: pypatchmatch, coarse to fine (Barnes et al. 2009, "PatchMatch: A Randomized...").

`onar.fills.patches`, by which Onar copies texture, is another program, so that no score compares it with itself.
"""

from __future__ import annotations

from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import OnarError
from onar.fills.pyramid import fill_pixels

MID_GREY = 128
"""Fill of a photo without known pixels."""

NOTICEABLE = 16
"""Levels by which a copy may leave the range of the known colours, or a dark photo differ from black."""

BORDER = 5
"""Pixels around such a place that are replaced too: along the seam, pypatchmatch shifts colours to the known ones."""

_SEED = Lock()
"""pypatchmatch has one random seed for the whole process."""

Rgb = NDArray[np.uint8]
Where = NDArray[np.bool_]


def fill_with_patches(photo: Rgb, hole: Where, radius: int = 5) -> Rgb:
    """Fill holes with patches of the photo; deterministic, also in threads.

    Pixels that no patch reaches get the pyramid fill.

    Args:
        photo: H×W×3; values inside its holes are ignored.
        hole: H×W, True = hole.
        radius: patches are 2 · radius + 1 pixels a side.

    Raises:
        OnarError: pypatchmatch is not installed, or not for this machine.
    """
    require_patchmatch()
    if hole.all():
        return np.full_like(photo, MID_GREY)
    smooth = fill_pixels(photo, hole)
    if not _knows_patch(hole, radius):
        return smooth
    filled = _search(smooth, hole, radius)
    wrong = _find_wrong(filled, 0, smooth, hole)
    if wrong.any():
        # Holes are initialised to black, and stay black where the coarse levels of a narrow photo have no room for
        # patches. In the negative of a light photo black is close to the known colours, so the fine levels fill it.
        negative = ~_search(~smooth, hole, radius)
        filled = np.where(wrong, negative, filled)
        filled = np.where(wrong & _find_wrong(negative, 255, smooth, hole), smooth, filled)
    known = photo[~hole]
    return np.where(hole[..., None], filled.clip(known.min(axis=0), known.max(axis=0)), photo)


def _knows_patch(hole: Where, radius: int) -> bool:
    """Whether any patch is fully known."""
    side = 2 * radius + 1
    known = cv2.erode((~hole).astype(np.uint8), np.ones((side, side), np.uint8), borderValue=0)
    return bool(known.any())


def _search(start: Rgb, hole: Where, radius: int) -> Rgb:
    from patchmatch import patch_match

    with _SEED:
        patch_match.set_random_seed(0)
        filled: Rgb = patch_match.inpaint(start, hole, patch_size=radius)
    return filled


def _find_wrong(filled: Rgb, start: int, smooth: Rgb, hole: Where) -> Where:
    """Where a fill is still its initial value, or leaves the range of the known colours; H×W×1, dilated.

    Args:
        filled: H×W×3.
        start: the initial level of its holes.
        smooth: H×W×3, the pyramid fill.
        hole: H×W.
    """
    known = smooth[~hole].astype(np.int16)
    # Of local means: single pixels may be copied black, or overshoot by ringing.
    means = cv2.blur(filled, (3, 3), borderType=cv2.BORDER_REPLICATE).astype(np.int16)
    left = (means == start).all(axis=2) & (np.abs(smooth.astype(np.int16) - start) >= NOTICEABLE).any(axis=2)
    outside = (means < known.min(axis=0) - NOTICEABLE) | (means > known.max(axis=0) + NOTICEABLE)
    wrong = hole & (left | outside.any(axis=2))
    side = 2 * BORDER + 1
    near = cv2.dilate(wrong.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return np.asarray(hole & near)[..., None]


def require_patchmatch() -> None:
    """Raise `OnarError` where PatchMatch is missing."""
    if reason := no_patchmatch():
        raise OnarError(f"PatchMatch is missing: {reason}")


def no_patchmatch() -> str | None:
    """Why PatchMatch is missing here, or None."""
    try:
        from patchmatch.patch_match import patchmatch_available
    except ImportError as error:
        return f"pip install pypatchmatch ({error})"
    return None if patchmatch_available else "pypatchmatch has no library for this machine"
