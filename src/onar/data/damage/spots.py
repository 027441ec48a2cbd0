"""Marks that are spots: specks, dust, blotches and torn rims."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np

from onar.data.damage.marks import Mark, Points, any_place, between, clouds, visible_box
from onar.data.damage.strokes import FRACTION_BITS, worn

EdgeShape: TypeAlias = "Callable[[int, np.random.Generator], Points]"  # as text, which imports no np.random
"""Draws depths along a side of that many pixels."""

SCALE = 1 << FRACTION_BITS
OUTLINE = np.linspace(0, 2 * np.pi, 14, endpoint=False)


def draw_speck(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A speck: a small, roughly round spot."""
    return filled([lumpy(any_place(height, width, rng), between(rng, 0.7, 6), rng)], height, width)


def draw_dust(height: int, width: int, rng: np.random.Generator) -> Mark:
    """Dust: many tiny specks, over all the photo or in a cluster."""
    count = int(between(rng, 4, 60))
    spread = between(rng, 10, 100)
    centres = any_place(height, width, rng) + rng.normal(0, spread, (count, 2))
    sizes = np.exp(rng.normal(np.log(between(rng, 0.6, 1.5)), 0.4, count)).clip(0.5, 4)
    return filled([lumpy(place, size, rng) for place, size in zip(centres, sizes, strict=True)], height, width)


def draw_blotch(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A blotch where emulsion is gone or stained: any shape, with a hard or soft edge."""
    size = between(rng, 3, 45)
    centre = any_place(height, width, rng)
    left, top, right, bottom = visible_box(centre[None], 1.6 * size + 2, height, width)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    away = np.hypot((x - centre[0]) * rng.uniform(0.6, 1.6), y - centre[1]) / np.float32(size)
    noise = clouds(bottom - top, right - left, max(2.0, size * rng.uniform(0.3, 0.9)), rng)
    field = 1 - away + (noise - 0.5) * np.float32(rng.uniform(0.5, 1.6))
    if rng.random() < 0.5:
        field += (clouds(bottom - top, right - left, max(1.5, size / 8), rng) - 0.5) * np.float32(0.3)
    hardness = size / between(rng, 0.8, max(1.0, size / 3))
    mark = Mark(top, left, np.clip(field * hardness + 0.5, 0, 1).astype(np.float32))
    return worn(mark, rng, rng.uniform(0.3, 1)) if rng.random() < 0.4 else mark


def draw_torn_rim(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A torn rim: paper along one side of the photo, or at a corner."""
    return rim(height, width, rough_edge, rng)


def rim(height: int, width: int, edge: EdgeShape, rng: np.random.Generator) -> Mark:
    """Pixels beyond an edge along one side, whose depths `edge` draws."""
    turns = int(rng.integers(4))
    along, across = (height, width) if turns % 2 else (width, height)
    depths = edge(along, rng)
    if rng.random() < 0.3:  # a corner: the depth falls to nothing
        depths = depths + between(rng, 10, 60) - np.arange(along) * rng.uniform(0.3, 2)
    rows = min(across, max(1, int(np.ceil(depths.max())) + 2))
    coverage = np.clip(depths[None] - np.arange(rows)[:, None], 0, 1).astype(np.float32)
    whole = np.zeros((across, along), np.float32)
    whole[:rows] = coverage
    return Mark(0, 0, np.ascontiguousarray(np.rot90(whole, turns)))


def rough_edge(count: int, rng: np.random.Generator) -> Points:
    """Depths of a torn edge along a side: coarse and fine noise."""
    depths = np.full(count, rng.uniform(-4, 16))
    for cell, height in ((60, rng.uniform(2, 14)), (12, rng.uniform(1, 5)), (2, rng.uniform(0, 2))):
        depths += (clouds(1, count, cell, rng)[0] - 0.5) * 2 * height
    return np.asarray(depths)


def lumpy(centre: Points, size: float, rng: np.random.Generator) -> Points:
    """The outline of a roughly round spot of that radius."""
    radii = size * (1 + rng.uniform(0.05, 0.35) * rng.standard_normal(len(OUTLINE)).clip(-1.5, 1.5))
    stretch = between(rng, 1, 2.2)
    angle = rng.uniform(0, np.pi)
    x, y = radii * np.cos(OUTLINE) * stretch, radii * np.sin(OUTLINE) / stretch**0.5
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(centre + np.stack([x * cos - y * sin, x * sin + y * cos], 1))


def filled(outlines: list[Points], height: int, width: int) -> Mark:
    """Filled polygons as one mark."""
    left, top, right, bottom = visible_box(np.concatenate(outlines), 2, height, width)
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    for outline in outlines:
        fixed = np.rint((outline - (left, top)) * SCALE).astype(np.int32).reshape(-1, 1, 2)
        cv2.fillPoly(canvas, [fixed], 255, cv2.LINE_AA, FRACTION_BITS)
    return Mark(top, left, canvas.astype(np.float32) / np.float32(255))
