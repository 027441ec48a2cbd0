"""The page of the ablations, `docs/ablations.md`, from the scores that are there: nothing in it is known beforehand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ablations.scores import SHOWN_METRICS, ScoredSet, read_scores
from benchmarks.ablations.study import Study, report_of
from benchmarks.ablations.variants import BASE, VARIANTS, Variant
from benchmarks.table import Table
from onar.metrics.table import METRICS

NOTES = "<!-- Below: written by hand, and kept. -->"
"""Line before the part of the page that is not generated."""

MASK_SETS = {"generated": "generated masks", "files": "mask files"}
VERDICTS = {
    "gains": "Gains more than the pooled spread in at least one score, and loses that much in none",
    "mixed": "Gains in one score and loses in another",
    "loses": "Loses more than the pooled spread in at least one score, and gains that much in none",
    "nothing": "Differs by no more than the pooled spread in any score",
}


def write_page(study: Study, results: Path) -> str:
    """The whole page as Markdown, also when some or all runs are missing."""
    scored = {mask_set: read_scores(study, results, mask_set) for mask_set in study.mask_sets}
    parts = ["# Ablations", _introduction(study, scored), _left_out(study), _missing(study, results)]
    parts += [str(_scores_table(study, mask_set, one)) for mask_set, one in scored.items()]
    parts += [_verdicts(study, scored)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def notes_of(page: str) -> str:
    """The part of a page that was written by hand and stays, from `NOTES` on; empty without one."""
    _, found, notes = page.partition(NOTES)
    return f"\n{found}{notes}" if found else ""


def _introduction(study: Study, scored: Mapping[str, ScoredSet]) -> str:
    masks = [
        f"{MASK_SETS[mask_set]}: {run.masks} on {run.photos} photos"
        for mask_set, one in scored.items()
        if (run := next((run for runs in one.runs.values() for run in runs), None))
    ]
    return (
        "The effect of each training setting: equal short runs that differ in one setting.\n\n"
        f"- **Runs.** The base is `{study.base}` with {_length(study)}, from random weights, {len(study.seeds)} seeds "
        f"per run. Measured on {study.processor}.\n"
        "- **Scores** are those of `onar evaluate` on photos outside the training, at the size of the training crops, "
        f"with the same masks for all, without copied texture. {'; '.join(masks).capitalize() or 'No scores yet'}.\n"
        "- **Spread** is the standard deviation over the seeds; for two, half their difference. The pooled spread is "
        "the root mean square over all rows. A larger change counts.\n"
        "- **Short runs** measure the beginning of a training. The gain in a long one, such as less overfitting by "
        "augmentation, may differ.\n\n"
        "`make ablations DATA=FOLDER VAL=FOLDER MASKS=FOLDER` makes the runs and writes this page; it resumes."
    )


def _length(study: Study) -> str:
    if study.cpu_minutes is None:
        return f"{study.steps} steps of {study.batch_size} photos"
    return f"as many steps of {study.batch_size} photos as take {study.cpu_minutes:g} CPU minutes"


def _left_out(study: Study) -> str:
    """Which options were not asked about; empty when all were."""
    left_out = [variant.option for variant in VARIANTS if variant.name not in study.variants]
    return f"Not compared here: {', '.join(left_out)}." if left_out else ""


def _missing(study: Study, results: Path) -> str:
    """Which runs have no scores; empty when none are missing."""
    missing = [
        f"`{variant.name}` seed {seed}"
        for variant, seed in study.runs()
        if not all(report_of(results, variant, seed, mask_set).exists() for mask_set in study.mask_sets)
    ]
    if not missing:
        return ""
    return f"**Not finished.** Missing are {len(missing)} of {len(list(study.runs()))} runs: {', '.join(missing)}."


def _scores_table(study: Study, mask_set: str, scored: ScoredSet) -> Table:
    metrics = scored.metrics() or list(SHOWN_METRICS)
    titles = [METRICS[metric].title for metric in metrics]
    rows = [
        [f"`{one.name}`", one.change, *(_cell(scored, one, metric) for metric in metrics)] for one in study.chosen()
    ]
    pooled = ["pooled spread", "", *(_shown(scored.pooled_spread(metric), metric) for metric in metrics)]
    better = (f"{METRICS[one].title} {_direction(one)}" for one in metrics)
    note = (
        "Means, and in brackets the change from the base recipe, or from the run in the second column. "
        f"Better: {', '.join(better)}."
    )
    return Table(f"Scores with {MASK_SETS[mask_set]}", note, ["run", "differs in", *titles], [*rows, pooled])


def _direction(metric: str) -> str:
    return "higher" if METRICS[metric].higher_is_better else "lower"


def _cell(scored: ScoredSet, variant: Variant, metric: str) -> str:
    mean, spread = (of(variant.name, metric) for of in (scored.mean, scored.spread))
    if mean is None:
        return "missing"
    if spread is None:
        incomplete = len(scored.values(variant.name, metric)) < scored.seeds
        return f"{_shown(mean, metric)}{' (a seed is missing)' if incomplete else ''}"
    change = scored.change(variant, metric)
    beside = "" if change is None or variant.name == BASE else f" ({_signed(change, metric)})"
    return f"{_shown(mean, metric)}{beside}"


# ---------------------------------------------------------------- verdicts


@dataclass(frozen=True)
class Gain:
    """The gain of an option in one score, with one set of masks; `spreads`: above 0 for better, in pooled spreads."""

    metric: str
    masks: str
    text: str
    spreads: float

    @property
    def counts(self) -> bool:
        """Whether it is larger than the pooled spread."""
        return abs(self.spreads) > 1

    def __str__(self) -> str:
        return f"{self.text} ({abs(self.spreads):.1f})"


def _verdicts(study: Study, scored: Mapping[str, ScoredSet]) -> str:
    """The gain of each option, and the options without gain."""
    options = [variant for variant in study.chosen() if variant.name != BASE]
    judged = {variant.name: gains for variant in options if (gains := _gains(scored, variant))}
    lines = [
        "## What an option gains",
        "",
        f"The change of each score by the option, with {', then with '.join(MASK_SETS[one] for one in scored)}, and in "
        "brackets in pooled spreads; changes of up to one pooled spread are left out. By chance alone, the change "
        "between means of two seeds exceeds one pooled spread about every second time, two every sixth, and three "
        "every thirtieth.",
        "",
    ]
    for verdict, heading in VERDICTS.items():
        listed = [_line(one, judged[one.name]) for one in options if _verdict(judged.get(one.name, [])) == verdict]
        lines += [f"**{heading}:**", "", *(listed or ["- none"]), ""]
    if left := [variant.option for variant in options if variant.name not in judged]:
        lines += [f"Not judged yet, because runs are missing: {', '.join(left)}."]
    return "\n".join(lines)


def _gains(scored: Mapping[str, ScoredSet], variant: Variant) -> list[Gain]:
    """The gain in every score; empty before all seeds of the option and of the base recipe have them all."""
    gains = []
    for mask_set, one in scored.items():
        for metric in one.metrics() or SHOWN_METRICS:
            gain, pooled, mean = one.gain(variant, metric), one.pooled_spread(metric), one.mean(BASE, metric)
            if gain is None or pooled is None or mean is None:
                return []
            higher = METRICS[metric].higher_is_better
            spreads = gain / pooled if pooled else math.copysign(math.inf, gain) if gain else 0.0
            text = _signed(gain if higher else -gain, metric)
            gains.append(Gain(METRICS[metric].title, MASK_SETS[mask_set], text, spreads))
    return gains


def _verdict(gains: Sequence[Gain]) -> str:
    """A key of `VERDICTS`; empty without gains."""
    if not gains:
        return ""
    better, worse = (any(one.counts and sign * one.spreads > 0 for one in gains) for sign in (1, -1))
    if better and worse:
        return "mixed"
    return "gains" if better else "loses" if worse else "nothing"


def _line(variant: Variant, gains: Sequence[Gain]) -> str:
    metrics = dict.fromkeys(gain.metric for gain in gains)
    changes = {metric: _changes([gain for gain in gains if gain.metric == metric]) for metric in metrics}
    scores = "; ".join(f"{metric} {text}" for metric, text in changes.items() if text)
    which = f"{'without it: ' if variant.removes else ''}{variant.change}"
    return f"- {variant.option} ({which}){': ' if scores else ''}{scores}"


def _changes(gains: Sequence[Gain]) -> str:
    """The gains in a metric that count; with the masks where not all do."""
    counted = [gain for gain in gains if gain.counts]
    if len(counted) == len(gains):
        return ", ".join(map(str, counted))
    return ", ".join(f"with {gain.masks} {gain}" for gain in counted)


def _shown(value: float | None, metric: str) -> str:
    return "-" if value is None else f"{value:.{METRICS[metric].digits}f}"


def _signed(value: float, metric: str) -> str:
    return f"{value:+.{METRICS[metric].digits}f}"
