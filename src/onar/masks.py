"""Holes: generated masks, what a mask means, and the composite.

Polarity, stated here and nowhere else. A *mask* is what a person supplies or sees: uint8, H×W,
**white (>= 128) = hole**; in a bool mask True = hole. *known* is what tensor code uses: float32,
1×H×W (B×1×H×W in a batch), **1 = known pixel, 0 = hole**; it is M of Liu et al. 2018, "Image
Inpainting for Irregular Holes Using Partial Convolutions" (ECCV). `known_from_mask` and
`mask_from_known` are the only crossings between the two.

A mask type is a function that draws one shape, registered in `MASK_TYPES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import UsageError

if TYPE_CHECKING:
    import torch

Mask: TypeAlias = NDArray[np.uint8]
Frame = TypeVar("Frame", "torch.Tensor", NDArray[Any])

HOLE = 255
THRESHOLD = 128
REFERENCE_SIZE = 512
"""Shorter side, in pixels, of the photo in which `max_thickness` is measured."""

HOLE_RATIO_RANGES = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
"""The six ranges of hole share, low < share <= high, by which Liu et al. 2018 (section 4.1) group masks."""


class Limits(NamedTuple):
    """How large the next shape may be, in pixels."""

    height: float
    """Tallest rectangle."""
    width: float
    """Widest rectangle. The smaller of `height` and `width` is the longest stroke segment."""
    thickness: float
    """Thickest stroke, at least 1."""
    area: float = float("inf")
    """Pixels the shape may cover, give or take its outline."""


# ---------------------------------------------------------------- mask types


def draw_rectangle(canvas: Mask, rng: np.random.Generator, limits: Limits) -> None:
    """Draw one axis-aligned rectangle with its centre anywhere in the H×W canvas, cut at the border."""
    tall, wide = rng.random(2)
    height, width = limits.height * (0.2 + 0.8 * tall), limits.width * (0.2 + 0.8 * wide)
    shrink = min(1.0, (limits.area / (height * width)) ** 0.5)
    rows, columns = max(1, int(height * shrink)), max(1, int(width * shrink))
    across, down = _pick_place(canvas, rng)
    top, left = int(down) - rows // 2, int(across) - columns // 2
    canvas[max(0, top) : top + rows, max(0, left) : left + columns] = HOLE


def draw_irregular(canvas: Mask, rng: np.random.Generator, limits: Limits) -> None:
    """Draw one brush stroke, arc or cluster of dots, starting anywhere in the H×W canvas."""
    kind = rng.random()
    if kind < 0.65:
        _draw_stroke(canvas, rng, limits)
    elif kind < 0.85:
        _draw_arc(canvas, rng, limits)
    else:
        _draw_dots(canvas, rng, limits)


def draw_mixed(canvas: Mask, rng: np.random.Generator, limits: Limits) -> None:
    """Draw a rectangle one time in four, else an irregular shape."""
    draw = draw_rectangle if rng.random() < 0.25 else draw_irregular
    draw(canvas, rng, limits)


MaskType: TypeAlias = Callable[[Mask, np.random.Generator, Limits], None]

MASK_TYPES: dict[str, MaskType] = {
    "irregular": draw_irregular,
    "rectangle": draw_rectangle,
    "mixed": draw_mixed,
}
"""What `mask_type` can name: functions that draw one shape, of at least one pixel, into a canvas."""


def _draw_stroke(canvas: Mask, rng: np.random.Generator, limits: Limits) -> None:
    """A line of 2 to 8 segments whose heading drifts; a straight scratch when it hardly does."""
    steps = 3  # short steps within a segment, over which it turns: corners become bends
    segments = int(rng.integers(2, 9))
    heading, bend, wander, tremble = rng.random(4)
    turns = 0.7 * (bend - 0.5) + 1.2 * wander**2 * rng.standard_normal(segments)
    headings = 2 * np.pi * heading + (turns / steps).repeat(steps).cumsum()
    headings += 0.8 * tremble**2 * rng.standard_normal(segments * steps)
    lengths = (0.2 + 0.8 * rng.random(segments)) * min(limits.height, limits.width) / steps
    _draw_path(canvas, rng, limits, lengths.repeat(steps) * np.exp(1j * headings))


def _draw_arc(canvas: Mask, rng: np.random.Generator, limits: Limits) -> None:
    """A part of an ellipse's outline, at most one segment wide."""
    size, squeeze, tilt, first, share = rng.random(5)
    angles = 2 * np.pi * (first + np.linspace(0, 0.3 + 0.7 * share, 16))
    ellipse = np.cos(angles) + 1j * (0.4 + 0.6 * squeeze) * np.sin(angles)
    radius = 0.5 * min(limits.height, limits.width) * (0.3 + 0.7 * size)
    _draw_path(canvas, rng, limits, np.diff(ellipse) * radius * np.exp(2j * np.pi * tilt))


