"""The shapes that holes are made of: `draw_NAME` of a mask type draws one, of at least one pixel.

The canvas is uint8 H×W, white (255) = hole; `onar.masks.generation` combines shapes to a mask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.errors import UsageError
from onar.masks.defaults import MASK_TYPES

Mask: TypeAlias = NDArray[np.uint8]
Outline: TypeAlias = NDArray[np.complex128]
"""Points x + iy of a closed polygon."""

HOLE = 255


class Limits(NamedTuple):
    """Maximum size of the next shape, in pixels."""

    height: float
    """Height of rectangles."""
    width: float
    """Width of rectangles. The smaller of `height` and `width` is the length of stroke segments."""
    thickness: float
    """Thickness of strokes, at least 1."""
    area: float = float("inf")
    """Pixels that the shape covers, not counting its outline."""


def draw_rectangle(canvas: Mask, rng: np.random.Generator, limits: Limits) -> None:
    """Draw one axis-aligned rectangle with its centre anywhere in the H×W canvas, clipped at the border."""
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


def draw_object(canvas: Mask, rng: np.random.Generator, limits: Limits) -> None:
    """Draw one filled outline, like that of a removed object: ellipse, blob, convex hull or human figure."""
    kind = rng.random()
    if kind < 0.2:
        parts = [_ellipse(rng)]
    elif kind < 0.45:
        parts = [_blob(rng)]
    elif kind < 0.65:
        parts = [_hull(rng)]
    else:
        parts = _figure(rng)
    _fill_outlines(canvas, rng, limits, parts)


def draw_mixed(canvas: Mask, rng: np.random.Generator, limits: Limits) -> None:
    """Draw a rectangle one time in four, else an irregular shape."""
    draw = draw_rectangle if rng.random() < 0.25 else draw_irregular
    draw(canvas, rng, limits)


DrawShape: TypeAlias = "Callable[[Mask, np.random.Generator, Limits], None]"  # as text, which imports no np.random


def shape_of(mask_type: str) -> DrawShape:
    """The function that draws a shape of a mask type; raises `UsageError` for other names."""
    if mask_type not in MASK_TYPES:
        raise UsageError(f"mask_type is {' or '.join(MASK_TYPES)}, not {mask_type!r}")
    draw: DrawShape = globals()[f"draw_{mask_type}"]
    return draw


def _draw_stroke(canvas: Mask, rng: np.random.Generator, limits: Limits) -> None:
    """A line of 2 to 8 segments whose heading drifts, or a nearly straight scratch."""
    steps = 3  # within a segment, over which it turns: corners become bends
    segments = int(rng.integers(2, 9))
    heading, bend, wander, tremble = rng.random(4)
    turns = 0.7 * (bend - 0.5) + 1.2 * wander**2 * rng.standard_normal(segments)
    headings = 2 * np.pi * heading + (turns / steps).repeat(steps).cumsum()
    headings += 0.8 * tremble**2 * rng.standard_normal(segments * steps)
    lengths = (0.2 + 0.8 * rng.random(segments)) * min(limits.height, limits.width) / steps
    _draw_path(canvas, rng, limits, lengths.repeat(steps) * np.exp(1j * headings))


def _draw_arc(canvas: Mask, rng: np.random.Generator, limits: Limits) -> None:
    """An arc of an ellipse, at most one segment wide."""
    size, squeeze, tilt, first, share = rng.random(5)
    angles = 2 * np.pi * (first + np.linspace(0, 0.3 + 0.7 * share, 16))
    ellipse = np.cos(angles) + 1j * (0.4 + 0.6 * squeeze) * np.sin(angles)
    radius = 0.5 * min(limits.height, limits.width) * (0.3 + 0.7 * size)
    _draw_path(canvas, rng, limits, np.diff(ellipse) * radius * np.exp(2j * np.pi * tilt))


def _draw_path(canvas: Mask, rng: np.random.Generator, limits: Limits, steps: NDArray[np.complex128]) -> None:
    """Draw a line of steps x + iy, in pixels, from a random place, shortened to fit the area."""
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


def _ellipse(rng: np.random.Generator, points: int = 96) -> Outline:
    """An ellipse of radius 1 along one axis and 0.3 to 1 along the other."""
    angles = 2 * np.pi * np.arange(points) / points
    return np.cos(angles) + 1j * rng.uniform(0.3, 1) * np.sin(angles)


def _blob(rng: np.random.Generator) -> Outline:
    """An ellipse whose radius varies smoothly with the angle."""
    ellipse = _ellipse(rng)
    waves = np.arange(1, 8)[:, None]
    size, phase = 0.3 * rng.standard_normal(waves.shape) / waves, 2 * np.pi * rng.random(waves.shape)
    swing = (size * np.cos(waves * np.linspace(0, 2 * np.pi, len(ellipse), endpoint=False) + phase)).sum(axis=0)
    blob: Outline = ellipse * np.clip(1 + swing, 0.3, 2.2)
    return blob


def _hull(rng: np.random.Generator) -> Outline:
    """The convex hull of 4 to 9 points."""
    corners = rng.standard_normal((int(rng.integers(4, 10)), 2)).astype(np.float32)
    outline: Outline = cv2.convexHull(corners).astype(np.float64).view(np.complex128).ravel()
    return outline


def _figure(rng: np.random.Generator) -> list[Outline]:
    """Head, trunk and two legs of a standing or leaning person."""
    width, stride, lift, lean = rng.random(4)
    trunk = 0.3 + 0.4 * width
    circle = np.exp(2j * np.pi * np.arange(48) / 48)
    head = 0.28 * _ellipse(rng) - 1.45j
    body = trunk * circle.real + 1j * (0.8 * circle.imag - 0.45)
    legs = [
        side * (0.5 * trunk + 0.25 * stride * (circle.imag + 1))
        + 0.22 * circle.real
        + 1j * ((0.75 - 0.4 * lift * (side > 0)) * circle.imag + 0.8)
        for side in (-1, 1)
    ]
    return [np.exp(0.6j * (lean - 0.5)) * part for part in (head, body, *legs)]


def _fill_outlines(canvas: Mask, rng: np.random.Generator, limits: Limits, parts: list[Outline]) -> None:
    """Fill the outlines of one shape, scaled to the limits, with its centre anywhere in the canvas."""
    size, turn, upright = rng.random(3)
    turned = [np.exp(1j * (0.6 * (turn - 0.5) if upright < 0.5 else 2 * np.pi * turn)) * part for part in parts]
    points = np.concatenate(turned)
    scale = (0.3 + 0.7 * size) * min(limits.width / np.ptp(points.real), limits.height / np.ptp(points.imag))
    area = sum(abs(float((part.conj() * np.roll(part, -1)).imag.sum())) / 2 for part in turned)
    scale = min(scale, (limits.area / area) ** 0.5)
    across, down = _pick_place(canvas, rng)
    canvas[int(down), int(across)] = HOLE  # at least one pixel
    place = complex(across, down) - scale * points.mean()
    for part in turned:
        outline = (scale * part + place).view(np.float64).round().astype(np.int32).reshape(-1, 1, 2)
        cv2.fillPoly(canvas, [outline], HOLE)


def _pick_place(canvas: Mask, rng: np.random.Generator) -> tuple[float, float]:
    """Pick a random (x, y), preferably outside of holes, so that large shares need fewer shapes."""
    places = (rng.random((4, 2)) * (canvas.shape[1], canvas.shape[0])).tolist()
    for across, down in places:
        if not canvas[int(down), int(across)]:
            break
    return across, down
