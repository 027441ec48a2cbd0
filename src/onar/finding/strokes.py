"""The strokes of a line of text: the pixels of its letters, not its box.

Letters are thinner than their line is high, and of another colour than what is round them. From the thinnest part of
them, the colours of letters and of ground are estimated at each pixel, and what is nearer to the letters is stroke.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.finding.text_networks import Rgb, TextLine
from onar.inference.windows import Box
from onar.masks.holes import Holes

MARGIN = 0.3
"""Of a line on each side, as a share of its height, in which the ground is seen."""
THICKEST = 0.3
"""Thickness of strokes, as a share of the line's height."""
MIN_CONTRAST = 12
"""Contrast of strokes, in levels of 255."""
STROKE = 0.35
"""Share of the letters' colour in a pixel from which it is stroke."""
ROUNDS = 2

Plane = NDArray[np.float32]


def find_strokes(picture: Rgb, line: TextLine, warm: bool = False) -> tuple[Box, Holes]:
    """The strokes of a line of text.

    Args:
        picture: the photo, H×W×3.
        line: in its pixels.
        warm: of light, as a date stamp: redder than its ground.

    Returns:
        A rectangle of the photo, and the strokes in it, bool of its size.
    """
    place = _place(line, *picture.shape[:2])
    part = picture[place.slices].astype(np.float32)
    inside = np.zeros(part.shape[:2], np.uint8)
    corners = line.corners(0.1) - (place.left, place.top)
    cv2.fillPoly(inside, [np.rint(corners).astype(np.int32)], 1)
    kernel = 2 * max(1, round(THICKEST * line.height / 2)) + 1
    values = part[..., :1] - part[..., 2:] if warm else part
    lighter, darker = _thin(values, kernel, cv2.MORPH_TOPHAT), _thin(values, kernel, cv2.MORPH_BLACKHAT)
    seeds = _seeds(lighter, inside) if warm else _clearer(lighter, darker, inside)
    for _ in range(ROUNDS):
        if not seeds.any() or seeds.all():
            break
        seeds = _nearer_to_letters(part, seeds, inside > 0, line.height)
    return place, seeds


def _place(line: TextLine, height: int, width: int) -> Box:
    """The part of a photo that holds a line and its surroundings."""
    corners = line.corners(MARGIN)
    left, top = np.floor(corners.min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(corners.max(axis=0)).astype(int).tolist()
    top, left = min(max(0, top), height - 1), min(max(0, left), width - 1)
    return Box(top, left, max(top + 1, min(bottom, height)), max(left + 1, min(right, width)))


def _thin(values: Plane, kernel: int, how: int) -> Plane:
    """Contrast of what is thinner than `kernel`, H×W: the largest of the channels of H×W×C."""
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    planes = [cv2.morphologyEx(np.ascontiguousarray(plane), how, shape) for plane in np.moveaxis(values, 2, 0)]
    return np.asarray(np.max(planes, axis=0), np.float32)


def _seeds(contrast: Plane, inside: NDArray[np.uint8]) -> Holes:
    """The clear half of the contrast in a line, by the threshold of Otsu."""
    levels = np.clip(contrast, 0, 255).astype(np.uint8)
    limit, _ = cv2.threshold(levels[inside > 0].reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    return (levels > max(limit, MIN_CONTRAST)) & (inside > 0)


def _clearer(lighter: Plane, darker: Plane, inside: NDArray[np.uint8]) -> Holes:
    """The seeds of light or of dark letters: those that the rim of the line has fewer of."""
    core = cv2.erode(inside, np.ones((3, 3), np.uint8), iterations=max(1, int(min(inside.shape) * 0.12)))
    rim = (inside > 0) & (core == 0)
    both = [_seeds(contrast, inside) for contrast in (lighter, darker)]
    return min(both, key=lambda seeds: _ratio(seeds, rim) / max(1e-3, _ratio(seeds, core > 0)))


def _ratio(seeds: Holes, where: Holes) -> float:
    return float(seeds[where].mean()) if where.any() else 0.0


def _nearer_to_letters(part: Plane, seeds: Holes, inside: Holes, height: float) -> Holes:
    """The pixels of a line whose colour is nearer to that of letters around than to that of the ground around."""
    letters = _spread(part, seeds, 0.5 * height)
    ground = _spread(part, ~cv2.dilate(seeds.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool), 0.25 * height)
    apart = letters - ground
    share = ((part - ground) * apart).sum(axis=2) / np.maximum((apart**2).sum(axis=2), MIN_CONTRAST**2)
    return np.asarray((share > STROKE) & inside)


def _spread(part: Plane, where: Holes, sigma: float) -> Plane:
    """Mean colour of the near pixels of some, H×W×3."""
    weight = cv2.GaussianBlur(where.astype(np.float32), (0, 0), max(1.0, sigma)) + 1e-6
    sums = cv2.GaussianBlur(part * where[..., None], (0, 0), max(1.0, sigma))
    return np.asarray(sums / weight[..., None], np.float32)
