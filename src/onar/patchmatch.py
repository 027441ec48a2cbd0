"""PatchMatch: holes filled with patches of the photo itself (Barnes et al. 2009, "PatchMatch: A Randomized...").

By the package pypatchmatch, coarse to fine. It learns nothing and knows nothing of things, but its texture is real.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onar.errors import OnarError

MID_GREY = 128
"""What a photo becomes that is all hole."""


def fill_with_patches(
    photo: NDArray[np.uint8], hole: NDArray[np.bool_], radius: int = 5, seed: int = 0
) -> NDArray[np.uint8]:
    """Fill holes with patches of the photo; the same each time, in whatever thread.

    Args:
        photo: H×W×3; what it holds inside its holes makes no difference.
        hole: H×W, True = hole.
        radius: of the patches, which are 2 · radius + 1 pixels a side.
        seed: of the search; another one gives another fill.

    Raises:
        OnarError: pypatchmatch is not installed, or not for this machine.
    """
    require_patchmatch()
    from patchmatch import patch_match

    start = photo.copy()
    if hole.all():
        start[:] = MID_GREY
        return start
    start[hole] = photo[~hole].mean(axis=0).round()
    patch_match.set_random_seed(seed)  # each fill starts from it
    filled: NDArray[np.uint8] = patch_match.inpaint(start, hole, patch_size=radius)
    return filled


def require_patchmatch() -> None:
    """Raise `OnarError` where there is no PatchMatch."""
    if reason := no_patchmatch():
        raise OnarError(f"PatchMatch is not there: {reason}")


def no_patchmatch() -> str | None:
    """Why there is no PatchMatch here, in a few words; None where there is."""
    try:
        from patchmatch.patch_match import patchmatch_available
    except ImportError as error:
        return f"pip install pypatchmatch ({error})"
    return None if patchmatch_available else "pypatchmatch has no library for this machine"
