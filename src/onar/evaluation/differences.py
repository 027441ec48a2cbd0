"""Confidence intervals of the mean difference between two methods on the same photos and holes.

Photos are resampled with all their holes, because only photos are independent of each other: two holes in one photo
are not (percentile bootstrap over clusters; Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onar.evaluation.means import ImageScores
from onar.evaluation.pairs import range_title
from onar.masks.holes import HOLE_RATIO_RANGES

RESAMPLES = 10_000  # number of bootstrap resamples
LEVEL = 0.95  # confidence level

MIN_PHOTOS = 6
"""Minimum number of photos for an interval: 5 are on one side of 0 by chance in 2 of 2⁵ cases, over 1 - `LEVEL`."""

_CHUNK = 4_000_000  # resamples in memory at a time

_Numbers: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean difference and its confidence limits; None below `MIN_PHOTOS`."""

    mean: float
    low: float | None
    high: float | None

    @property
    def is_clear(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class GroupDifference:
    """The differences over the holes of a group."""

    range: tuple[float, float] | None  # as in `Bucket`; None outside the six ranges, and for all holes together
    photos: int  # number of different photos in the group; intervals of few photos are too narrow
    count: int  # masks in the group
    scores: dict[str, Interval | None]  # by metric; None where there is no score

    @property
    def title(self) -> str:
        """The range as text."""
        return range_title(self.range)


@dataclass(frozen=True)
class Difference:
    """The difference of a method's scores from a reference, by metric."""

    method: str
    reference: str  # the method that is subtracted
    overall: GroupDifference
    ranges: tuple[GroupDifference, ...]  # those with at least one mask


def find_differences(rows: Sequence[ImageScores], seed: int) -> tuple[Difference, ...]:
    """The differences of all pairs of methods, the later minus the earlier one; they depend on rows and seed alone."""
    groups = [(limits, [row for row in rows if row.range == limits]) for limits in (*HOLE_RATIO_RANGES, None)]
    ranges = [_group_differences(limits, kept, seed) for limits, kept in groups if kept]
    overall = _group_differences(None, rows, seed)
    pairs = combinations(rows[0].scores, 2)
    return tuple(Difference(b, a, overall[a, b], tuple(one[a, b] for one in ranges)) for a, b in pairs)


def _group_differences(
    limits: tuple[float, float] | None, rows: Sequence[ImageScores], seed: int
) -> dict[tuple[str, str], GroupDifference]:
    """The differences of every two methods in a group, by both names."""
    methods, photos = list(rows[0].scores), len({row.photo for row in rows})
    intervals: dict[tuple[str, str], dict[str, Interval | None]]
    intervals = {pair: dict.fromkeys(rows[0].scores[methods[0]]) for pair in combinations(methods, 2)}
    for scored, metrics in _metrics_by_rows(rows).items():
        if not scored:
            continue
        kept = [rows[index] for index in scored]
        means, resampled = _bootstrap(kept, methods, metrics, seed)
        for one, other in combinations(range(len(methods)), 2):
            change = resampled[:, other] - resampled[:, one]
            found = _intervals(means[other] - means[one], change, photos=len({row.photo for row in kept}))
            intervals[methods[one], methods[other]] |= dict(zip(metrics, found, strict=True))
    return {pair: GroupDifference(limits, photos, len(rows), scores) for pair, scores in intervals.items()}


def _metrics_by_rows(rows: Sequence[ImageScores]) -> dict[tuple[int, ...], list[str]]:
    """Metrics by the indices of the rows in which every method has that score: small photos lack some."""
    metrics: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name in next(iter(rows[0].scores.values())):
        found = (i for i, row in enumerate(rows) if all(scores[name] is not None for scores in row.scores.values()))
        metrics[tuple(found)].append(name)
    return metrics


def _bootstrap(
    rows: Sequence[ImageScores], methods: Sequence[str], metrics: Sequence[str], seed: int
) -> tuple[_Numbers, _Numbers]:
    """Mean scores by method and metric, and those of resamples: resample × method × metric."""
    values: NDArray[Any] = np.array(
        [[[row.scores[method][name] for name in metrics] for method in methods] for row in rows], np.float64
    )
    names, photo = np.unique([row.photo for row in rows], return_inverse=True)
    sums = np.zeros((len(names), values[0].size))
    np.add.at(sums, photo, values.reshape(len(rows), -1))
    return values.mean(axis=0), _resample(sums, np.bincount(photo), seed).reshape(-1, *values.shape[1:])


def _resample(sums: _Numbers, counts: NDArray[np.intp], seed: int) -> _Numbers:
    """Means over photos drawn with replacement: P×K sums over the masks of P photos -> `RESAMPLES`×K."""
    rng, photos = np.random.default_rng(seed), len(sums)
    parts = []
    for start in range(0, RESAMPLES, step := max(1, _CHUNK // photos)):
        size = min(step, RESAMPLES - start)
        drawn = rng.multinomial(photos, np.full(photos, 1 / photos), size).astype(np.float64)
        parts.append((drawn @ sums) / (drawn @ counts)[:, None])
    return np.concatenate(parts)


def _intervals(means: _Numbers, resampled: _Numbers, photos: int) -> list[Interval]:
    """An interval for each of K mean differences, from resamples × K."""
    if photos < MIN_PHOTOS:
        return [Interval(float(mean), None, None) for mean in means]
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [Interval(*map(float, numbers)) for numbers in zip(means, low, high, strict=True)]