def _draw_path(canvas: Mask, rng: np.random.Generator, limits: Limits, steps: NDArray[np.complex128]) -> None:
    """Draw a line of steps x + iy, in pixels, starting anywhere and shortened to fit the area."""
    fraction = rng.random()
    thickness = max(1.0, min(limits.thickness * (0.3 + 0.7 * fraction), 0.7 * limits.area**0.5))
    length = max(0.0, limits.area / (thickness + 1) - thickness)
    path = steps.cumsum() * min(1.0, length / float(np.abs(steps).sum()))
    path += complex(*_pick_place(canvas, rng)) - path[0]
    points = path.view(np.float64).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(canvas, [points], False, HOLE, round(thickness))


def _draw_dots(canvas: Mask, rng: np.random.Generator, limits: Limits) -> None:
    """A cluster of 3 to 12 dots and short dashes, at most one segment wide."""
    count = int(rng.integers(3, 13))
    spread, fraction = rng.random(2)
    thickness = min(limits.thickness * (0.3 + 0.7 * fraction), (limits.area / count / 4) ** 0.5)
    offsets = (rng.random((count, 2)) - 0.5) * min(limits.height, limits.width) * (0.3 + 0.7 * spread)
    offsets[0] = 0  # the centre lies in the photo; the other dots may not
    starts = offsets + _pick_place(canvas, rng)
    ends = starts + (rng.random((count, 2)) - 0.5) * 3 * thickness
    dashes = np.stack([starts, ends], axis=1).astype(np.int32)
    cv2.polylines(canvas, list(dashes), False, HOLE, max(1, round(thickness)))


def _pick_place(canvas: Mask, rng: np.random.Generator) -> tuple[float, float]:
    """Pick a random (x, y), preferably not in a hole yet, so that large shares need fewer shapes."""
    places = (rng.random((4, 2)) * (canvas.shape[1], canvas.shape[0])).tolist()
    for across, down in places:
        if not canvas[int(down), int(across)]:
            break
    return across, down


# ---------------------------------------------------------------- a whole mask


def random_mask(
    height: int,
    width: int,
    mask_type: str = "irregular",
    *,
    rng: np.random.Generator | None = None,
    max_masks: int = 3,
    max_size_ratio: float = 0.3,
    max_thickness: float = 20,
    hole_ratio: tuple[float, float] | None = None,
) -> Mask:
    """Draw a random mask with at least one hole pixel.

    The same generator state gives the same mask, and at another size much the same picture scaled.

    Args:
        height: Rows, at least 1.
        width: Columns, at least 1.
        mask_type: A key of `MASK_TYPES`.
        rng: Where all randomness comes from; a fresh, unseeded generator when None.
        max_masks: Most shapes in the mask; one to this many are drawn.
        max_size_ratio: Longest rectangle side or stroke segment, as a share of the photo's side.
        max_thickness: Thickest stroke, in pixels of a photo whose shorter side is 512.
        hole_ratio: Lowest and highest share of hole pixels, 0 < low <= high < 1. The share is drawn
            evenly between them and met, from below, to a fiftieth of itself (pixels permitting): shapes
            are added until it is, whatever `max_masks` says. For large shares strokes are thicker, up to
            1 + 8 · share times, as in the masks of Liu et al. 2018.

    Returns:
        uint8 H×W mask of 0 and 255 (255 = hole).

    Raises:
        UsageError: An argument is out of its range, or the mask type is unknown.
    """
    _check_arguments(height, width, mask_type, max_masks, max_size_ratio, max_thickness, hole_ratio)
    rng = np.random.default_rng() if rng is None else rng
    canvas = np.zeros((height, width), np.uint8)
    thickness = max(1.0, max_thickness * min(height, width) / REFERENCE_SIZE)
    limits = Limits(max_size_ratio * height, max_size_ratio * width, thickness)
    draw = MASK_TYPES[mask_type]
    if hole_ratio is None:
        for _ in range(int(rng.integers(1, max_masks + 1))):
            draw(canvas, rng, limits)
    else:
        _cover(canvas, rng, draw, limits, hole_ratio)
    return canvas


