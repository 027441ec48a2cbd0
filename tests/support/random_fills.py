"""Random photos and holes: tiny, odd and narrow ones, with holes from border to border, in corners, and nearly all."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.weights.bundled import bundled_photos

Bytes = NDArray[np.uint8]
Holes = NDArray[np.bool_]


def random_size(rng: np.random.Generator, longest: int) -> tuple[int, int]:
    """Height and width: tiny, a strip or a column up to `longest`, or anything up to half of that."""
    kind = rng.integers(4)
    if kind == 0:
        return int(rng.integers(1, 12)), int(rng.integers(1, 12))
    if kind == 1:
        return int(rng.integers(9, longest // 2)), int(rng.integers(9, longest // 2))
    narrow, long = int(rng.integers(1, 48)), int(rng.integers(48, longest))
    return (narrow, long) if kind == 2 else (long, narrow)


def random_photo(height: int, width: int, rng: np.random.Generator) -> Bytes:
    """A bundled photo scaled or cropped, as it is or light, or light paper with dark lines of text."""
    kind = rng.integers(4)
    if kind == 0:
        return _paper(height, width, rng)
    photo = _bundled(int(rng.integers(6)))
    if kind == 1 and photo.shape[0] >= height and photo.shape[1] >= width:
        top, left = rng.integers(photo.shape[0] - height + 1), rng.integers(photo.shape[1] - width + 1)
        return photo[top : top + height, left : left + width].copy()
    scaled = np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA))
    return (155 + 0.39 * scaled).astype(np.uint8) if kind == 3 else scaled


@cache
def _bundled(number: int) -> Bytes:
    path = sorted(bundled_photos().glob("*.jpg"))[number]
    return np.asarray(Image.open(path).convert("RGB"))


def _paper(height: int, width: int, rng: np.random.Generator) -> Bytes:
    paper = np.full((height, width, 3), rng.integers(215, 250), np.uint8)
    scale = max(0.25, height / 80)
    for row in range(int(20 * scale), height + int(10 * scale), int(28 * scale) + 4):
        cv2.putText(paper, "lorem ipsum dolor " * 8, (2, row), cv2.FONT_HERSHEY_SIMPLEX, scale, (40, 40, 60))
    return paper


def random_hole(height: int, width: int, rng: np.random.Generator) -> Holes:
    """A band from border to border, a rectangle in a corner, at an edge or anywhere, all but a rim, discs, or all."""
    hole = np.zeros((height, width), bool)
    kind = rng.integers(20)
    if kind < 6:
        hole[_span(height, rng) if kind < 3 else slice(None), _span(width, rng) if kind >= 3 else slice(None)] = True
    elif kind < 13:
        hole[_span(height, rng, rng.integers(-1, 2)), _span(width, rng, rng.integers(-1, 2))] = True
    elif kind < 16:
        rim, sides = int(rng.integers(1, 9)), rng.integers(0, 2, 4)
        hole[sides[0] * rim : height - sides[1] * rim, sides[2] * rim : width - sides[3] * rim] = True
    elif kind < 19:
        drawn = np.zeros(hole.shape, np.uint8)
        for _ in range(int(rng.integers(1, 4))):
            centre = int(rng.integers(width)), int(rng.integers(height))
            cv2.circle(drawn, centre, int(rng.integers(1, 2 + max(height, width) // 3)), 1, -1)
        hole = drawn > 0
    else:
        hole[:] = True
        hole[rng.integers(height), rng.integers(width)] = rng.random() < 0.5
    return hole


def letters(rng: np.random.Generator) -> Holes:
    """A line of letters and digits, each painted over with a brush."""
    drawn = np.zeros((120, 400), np.uint8)
    text = "".join(rng.choice(list("0123456789:/AKMW"), 8))
    cv2.putText(drawn, text, (10, 90), cv2.FONT_HERSHEY_SIMPLEX, 2, 1, int(rng.integers(8, 30)))
    return drawn > 0


def _span(side: int, rng: np.random.Generator, end: int = 0) -> slice:
    """A part of a side; at its start for -1, at its end for 1."""
    length = int(rng.integers(1, side + 1))
    start = {-1: 0, 0: int(rng.integers(side - length + 1)), 1: side - length}[int(end)]
    return slice(start, start + length)
