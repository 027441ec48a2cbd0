"""Date stamps of cameras: warm light in a corner, in the digits of a display, upright or along a side.

The detector of text overlooks such digits on a busy ground, and the reader cannot read them all. Both see them once all
but the thin warm parts of a photo is gone, and a stamp is known by its place and shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.finding.text_networks import TextLine
from onar.imaging.sheets import Picture, as_rgb, reduced

SEARCHED = 600
"""Side of the photo in which stamps are looked for, in pixels."""
KERNEL = 9
"""Side in pixels, where they are looked for, of what is too thick for a stroke."""
FULL = 120
"""Warmth, in levels of 255, from which a stroke is black to the detector."""
MIN_SCORE = 0.6
"""Detector's score of a stamp, at a sensitivity of 0.5."""
MIN_ASPECT, MAX_HEIGHT = 1.7, 0.27
"""Least width of a stamp by its height, and largest height by the photo's shorter side."""
MAX_GAP = 3.0
"""Between day, month and year, by the height of the digits' boxes."""
MAX_ALONG, MAX_ACROSS = 0.37, 0.17
"""Largest distances of a stamp's centre from the nearest edges, along its line and across, as shares of the photo."""


@dataclass(frozen=True)
class _Place:
    """An upright rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float
    score: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def is_beside(self, other: _Place) -> bool:
        """Whether both may be parts of one line."""
        lower, higher = sorted((self.height, other.height))
        overlap = min(self.bottom, other.bottom) - max(self.top, other.top)
        gap = max(self.left, other.left) - min(self.right, other.right)
        return overlap > lower / 2 and higher < 1.8 * lower and gap < MAX_GAP * higher

    def joined(self, other: _Place) -> _Place:
        """The bounding rectangle of both."""
        return _Place(
            min(self.left, other.left), min(self.top, other.top), max(self.right, other.right),
            max(self.bottom, other.bottom), max(self.score, other.score),
        )  # fmt: skip


def find_stamps(
    picture: Picture, find_lines: Callable[[Picture, int], list[TextLine]], min_score: float
) -> list[TextLine]:
    """The date stamps in a photo, H×W×3.

    Args:
        picture: the photo.
        find_lines: `TextNetworks.find_lines`.
        min_score: least score of a stamp.
    """
    height, width = picture.shape[:2]
    small = reduced(picture, SEARCHED)
    light = np.minimum(255, warmth(small, KERNEL).astype(np.int32) * 255 // FULL).astype(np.uint8)
    print_of_light = as_rgb(255 - light)
    stamps = []
    for turned in (False, True):
        seen = np.ascontiguousarray(np.rot90(print_of_light)) if turned else print_of_light
        for place in _lines_of(find_lines(seen, SEARCHED)):
            if place.score >= min_score and _is_stamp(place, *seen.shape[:2]):
                line = _as_line(place, turned, small.shape[1])
                stamps.append(line.scaled(width / small.shape[1], height / small.shape[0]))
    return stamps


def warmth(picture: Picture, kernel: int) -> NDArray[np.uint8]:
    """Red minus blue of what is thinner than `kernel` pixels and redder than its surroundings: uint8 H×W."""
    smooth = cv2.GaussianBlur(picture, (0, 0), 0.5)
    warm = cv2.subtract(smooth[..., 0], smooth[..., 2])
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    return np.asarray(cv2.morphologyEx(warm, cv2.MORPH_TOPHAT, shape), np.uint8)


def _lines_of(lines: list[TextLine]) -> list[_Place]:
    """Groups of lines side by side, such as day, month and year."""
    places: list[_Place] = []
    for line in lines:
        (left, top), (right, bottom) = line.corners().min(axis=0).tolist(), line.corners().max(axis=0).tolist()
        place = _Place(left, top, right, bottom, line.score)
        while beside := next((other for other in places if other.is_beside(place)), None):
            places.remove(beside)
            place = place.joined(beside)
        places.append(place)
    return places


def _is_stamp(place: _Place, height: int, width: int) -> bool:
    """Whether a line is long and low, and in a corner of a picture."""
    across, along = (place.top + place.bottom) / 2 / height, (place.left + place.right) / 2 / width
    return (
        place.right - place.left >= MIN_ASPECT * place.height
        and place.height <= MAX_HEIGHT * min(height, width)
        and min(along, 1 - along) <= MAX_ALONG
        and min(across, 1 - across) <= MAX_ACROSS
    )


def _as_line(place: _Place, turned: bool, width: int) -> TextLine:
    """A rectangle as a line; `turned` if it is one of the picture turned counterclockwise, which was `width` wide."""
    x, y = (place.left + place.right) / 2, (place.top + place.bottom) / 2
    size = place.right - place.left, place.height
    if not turned:
        return TextLine.of((x, y), size, 0, place.score)
    return TextLine.of((width - y, x), size[::-1], 0, place.score)
