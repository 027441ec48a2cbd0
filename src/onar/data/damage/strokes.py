"""Curves as strokes of changing width, whole and broken."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.data.damage.marks import Mark, Plane, Points, blurred, clouds, visible_box

FRACTION_BITS = 4  # of places, for OpenCV
MAX_CELL = 24.0


def stroke(
    points: Points, widths: float | Points, height: int, width: int, *, kept: NDArray[np.bool_] | None = None
) -> Mark:
    """A stroke along the points.

    Args:
        points: N×2.
        widths: of the stroke in pixels, one number or one for each of the N - 1 parts; below 1 it covers less.
        height: of the photo.
        width: of the photo.
        kept: which of the N - 1 parts are drawn; all without it.
    """
    return strokes([points], [np.broadcast_to(widths, len(points) - 1)], height, width, kept)


def strokes(
    courses: list[Points], widths: list[Points], height: int, width: int, kept: NDArray[np.bool_] | None = None
) -> Mark:
    """Several strokes as one mark; see `stroke`."""
    broadest = max(float(np.max(one)) for one in widths)
    left, top, right, bottom = visible_box(np.concatenate(courses), broadest + 2, height, width)
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    for points, own in zip(courses, widths, strict=True):
        fixed = np.rint((points - (left, top)) * (1 << FRACTION_BITS)).astype(np.int32)
        thickness = np.maximum(1, np.rint(own)).astype(int)
        thickness[~kept if kept is not None else np.zeros(len(own), bool)] = 0
        _draw_runs(canvas, fixed, thickness, 255 * np.clip(own, 0.3, 1))
    return Mark(top, left, canvas.astype(np.float32) / np.float32(255))


def _draw_runs(canvas: NDArray[np.uint8], fixed: NDArray[np.int32], thickness: NDArray[np.int64], grey: Points) -> None:
    """Draw the parts, those of equal thickness that follow each other in one call."""
    ends = [*(1 + np.flatnonzero(np.diff(thickness))), len(thickness)]
    start = 0
    for end in ends:
        if thickness[start]:
            run = fixed[start : end + 1].reshape(-1, 1, 2)
            level = float(grey[start:end].mean())
            cv2.polylines(canvas, [run], False, level, int(thickness[start]), cv2.LINE_AA, FRACTION_BITS)
        start = end


def gaps(count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which of the parts of a broken line are drawn: runs of some, at least one of them."""
    switches = rng.random(count) < rng.uniform(0.08, 0.4)
    kept = (np.cumsum(switches) + rng.integers(2)) % 2 == 0
    kept[rng.integers(count)] = True
    return np.asarray(kept)


def worn(mark: Mark, rng: np.random.Generator, least: float = 0.0) -> Mark:
    """The mark with a coverage that changes from place to place; `least` of it stays everywhere."""
    height, width = mark.coverage.shape
    noise = clouds(height, width, rng.uniform(2, MAX_CELL), rng)
    share = np.clip((noise - rng.uniform(0, 0.4)) * 2, least, 1).astype(np.float32)
    return Mark(mark.top, mark.left, mark.coverage * share, mark.shade)


def softened(mark: Mark, sigma: float) -> Mark:
    """The mark out of focus, as coverage inside its box."""
    return Mark(mark.top, mark.left, blurred(mark.coverage, sigma), mark.shade)


def slopes(points: Points, side: float, width: float, levels: float, height: int, photo_width: int) -> Plane:
    """The soft shade along one side of a crease, H×W in levels: `side` pixels away, about `width` wide."""
    direction = points[-1] - points[0]
    normal = np.array([-direction[1], direction[0]]) / max(1e-6, float(np.hypot(*direction)))
    canvas = np.zeros((height, photo_width), np.float32)
    fixed = np.rint((points + side * normal) * (1 << FRACTION_BITS)).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(canvas, [fixed], False, 1.0, max(1, round(width)), cv2.LINE_8, FRACTION_BITS)
    return blurred(canvas, max(0.5, width / 2)) * np.float32(levels)
