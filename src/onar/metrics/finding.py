"""Precision, recall and F1 of found damage, at a tolerance."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from onar.masks.holes import near

TOLERANCE = 2
"""Pixels by which found and true damage may lie apart."""


class Found(NamedTuple):
    """Counts of pixels, which add up over photos."""

    marked: int = 0
    right: int = 0  # of those marked, near true damage
    true: int = 0
    hit: int = 0  # of the true ones, near marked pixels

    def __add__(self, other: Found) -> Found:  # type: ignore[override]
        return Found(*(one + two for one, two in zip(self, other, strict=True)))

    @property
    def precision(self) -> float:
        """Share of marked pixels that are right; 1 where none is marked."""
        return self.right / self.marked if self.marked else 1.0

    @property
    def recall(self) -> float:
        """Share of true pixels that are hit; 1 where there are none."""
        return self.hit / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def count_found(marked: NDArray[np.bool_], truth: NDArray[np.bool_], tolerance: int = TOLERANCE) -> Found:
    """Compare marked pixels with true ones, both bool H×W.

    A marked pixel is right if there is a true one within `tolerance` pixels, and a true one is hit if there is a
    marked one.

    >>> truth = np.zeros((9, 9), bool)
    >>> truth[4] = True
    >>> count_found(np.roll(truth, 2, 0), truth).f1, count_found(np.roll(truth, 3, 0), truth).f1
    (1.0, 0.0)
    """
    near_truth, near_marked = near(truth, tolerance), near(marked, tolerance)
    return Found(
        int(marked.sum()), int((marked & near_truth).sum()), int(truth.sum()), int((truth & near_marked).sum())
    )


HAT_SIDE = 9
"""Of the structuring element, so that lines of up to 8 pixels are found."""


def hat_response(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The larger of black-hat and top-hat of a photo's grey, uint8 H×W×3 -> H×W: the baseline of tutorials.

    What is darker or brighter than its surroundings and thinner than `HAT_SIDE` has a high value; a threshold on it
    marks scratches and specks, and all else that is thin.
    """
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (HAT_SIDE, HAT_SIDE))
    hats = (cv2.morphologyEx(grey, operation, disc) for operation in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT))
    return np.asarray(np.maximum(*hats), np.uint8)
