"""The scores of every photo with its holes, and their means by group.

Scores are kept by method and by metric, `scores["telea"]["psnr"]`; None where there is no score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from onar.evaluation.pairs import range_title
from onar.masks.holes import HOLE_RATIO_RANGES

ScoresByMethod: TypeAlias = dict[str, dict[str, float | None]]  # by method and metric


@dataclass(frozen=True)
class ImageScores:
    """The scores of every method on one photo with its holes."""

    photo: str
    mask: str
    height: int
    width: int
    hole_share: float
    range: tuple[float, float] | None  # the range the hole share is in, low < share <= high; None outside all of them
    border: bool  # A hole reaches the border of the photo
    scores: ScoresByMethod


@dataclass(frozen=True)
class Bucket:
    """Mean scores over the photos of a group."""

    range: tuple[float, float] | None  # none for shares outside the six ranges
    border: bool | None  # none for holes with and without border together
    count: int
    scores: ScoresByMethod

    @property
    def title(self) -> str:
        """The range as text."""
        return range_title(self.range)


def mean_scores(rows: Sequence[ImageScores]) -> ScoresByMethod:
    """Mean of each method and metric over the rows that have that score; None where none has it."""
    first: ScoresByMethod = rows[0].scores if rows else {}
    return {method: {name: _mean(rows, method, name) for name in scores} for method, scores in first.items()}


def _mean(rows: Sequence[ImageScores], method: str, name: str) -> float | None:
    values = [value for row in rows if (value := row.scores[method][name]) is not None]
    return sum(values) / len(values) if values else None


def bucket_scores(rows: Sequence[ImageScores]) -> tuple[Bucket, ...]:
    """Means by group: the six ranges in their order, then shares outside of them; empty groups are omitted."""
    buckets = []
    for limits in (*HOLE_RATIO_RANGES, None):
        for border in (None, False, True):
            kept = [row for row in rows if row.range == limits and border in (None, row.border)]
            if kept:
                buckets.append(Bucket(limits, border, len(kept), mean_scores(kept)))
    return tuple(buckets)