def _cover(
    canvas: Mask, rng: np.random.Generator, draw: MaskType, limits: Limits, hole_ratio: tuple[float, float]
) -> None:
    """Add shapes until the H×W canvas has a share of holes drawn evenly from the two given ones."""
    low, high = hole_ratio
    close = 0.98  # how much of the target is enough; the last hundredths would take the most shapes
    share, growth = rng.uniform(min(low / close, high), high), rng.random()
    limits = limits._replace(thickness=limits.thickness * (1 + share * (3 + 5 * growth)))
    target = max(1.0, share * canvas.size)
    covered = 0
    while covered < close * target:
        draw(canvas, rng, limits._replace(area=target - covered))
        covered = cv2.countNonZero(canvas)


def _check_arguments(
    height: int,
    width: int,
    mask_type: str,
    max_masks: int,
    max_size_ratio: float,
    max_thickness: float,
    hole_ratio: tuple[float, float] | None,
) -> None:
    if mask_type not in MASK_TYPES:
        raise UsageError(f"mask_type is {' or '.join(MASK_TYPES)}, not {mask_type!r}")
    if height < 1 or width < 1:
        raise UsageError(f"a mask needs a height and a width of at least 1, not {height} x {width}")
    if max_masks < 1 or max_thickness < 1:
        raise UsageError(f"max_masks and max_thickness must be at least 1, not {max_masks} and {max_thickness}")
    if not 0 < max_size_ratio <= 1:
        raise UsageError(f"max_size_ratio must be above 0 and at most 1, not {max_size_ratio}")
    if hole_ratio is not None and not 0 < hole_ratio[0] <= hole_ratio[1] < 1:
        raise UsageError(f"hole_ratio takes two shares, 0 < low <= high < 1, not {hole_ratio}")


# ---------------------------------------------------------------- masks people supply


def hole_share(mask: NDArray[Any]) -> float:
    """Share of hole pixels, 0 to 1, in a uint8 or bool H×W mask."""
    holes = holes_from_mask(mask)
    return float(np.count_nonzero(holes)) / holes.size


def augment_mask(mask: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Flip and rotate an H×W mask at random: one of its eight symmetries, H×W or W×H."""
    turned = np.rot90(mask, int(rng.integers(4)))
    return np.ascontiguousarray(turned[::-1] if rng.random() < 0.5 else turned)


def fit_mask(mask: NDArray[Any], height: int, width: int) -> Mask:
    """Resize a uint8 or bool H×W mask by nearest neighbour, to height×width uint8 of 0 and 255."""
    if height < 1 or width < 1:
        raise UsageError(f"a mask needs a height and a width of at least 1, not {height} x {width}")
    binary = holes_from_mask(mask).astype(np.uint8) * HOLE
    if binary.shape == (height, width):
        return binary
    return np.asarray(cv2.resize(binary, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def known_from_mask(mask: NDArray[Any]) -> NDArray[np.float32]:
    """Turn a uint8 or bool H×W mask (white or True = hole) into known, float32 1×H×W (0 = hole)."""
    return np.logical_not(holes_from_mask(mask))[None].astype(np.float32)


def mask_from_known(known: NDArray[Any]) -> Mask:
    """Turn known, float 1×H×W or H×W (0 = hole), into a uint8 H×W mask (255 = hole)."""
    plane = known[0] if known.ndim == 3 and known.shape[0] == 1 else known
    if plane.ndim != 2 or plane.dtype.kind != "f":
        raise UsageError(f"known is a float array of 1 x height x width, not {known.dtype} of shape {known.shape}")
    return np.where(plane < 0.5, HOLE, 0).astype(np.uint8)


def composite(photo: Frame, completed: Frame, known: Frame) -> Frame:
    """Put the completed pixels into the holes of the photo, leaving known pixels exactly as they are.

    Args:
        photo: B×3×H×W in [0, 1]; what it holds inside the holes does not matter, if finite.
        completed: B×3×H×W in [0, 1], finite everywhere.
        known: B×1×H×W, exactly 1 (known) or 0 (hole).

    Returns:
        B×3×H×W: known · photo + (1 - known) · completed. Differentiable in all three.
    """
    result: Frame = known * photo + (1 - known) * completed
    return result


def holes_from_mask(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Turn a uint8 or bool H×W mask (white or True = hole) into bool H×W, True = hole.

    Raises:
        UsageError: The mask is anything else.
    """
    if mask.ndim != 2 or mask.size == 0 or mask.dtype not in (np.uint8, np.bool_):
        raise UsageError(f"a mask is a uint8 or bool array of height x width, not {mask.dtype} of shape {mask.shape}")
    return mask if mask.dtype == np.bool_ else mask >= THRESHOLD
