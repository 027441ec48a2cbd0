"""Writing and date stamps in photos: lines of text, and the strokes in them."""

from __future__ import annotations

import numpy as np

from onar.finding.stamps import MIN_SCORE, find_stamps
from onar.finding.strokes import find_strokes
from onar.finding.text_networks import Rgb, TextNetworks
from onar.imaging.levels import Pixels, as_8_bits
from onar.masks.holes import Holes

SIDES = 736, 1472
"""Sides in pixels at which a photo is searched: enlarged up to the first, reduced to the second."""
MIN_LETTERS, SURE = 2, 0.65
"""Least letters of a line, and how surely they are read, at a sensitivity of 0.5: leaves and windows are not read."""
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
        longest = int(np.clip(max(picture.shape[:2]), *SIDES))
        for line in self._networks.find_lines(picture, longest):
            letters, sure = self._networks.read(picture, line)
            if letters >= MIN_LETTERS and sure >= SURE + looser:
                place, strokes = find_strokes(picture, line)
                found[place.slices] |= strokes
        for line in find_stamps(picture, self._networks.find_lines, MIN_SCORE + looser / 2):
            place, strokes = find_strokes(picture, line, warm=True)
            found[place.slices] |= strokes
        return found


def _picture(pixels: Pixels, hidden: Holes | None) -> Rgb:
    """A photo as uint8 H×W×3, with the mean colour where it is hidden."""
    shown = as_8_bits(pixels)
    picture = shown.copy() if shown.ndim == 3 else np.repeat(shown[..., None], 3, axis=2)
    if hidden is not None and hidden.any() and not hidden.all():
        picture[hidden] = picture[~hidden].mean(axis=0)
    return picture
