"""The probabilities above which pixels are marked, chosen by F1 on validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from onar.metrics.finding import Found, count_found

CANDIDATES = (*(round(0.05 * number, 2) for number in range(2, 20)), 0.98)
NEARLY = 0.01
"""A threshold is nearly as good with an F1 lower by this: the highest of those is taken, which marks the least."""


HAT_CANDIDATES = tuple(level / 255 for level in range(8, 136, 8))
"""For the response of black-hat and top-hat in [0, 1]."""


def choose_threshold(
    probabilities: NDArray[np.float32], truth: NDArray[np.bool_], candidates: Sequence[float] = CANDIDATES
) -> tuple[float, Found]:
    """The highest of the candidates whose F1 is within `NEARLY` of the best, and what it finds; N×H×W each."""
    scored = [(threshold, count_at(probabilities, truth, threshold)) for threshold in candidates]
    best = max(found.f1 for _, found in scored)
    return max(one for one in scored if one[1].f1 >= best - NEARLY)


def count_at(probabilities: NDArray[np.float32], truth: NDArray[np.bool_], threshold: float) -> Found:
    """Counts of a threshold over all photos."""
    counts: Sequence[Found] = [
        count_found(one >= threshold, true) for one, true in zip(probabilities, truth, strict=True)
    ]
    return sum(counts, Found())
