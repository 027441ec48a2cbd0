"""Polarity of masks, and the composite.

The only definition of the polarity. A *mask* is what users supply and see: uint8, H×W,
**white (>= 128) = hole**; in a bool mask True = hole. *known* is what tensor code uses: float32,
1×H×W (B×1×H×W in a batch), **1 = known pixel, 0 = hole**; it is M of Liu et al. 2018, "Image
Inpainting for Irregular Holes Using Partial Convolutions" (ECCV). `known_from_mask`,
`known_from_holes` and `mask_from_known` convert between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import UsageError
from onar.masks.shapes import HOLE, Mask

if TYPE_CHECKING:
    import torch

Holes: TypeAlias = NDArray[np.bool_]
TensorOrArray = TypeVar("TensorOrArray", "torch.Tensor", NDArray[Any])

THRESHOLD = 128
"""Minimum value of hole pixels in a mask."""
_GREY = range(32, 224)
"""Neither black nor white, with a tolerance for JPEG noise and soft edges."""
MANY_HOLES = 0.7
"""Share of holes above which a mask is probably inverted."""

HOLE_RATIO_RANGES = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
"""The six ranges of hole share, low < share <= high, by which Liu et al. 2018 (section 4.1) group masks."""


def hole_share(mask: NDArray[Any]) -> float:
    """Share of hole pixels, 0 to 1, in a uint8 or bool H×W mask.

    >>> hole_share(np.array([[0, 255], [0, 0]], np.uint8))
    0.25
    """
    holes = holes_from_mask(mask)
    return float(np.count_nonzero(holes)) / holes.size


def mask_from_holes(hole: Holes) -> Mask:
    """Turn bool H×W holes into a uint8 H×W mask of 0 and 255."""
    return np.multiply(hole, HOLE, dtype=np.uint8)


def augment_mask(mask: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Flip and rotate an H×W mask, or its holes, at random: one of its eight symmetries, H×W or W×H."""
    turned = np.rot90(mask, int(rng.integers(4)))
    return np.ascontiguousarray(turned[::-1] if rng.random() < 0.5 else turned)


def why_no_hole(mask: Mask, inverted: bool = False) -> str:
    """Why a uint8 H×W mask, or the inverted one, has no hole."""
    if inverted:
        return f"its darkest value is {mask.min()}, and values below {THRESHOLD} are holes"
    return f"its brightest value is {mask.max()}, and values of {THRESHOLD} and above are holes"


def is_mostly_grey(mask: Mask) -> bool:
    """Whether most of a uint8 H×W mask is neither black nor white, as of a photo taken for a mask."""
    return cv2.countNonZero(cv2.inRange(mask, _GREY.start, _GREY.stop - 1)) > mask.size / 2


def is_mostly_hole(hole: Holes) -> bool:
    """Whether the share of holes exceeds `MANY_HOLES`, as of an inverted mask."""
    return bool(np.count_nonzero(hole) > MANY_HOLES * hole.size)


def fit_holes(hole: Holes, height: int, width: int) -> Holes:
    """Resize bool H×W holes to height×width by nearest neighbour."""
    if height < 1 or width < 1:
        raise UsageError(f"holes need a height and a width of at least 1, not {height} x {width}")
    if hole.shape == (height, width):
        return hole
    resized = cv2.resize(
        np.ascontiguousarray(hole).view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT
    )
    return np.asarray(resized, np.uint8).view(np.bool_)


def resize_holes(hole: Holes, height: int, width: int) -> Holes:
    """Resize bool H×W holes: enlarge by nearest neighbour; downsample so that pixels partly in a hole are hole."""
    if hole.shape[0] <= height and hole.shape[1] <= width:
        return fit_holes(hole, height, width)
    share = cv2.resize(hole.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(share > 1e-6)


def near(mask: Holes, reach: int) -> Holes:
    """The pixels in the ellipses of OpenCV, `reach` pixels to all sides, round those of a mask; bool H×W."""
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), shape)) > 0


def known_from_mask(mask: NDArray[Any]) -> NDArray[np.float32]:
    """Turn a uint8 or bool H×W mask (white or True = hole) into known, float32 1×H×W (0 = hole).

    >>> known_from_mask(np.array([[0, 255]], np.uint8))
    array([[[1., 0.]]], dtype=float32)
    """
    return np.logical_not(holes_from_mask(mask))[None].astype(np.float32)


def known_from_holes(hole: Holes) -> NDArray[np.uint8]:
    """Turn bool H×W holes into known, uint8 1×H×W (0 = hole), which becomes float on the device."""
    return np.logical_not(hole)[None].view(np.uint8)


def mask_from_known(known: NDArray[Any]) -> Mask:
    """Turn known, float 1×H×W or H×W (0 = hole), into a uint8 H×W mask (255 = hole).

    >>> mask_from_known(np.array([[1.0, 0.0]]))
    array([[  0, 255]], dtype=uint8)
    """
    plane = known[0] if known.ndim == 3 and known.shape[0] == 1 else known
    if plane.ndim != 2 or plane.dtype.kind != "f":
        raise UsageError(f"known is a float array of 1 x height x width, not {known.dtype} of shape {known.shape}")
    return np.where(plane < 0.5, HOLE, 0).astype(np.uint8)


def composite(photo: TensorOrArray, completed: TensorOrArray, known: TensorOrArray) -> TensorOrArray:
    """Put the completed pixels into the holes of the photo; known pixels stay bit-identical.

    >>> composite(np.array([0.1, 0.2]), np.array([0.8, 0.9]), known=np.array([1, 0]))
    array([0.1, 0.9])

    Args:
        photo: B×3×H×W in [0, 1]; values inside holes are ignored, also NaN.
        completed: B×3×H×W in [0, 1]; only hole pixels are used.
        known: B×1×H×W, exactly 1 (known) or 0 (hole).

    Returns:
        B×3×H×W: known · photo + (1 - known) · completed. Differentiable in photo and completed.
    """
    if isinstance(known, np.ndarray):
        return np.where(known > 0, photo, completed)
    return photo.where(known > 0, completed)


def holes_from_mask(mask: NDArray[Any]) -> Holes:
    """Turn a uint8 or bool H×W mask (white or True = hole) into bool H×W, True = hole; raises `UsageError` for others.

    >>> holes_from_mask(np.array([[0, 127, 128, 255]], np.uint8))
    array([[False, False,  True,  True]])
    """
    if mask.ndim != 2 or mask.size == 0 or mask.dtype not in (np.uint8, np.bool_):
        raise UsageError(f"a mask is a uint8 or bool array of height x width, not {mask.dtype} of shape {mask.shape}")
    return mask if mask.dtype == np.bool_ else mask >= THRESHOLD
