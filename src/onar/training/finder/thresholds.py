"""The probabilities from which on pixels are marked, chosen by F1 on validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onar.metrics.finding import Found, count_found

CANDIDATES = tuple(round(0.05 * number, 2) for number in range(2, 20))


HAT_CANDIDATES = tuple(level / 255 for level in range(8, 136, 8))
"""For the response of black-hat and top-hat in [0, 1]."""


def choose_threshold(
    probabilities: NDArray[np.float32], truth: NDArray[np.bool_], candidates: Sequence[float] = CANDIDATES
) -> tuple[float, Found]:
    """The best of the candidates by F1, and what it finds; N×H×W each."""
    scored = [(count_at(probabilities, truth, threshold), threshold) for threshold in candidates]
    found, threshold = max(scored, key=lambda one: (one[0].f1, -abs(one[1] - 0.5)))
    return threshold, found


def count_at(probabilities: NDArray[np.float32], truth: NDArray[np.bool_], threshold: float) -> Found:
    """What a threshold finds in all photos together."""
    counts: Sequence[Found] = [
        count_found(one >= threshold, true) for one, true in zip(probabilities, truth, strict=True)
    ]
    return sum(counts, Found())
