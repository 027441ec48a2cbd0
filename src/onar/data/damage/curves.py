"""Courses of lines: points about 5 pixels apart, from the origin on to the right; and how they are placed."""

from __future__ import annotations

import numpy as np

from onar.data.damage.marks import Points, any_place

STEP = 5.0  # pixels from point to point


def placed(points: Points, height: int, width: int, rng: np.random.Generator) -> Points:
    """The points turned by any angle, with their middle anywhere in the photo."""
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = points[len(points) // 2]
    return np.asarray((points - middle) @ turn + any_place(height, width, rng))


def straight(length: float, rng: np.random.Generator) -> Points:
    """A line with a slight bow and tremor."""
    along = np.linspace(0, 1, _count(length))
    bow = rng.normal(0, 0.06) * 4 * along * (1 - along)
    tremor = np.cumsum(rng.normal(0, 0.12, len(along))) * (rng.random() < 0.5)
    return np.stack([along * length, bow * length + tremor], 1)


def bezier(length: float, rng: np.random.Generator) -> Points:
    """A cubic Bézier curve."""
    t = np.linspace(0, 1, _count(length))[:, None]
    control = np.cumsum(rng.normal(0, 0.35, (4, 2)) * length + (0.2 * length, 0), 0)
    weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
    return np.asarray(sum(weight * point for weight, point in zip(weights, control, strict=True)))


def wandering(length: float, rng: np.random.Generator) -> Points:
    """A curve whose bend changes slowly, like that of a hair."""
    count = _count(length)
    bend = rng.normal(0, 0.1) + np.cumsum(rng.normal(0, rng.uniform(0.01, 0.06), count))
    return _walk(np.cumsum(bend), length / count)


def jagged(length: float, rng: np.random.Generator) -> Points:
    """A line of short straight parts, like that of a crack."""
    count = _count(length)
    corners = rng.random(count) < rng.uniform(0.3, 0.8)
    turns = np.where(corners, rng.normal(0, 0.6, count), 0)
    return _walk(np.cumsum(turns) * 0.7, length / count)


def _walk(headings: Points, step: float) -> Points:
    return np.cumsum(np.stack([np.cos(headings), np.sin(headings)], 1) * step, 0)


def _count(length: float) -> int:
    return max(4, round(length / STEP))
