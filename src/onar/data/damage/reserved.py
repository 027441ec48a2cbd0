"""Kinds that no training draws: other courses, other textures. Finding is scored on them."""

from __future__ import annotations

import cv2
import numpy as np

from onar.data.damage.curves import placed
from onar.data.damage.lines import creased
from onar.data.damage.marks import Mark, Points, any_place, between, visible_box
from onar.data.damage.spots import filled, rim
from onar.data.damage.strokes import stroke, strokes


def draw_arc(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A scratch along part of an ellipse, fading towards its end."""
    radius, turn = between(rng, 30, 500), rng.uniform(0.3, 1.8)
    angles = np.linspace(0, turn, max(6, int(radius * turn / 5)))
    points = placed(np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.3, 1)], 1) * radius, height, width, rng)
    widths = between(rng, 1, 8) * np.linspace(1, rng.uniform(0.3, 1), len(points) - 1)
    return stroke(points, widths, height, width)


def draw_dashes(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A straight scratch of dashes of equal length."""
    length, dash = between(rng, 60, 600), int(rng.integers(2, 6))
    along = np.linspace(0, length, max(8, int(length / 4)))
    points = placed(np.stack([along, np.zeros_like(along)], 1), height, width, rng)
    kept = np.arange(len(points) - 1) // dash % 2 == 0
    return stroke(points, between(rng, 1, 5), height, width, kept=kept)


def draw_wave(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A hair along a sum of sines."""
    length = between(rng, 40, 250)
    x = np.linspace(0, length, max(8, int(length / 4)))
    y = sum(
        rng.normal(0, length / 8 / order) * np.sin(order * np.pi * x / length + rng.uniform(0, 6))
        for order in (1, 2, 3)
    )
    return stroke(placed(np.stack([x, y], 1), height, width, rng), between(rng, 0.8, 2.4), height, width)


def draw_loop(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A fibre that winds up: a spiral or a cycloid."""
    angles = np.linspace(0, rng.uniform(4, 12), 50)
    radius = between(rng, 3, 20) * (0.4 + angles / angles[-1])
    drift = angles * rng.uniform(0, 6)
    points = np.stack([drift + radius * np.cos(angles), radius * np.sin(angles)], 1)
    return stroke(placed(points, height, width, rng), between(rng, 0.8, 2.6), height, width)


def draw_craquelure(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A net of cracks: the borders of cells round random places."""
    size, centre = between(rng, 20, 90), any_place(height, width, rng)
    left, top, right, bottom = visible_box(centre[None], size, height, width)
    plan = cv2.Subdiv2D((left - 1, top - 1, right - left + 2, bottom - top + 2))
    seeds = rng.uniform((left, top), (right, bottom), (int(rng.integers(4, 12)), 2))
    for seed in seeds:
        plan.insert((float(seed[0]), float(seed[1])))
    facets, _ = plan.getVoronoiFacetList([])
    outlines = [np.vstack([facet, facet[:1]]).astype(np.float64) for facet in facets]
    low, high = (left - size / 2, top - size / 2), (right + size / 2, bottom + size / 2)
    courses = [outline for outline in outlines if ((outline > low) & (outline < high)).all()]
    courses = courses or [outlines[0].clip(low, high)]  # the cells at the rim reach far out
    broad = between(rng, 0.8, 3)
    return strokes(courses, [np.full(len(course) - 1, broad) for course in courses], height, width)


def draw_zigzag(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A crease that goes to and fro."""
    count = int(rng.integers(4, 10))
    x = np.cumsum(rng.uniform(10, 50, count))
    y = np.resize((-1.0, 1.0), count) * rng.uniform(1, 9, count)
    return creased(placed(np.stack([x, y], 1), height, width, rng), between(rng, 1, 6), height, width, rng)


def draw_flake(height: int, width: int, rng: np.random.Generator) -> Mark:
    """Flakes: polygons of three to six sharp corners."""
    outlines = []
    for _ in range(int(rng.integers(1, 6))):
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
        ring = np.stack([np.cos(angles), np.sin(angles)], 1) * between(rng, 1.2, 10)
        outlines.append(any_place(height, width, rng) + ring)
    return filled(outlines, height, width)


def draw_grit(height: int, width: int, rng: np.random.Generator) -> Mark:
    """Grit: square grains of one size, along a band."""
    count, size = int(between(rng, 5, 50)), between(rng, 0.6, 2)
    along = rng.uniform(-0.5, 0.5, (count, 1)) * between(rng, 30, 200)
    direction = rng.normal(0, 1, 2)
    centres = any_place(height, width, rng) + along * direction / np.hypot(*direction) + rng.normal(0, 6, (count, 2))
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * size
    return filled([centre + square for centre in centres], height, width)


def draw_cells(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A blotch of cells, some of which are gone, as where emulsion peels."""
    size, centre = between(rng, 6, 40), any_place(height, width, rng)
    left, top, right, bottom = visible_box(centre[None], size, height, width)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    seeds = rng.uniform((left, top), (right, bottom), (int(rng.integers(6, 24)), 2))
    nearest = np.argmin([(x - seed[0]) ** 2 + (y - seed[1]) ** 2 for seed in seeds], 0)
    gone = np.hypot(*(seeds - centre).T) < size * rng.uniform(0.5, 0.9)
    gone[np.argmin(np.hypot(*(seeds - centre).T))] = True
    return Mark(top, left, gone[nearest].astype(np.float32))


def draw_drop(height: int, width: int, rng: np.random.Generator) -> Mark:
    """The stain of a drop: a ring, darker than what it surrounds."""
    size, centre = between(rng, 5, 35), any_place(height, width, rng)
    left, top, right, bottom = visible_box(centre[None], 1.5 * size + 3, height, width)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    angle, away = np.arctan2(y - centre[1], x - centre[0]), np.hypot(y - centre[1], x - centre[0])
    edge = size * (1 + 0.15 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.1 * np.sin(5 * angle + rng.uniform(0, 6)))
    ring = np.clip(1 - np.abs(away - edge) / between(rng, 1.5, 5), 0, 1)
    inside = rng.uniform(0.15, 0.6) * np.clip(edge - away, 0, 1)
    return Mark(top, left, np.maximum(ring, inside).astype(np.float32))


def draw_sawtooth_rim(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A rim torn in teeth."""
    return rim(height, width, _teeth, rng)


def _teeth(count: int, rng: np.random.Generator) -> Points:
    pitch = between(rng, 6, 40)
    phase = (np.arange(count) + rng.uniform(0, pitch)) / pitch % 1
    return np.asarray(rng.uniform(1, 6) + phase * between(rng, 3, 18))
