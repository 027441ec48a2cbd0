"""The scores of the runs: means, spreads and gains."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

from benchmarks.ablations.study import Study, folder_of, report_of
from benchmarks.ablations.variants import Variant
from onar.metrics.table import METRICS
from onar.training.results_folder import Results

SHOWN_METRICS = ("psnr_hole", "ssim", "st_lpips")


@dataclass(frozen=True)
class Run:
    """One run that was scored on a set of masks: mean by metric without missing ones, and what it took."""

    scores: Mapping[str, float]
    minutes: float
    images: int
    masks: int
    photos: int


@dataclass(frozen=True)
class ScoredSet:
    """All runs of a study on one set of masks, by variant, in the order of the seeds; each will have `seeds`."""

    runs: Mapping[str, Sequence[Run]]
    seeds: int

    def metrics(self) -> list[str]:
        """Those of `SHOWN_METRICS` that any run has."""
        found = {metric for runs in self.runs.values() for run in runs for metric in run.scores}
        return [metric for metric in SHOWN_METRICS if metric in found]

    def values(self, variant: str, metric: str) -> list[float]:
        """The scores of the existing runs of a variant."""
        return [run.scores[metric] for run in self.runs.get(variant, ()) if metric in run.scores]

    def mean(self, variant: str, metric: str) -> float | None:
        """Mean over the seeds; None without a run."""
        values = self.values(variant, metric)
        return fmean(values) if values else None

    def spread(self, variant: str, metric: str) -> float | None:
        """Standard deviation over the seeds; None until all of them, two or more, are scored."""
        values = self.values(variant, metric)
        return pstdev(values) if len(values) == self.seeds > 1 else None

    def pooled_spread(self, metric: str) -> float | None:
        """Root mean square of the spreads of all variants that have one; None without any."""
        spreads = [spread for variant in self.runs if (spread := self.spread(variant, metric)) is not None]
        return math.sqrt(fmean(spread**2 for spread in spreads)) if spreads else None

    def change(self, variant: Variant, metric: str) -> float | None:
        """Difference of the mean to that of the compared run; None until all seeds of both are scored."""
        names = variant.name, variant.compared_with
        if any(self.spread(name, metric) is None for name in names):
            return None
        mean, beside = (fmean(self.values(name, metric)) for name in names)
        return mean - beside

    def gain(self, variant: Variant, metric: str) -> float | None:
        """Gain of the option, positive if better, for metrics of either direction."""
        change = self.change(variant, metric)
        if change is None:
            return None
        return change if METRICS[metric].higher_is_better != variant.removes else -change


def read_scores(study: Study, results: Path, mask_set: str) -> ScoredSet:
    """The existing runs of a study."""
    runs: dict[str, list[Run]] = {variant.name: [] for variant in study.chosen()}
    for variant, seed in study.runs():
        report = report_of(results, variant, seed, mask_set)
        if report.exists():
            runs[variant.name].append(_read_run(folder_of(results, variant, seed), report))
    return ScoredSet(runs, len(study.seeds))


def _read_run(folder: Path, report: Path) -> Run:
    content: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    scores = content["overall"]["scores"]["onar"]
    *_, end = (record for record in Results(folder).records() if record["kind"] == "epoch")
    return Run(
        scores={metric: scores[metric] for metric in SHOWN_METRICS if scores[metric] is not None},
        minutes=end["seconds"] / 60,
        images=round(end["images_per_second"] * end["seconds"]),
        masks=content["overall"]["count"],
        photos=len({row["photo"] for row in content["images"]}),
    )
