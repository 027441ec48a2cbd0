"""Writing and date stamps in photos: lines of text, and the strokes in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from onar.finding.stamps import MIN_SCORE, find_stamps
from onar.finding.strokes import find_letters, find_light
from onar.finding.text_networks import TextLine, TextNetworks
from onar.imaging.levels import Pixels, as_8_bits
from onar.imaging.sheets import Picture, as_rgb
from onar.inference.windows import Box
from onar.masks.holes import Holes

SIDES = 736, 1472
"""Sides in pixels at which a photo is searched: enlarged up to the first, reduced to the second."""
MIN_LETTERS, SURE = 2, 0.7
"""Least letters of a line, and how surely they are read, at a sensitivity of 0.5: leaves and windows are not read."""
MAX_HEIGHT = 0.3
"""Height of a line, as a share of the photo's shorter side."""
MAX_STAMPED = 0.5
"""Share of a line from which it is part of a stamp, whose strokes are found by their light."""
RANGE = 0.5
"""Change of both limits from one end of `sensitivity` to the other."""


class TextFinder:
    """Finds text; raises `MissingExtraError` when its networks are not installed."""

    def __init__(self, threads: int = 0) -> None:
        self._networks = TextNetworks(threads)

    def find(self, pixels: Pixels, hidden: Holes | None, sensitivity: float) -> Holes:
        """The strokes of all text: bool H×W; arguments as for `DamageNetwork.find`."""
        picture = _picture(pixels, hidden)
        found = np.zeros(pixels.shape[:2], bool)
        looser = RANGE * (0.5 - sensitivity)
        stamped = np.zeros(pixels.shape[:2], bool)
        for stamp in find_stamps(picture, self._networks.find_lines, MIN_SCORE + looser / 2):
            place, strokes = find_light(picture, stamp)
            found[place.slices] |= strokes
            stamped[place.slices] = True
        for line in self._lines(picture, SURE + looser):
            place, both = find_letters(picture, line)
            if stamped[place.slices].mean() < MAX_STAMPED:
                found[place.slices] |= max(both, key=lambda strokes: self._surely(strokes, line, place))
        return found

    def _lines(self, picture: Picture, sure: float) -> Iterator[TextLine]:
        """The lines that can be read as surely as that."""
        longest = int(np.clip(max(picture.shape[:2]), *SIDES))
        for line in self._networks.find_lines(picture, longest):
            if line.height <= MAX_HEIGHT * min(picture.shape[:2]):
                letters, surely = self._networks.read(picture, line)
                if letters >= MIN_LETTERS and surely >= sure:
                    yield line

    def _surely(self, strokes: Holes, line: TextLine, place: Box) -> float:
        """How surely a line can be read in its strokes alone, in a rectangle of the photo."""
        printed = as_rgb(np.where(strokes, 0, 255).astype(np.uint8))
        x, y = line.centre
        letters, surely = self._networks.read(printed, replace(line, centre=(x - place.left, y - place.top)))
        return min(letters, MIN_LETTERS) + surely


def _picture(pixels: Pixels, hidden: Holes | None) -> Picture:
    """A photo as uint8 H×W×3, with the mean colour where it is hidden."""
    picture = as_rgb(as_8_bits(pixels))
    if hidden is not None and hidden.any() and not hidden.all():
        picture[hidden] = picture[~hidden].mean(axis=0)
    return picture
