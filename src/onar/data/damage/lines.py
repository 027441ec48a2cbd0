"""Marks that are lines: scratches, hairs, fibres, cracks, creases and folds."""

from __future__ import annotations

import numpy as np

from onar.data.damage.curves import bezier, jagged, placed, straight, wandering
from onar.data.damage.marks import Mark, Points, any_place, between
from onar.data.damage.strokes import gaps, slopes, softened, stroke, strokes, worn

MAX_WIDTH = 8.0


def draw_scratch(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A scratch: straight or curved, whole or broken, sometimes several side by side."""
    course = (straight, straight, bezier, wandering)[rng.integers(4)]
    points = placed(course(between(rng, 20, 600), rng), height, width, rng)
    broad = between(rng, 0.7, MAX_WIDTH)
    kept = gaps(len(points) - 1, rng) if rng.random() < 0.4 else None
    courses = beside(points, rng) if rng.random() < 0.15 else [points]
    mark = strokes(courses, [_changing(broad, len(points) - 1, rng)] * len(courses), height, width, kept)
    return worn(mark, rng, rng.uniform(0, 0.6)) if rng.random() < 0.5 else mark


def draw_hair(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A hair: long, thin and bent, thinner at its ends."""
    course = wandering if rng.random() < 0.7 else bezier
    points = placed(course(between(rng, 30, 250), rng), height, width, rng)
    taper = np.sin(np.linspace(0.15, np.pi - 0.15, len(points) - 1)) ** 0.5
    mark = stroke(points, between(rng, 0.7, 2.6) * taper, height, width)
    return softened(mark, rng.uniform(0.4, 0.9)) if rng.random() < 0.3 else mark


def draw_fibre(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A fibre: short and curly."""
    course = bezier if rng.random() < 0.5 else wandering
    points = placed(course(between(rng, 8, 70), rng), height, width, rng)
    mark = stroke(points, between(rng, 0.7, 3.2), height, width)
    return softened(mark, rng.uniform(0.4, 1.0)) if rng.random() < 0.4 else mark


def draw_crack(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A crack: jagged, with branches."""
    length = between(rng, 20, 300)
    trunk = placed(jagged(length, rng), height, width, rng)
    courses = [trunk]
    for _ in range(int(rng.integers(0, 5))):
        branch = placed(jagged(length * rng.uniform(0.1, 0.5), rng), height, width, rng)
        courses.append(branch - branch[0] + trunk[rng.integers(len(trunk))])
    broad = between(rng, 0.8, 4)
    return strokes(courses, [_changing(broad, len(course) - 1, rng, 0.5) for course in courses], height, width)


def draw_crease(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A crease: a line whose surface is partly gone, with a slope beside it."""
    points = placed(straight(between(rng, 40, 500), rng), height, width, rng)
    return creased(points, between(rng, 1, MAX_WIDTH), height, width, rng)


def draw_fold(height: int, width: int, rng: np.random.Generator) -> Mark:
    """A fold: straight through the whole photo."""
    angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.06) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    reach = np.linspace(-1, 1, 24)[:, None] * np.hypot(height, width)
    points = any_place(height, width, rng) + reach * (np.cos(angle), np.sin(angle)) + rng.normal(0, 0.5, (24, 2))
    return creased(points, between(rng, 0.8, 5), height, width, rng)


def creased(points: Points, broad: float, height: int, width: int, rng: np.random.Generator) -> Mark:
    """A worn stroke with a bright or dark slope on one side."""
    mark = worn(stroke(points, broad, height, width), rng, rng.uniform(0, 0.5))
    levels, side = rng.choice([-1, 1]) * rng.uniform(0, 40), rng.choice([-1, 1]) * broad
    shade = slopes(points, side, between(rng, 2, 8), levels, height, width)
    whole = np.zeros((height, width), np.float32)
    whole[mark.place] = mark.coverage
    return Mark(0, 0, whole, shade)


def beside(points: Points, rng: np.random.Generator) -> list[Points]:
    """Copies of a course, some pixels apart from each other."""
    direction = points[-1] - points[0]
    normal = np.array([-direction[1], direction[0]]) / max(1e-6, float(np.hypot(*direction)))
    return [points + normal * offset for offset in np.cumsum(rng.uniform(3, 14, int(rng.integers(2, 5))))]


def _changing(broad: float, count: int, rng: np.random.Generator, by: float = 0.3) -> Points:
    """Widths that change along the line."""
    knots = broad * (1 + rng.uniform(-by, by, 5))
    return np.clip(np.interp(np.linspace(0, 4, count), np.arange(5), knots), 0.5, MAX_WIDTH)
