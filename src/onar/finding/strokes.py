"""The strokes of a line of text: the pixels of its letters, not its box.

Letters are thinner than their line is high, and of another colour than what is round them. From the thinnest part of
them, the colours of letters and of ground are estimated at each pixel, and what is nearer to the letters is stroke.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.finding.text_networks import TextLine
from onar.imaging.sheets import Picture
from onar.inference.windows import Box
from onar.masks.holes import Holes, near

MARGIN = 0.3
"""Of a line on each side, as a share of its height, in which the ground is seen."""
LENGTHENED = 1.2
"""Of a date stamp at each end, by its height: the detector overlooks single digits."""
THICKEST = 0.3
"""Thickness of strokes, as a share of the line's height."""
MIN_CONTRAST = 12
"""Contrast of strokes, in levels of 255."""
STROKE = 0.35
"""Share of the letters' colour in a pixel from which it is stroke."""
GLOW = 0.2
"""The same for light, whose edges are softer."""
DIMMER = 0.75
"""Share of Otsu's threshold for light: dots and colons are dimmer than digits."""
OTHER = 0.6
"""Largest difference of a stroke from all mixtures of both colours, as a share of their difference."""
ROUNDS = 2

Contrast = NDArray[np.float32]


def find_letters(picture: Picture, line: TextLine) -> tuple[Box, list[Holes]]:
    """The strokes of a line of text, if its letters are lighter than their ground, and if they are darker.

    Args:
        picture: the photo, H×W×3.
        line: in its pixels.

    Returns:
        A rectangle of the photo, and both sets of strokes in it, bool of its size.
    """
    place, part, inside, kernel = _seen(picture, line)
    both = []
    for how in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        seeds = _seeds(_thin(part, kernel, how), inside)
        strokes = seeds
        for _ in range(ROUNDS):
            if strokes.any() and not strokes.all():
                strokes = _nearer_to_letters(part, strokes, inside > 0, line.height) & near(seeds, kernel // 4)
        both.append(strokes)
    return place, both


def find_light(picture: Picture, line: TextLine) -> tuple[Box, Holes]:
    """The strokes of a date stamp, which are redder than their ground; see `find_letters`."""
    longer = replace(line, width=line.width + 2 * LENGTHENED * line.height)
    place, part, inside, kernel = _seen(picture, longer)
    contrast = _thin(part[..., :1] - part[..., 2:], kernel, cv2.MORPH_TOPHAT)
    return place, _with_soft_edges(contrast, _seeds(contrast, inside, DIMMER), inside > 0, line.height)


def _seen(picture: Picture, line: TextLine) -> tuple[Box, Contrast, NDArray[np.uint8], int]:
    """The surroundings of a line, their pixels, 1 inside of the line, and the side of what is too thick for strokes."""
    place = _place(line, *picture.shape[:2])
    part = picture[place.slices].astype(np.float32)
    inside = np.zeros(part.shape[:2], np.uint8)
    corners = line.corners(0.1) - (place.left, place.top)
    cv2.fillPoly(inside, [np.rint(corners).astype(np.int32)], 1)
    return place, part, inside, 2 * max(1, round(THICKEST * line.height / 2)) + 1


def _place(line: TextLine, height: int, width: int) -> Box:
    """The part of a photo that holds a line and its surroundings."""
    corners = line.corners(MARGIN)
    left, top = np.floor(corners.min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(corners.max(axis=0)).astype(int).tolist()
    top, left = min(max(0, top), height - 1), min(max(0, left), width - 1)
    return Box(top, left, max(top + 1, min(bottom, height)), max(left + 1, min(right, width)))


def _thin(values: Contrast, kernel: int, how: int) -> Contrast:
    """Contrast of what is thinner than `kernel`, H×W: the largest of the channels of H×W×C."""
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    planes = [cv2.morphologyEx(np.ascontiguousarray(plane), how, shape) for plane in np.moveaxis(values, 2, 0)]
    return np.asarray(np.max(planes, axis=0), np.float32)


def _seeds(contrast: Contrast, inside: NDArray[np.uint8], share: float = 1.0) -> Holes:
    """The clear half of the contrast in a line, by a share of the threshold of Otsu."""
    levels = np.clip(contrast, 0, 255).astype(np.uint8)
    limit, _ = cv2.threshold(levels[inside > 0].reshape(-1, 1), 0, 255, cv2.THRESH_OTSU)
    return (levels > max(share * limit, MIN_CONTRAST)) & (inside > 0)


def _with_soft_edges(contrast: Contrast, seeds: Holes, inside: Holes, height: float) -> Holes:
    """The pixels of a line whose contrast is a share of that of the seeds around."""
    reach = max(2, round(0.1 * height))
    clear = _spread(contrast[..., None], seeds, 0.5 * height)[..., 0]
    return np.asarray((contrast > np.maximum(GLOW * clear, MIN_CONTRAST)) & inside & near(seeds, reach))


def _nearer_to_letters(part: Contrast, seeds: Holes, inside: Holes, height: float) -> Holes:
    """The pixels of a line whose colour is nearer to that of letters around than to that of the ground around."""
    letters = _spread(part, seeds, 0.5 * height)
    ground = _spread(part, ~cv2.dilate(seeds.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool), 0.25 * height)
    apart = letters - ground
    squared = np.maximum((apart**2).sum(axis=2), MIN_CONTRAST**2)
    share = ((part - ground) * apart).sum(axis=2) / squared
    other = ((part - ground - share[..., None] * apart) ** 2).sum(axis=2)
    return np.asarray((share > STROKE) & (other < OTHER**2 * squared) & inside)


def _spread(part: Contrast, where: Holes, sigma: float) -> Contrast:
    """Mean of the near pixels of some, H×W×C."""
    weight = cv2.GaussianBlur(where.astype(np.float32), (0, 0), max(1.0, sigma)) + 1e-6
    sums = cv2.GaussianBlur(part * where[..., None], (0, 0), max(1.0, sigma)).reshape(part.shape)
    return np.asarray(sums / weight[..., None], np.float32)
