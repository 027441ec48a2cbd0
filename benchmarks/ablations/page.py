"""The page of the ablations, `docs/ablations.md`, generated from the scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.ablations.scores import METRICS, ScoredSet, read_scores
from benchmarks.ablations.study import Study, report_of
from benchmarks.ablations.variants import BASE, VARIANTS, Variant
from benchmarks.table import Table
from onar.evaluation.report import KNOWN_METRICS

MASK_SETS = {"generated": "generated masks", "files": "mask files"}
VERDICTS = {
    "gains": "Gains more than the pooled spread in at least one score, and loses that much in none",
    "mixed": "Gains in one score and loses in another",
    "loses": "Loses more than the pooled spread in at least one score, and gains that much in none",
    "nothing": "Differs by at most the pooled spread in every score",
}


def write_page(study: Study, results: Path) -> str:
    """The whole page as Markdown, also if some or all runs are missing."""
    scored = {mask_set: read_scores(study, results, mask_set) for mask_set in study.mask_sets}
    parts = ["# Ablations", _introduction(study, scored), _left_out(study), _missing(study, results)]
    parts += [str(_scores_table(study, mask_set, one)) for mask_set, one in scored.items()]
    parts += [_verdicts(study, scored)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _introduction(study: Study, scored: Mapping[str, ScoredSet]) -> str:
    masks = [
        f"{MASK_SETS[mask_set]}: {run.masks} on {run.photos} photos"
        for mask_set, one in scored.items()
        if (run := next((run for runs in one.runs.values() for run in runs), None))
    ]
    return (
        "The effect of training settings, measured by equal short runs that differ in one setting.\n\n"
        f"- **Runs.** The base is `{study.base}` with {study.steps} steps of {study.batch_size} photos, from random "
        f"weights: `--init_weights bundled` would favour the recipe of these weights. Each run is made with "
        f"{len(study.seeds)} seeds, which determine initial weights, crops and holes. Measured on {study.processor}.\n"
        "- **Scores** are those of `onar evaluate` on held-out photos, at the size of the training crops, with "
        "the same photos and masks for all runs, without copied texture. Thin strokes, which `onar complete` fills "
        f"with the pyramid alone, are the same in all. {'; '.join(masks).capitalize() or 'Nothing is scored yet'}."
        "\n- **Spread.** The standard deviation over the seeds; of two, half their difference. The pooled spread is "
        "the root mean square over all rows. A change counts when it is larger than that.\n"
        "- **Minutes** are the wall-clock time of the training, also on a busy processor.\n"
        "- **Short runs** show effects at the beginning of a training. Effects on a long training, such as "
        "augmentation against overfitting, may differ.\n\n"
        "`make ablations DATA=FOLDER VAL=FOLDER MASKS=FOLDER` makes the runs and writes this page; it can be resumed."
    )


def _left_out(study: Study) -> str:
    """The options that were not compared; empty if all were."""
    left_out = [variant.option for variant in VARIANTS if variant.name not in study.variants]
    return f"Not compared here: {', '.join(left_out)}." if left_out else ""


def _missing(study: Study, results: Path) -> str:
    """The runs without scores; empty if none are missing."""
    missing = [
        f"`{variant.name}` seed {seed}"
        for variant, seed in study.runs()
        if not all(report_of(results, variant, seed, mask_set).exists() for mask_set in study.mask_sets)
    ]
    if not missing:
        return ""
    return f"**Not finished.** Missing are {len(missing)} of {len(list(study.runs()))} runs: {', '.join(missing)}."


def _scores_table(study: Study, mask_set: str, scored: ScoredSet) -> Table:
    metrics = scored.metrics() or list(METRICS)
    titles = [KNOWN_METRICS[metric].title for metric in metrics]
    rows = [
        [f"`{one.name}`", one.change, *(_cell(scored, one, metric) for metric in metrics), *_costs(scored, one)]
        for one in study.chosen()
    ]
    pooled = ["pooled spread", "", *(_shown(scored.pooled_spread(metric), metric) for metric in metrics), "", ""]
    better = (f"{KNOWN_METRICS[one].title} {_direction(one)}" for one in metrics)
    note = (
        "Mean ± spread, and in brackets the change from the base recipe, or from the run named in the second column. "
        f"Better is: {', '.join(better)}."
    )
    header = ["run", "differs in", *titles, "photos seen", "minutes"]
    return Table(f"Scores with {MASK_SETS[mask_set]}", note, header, [*rows, pooled])


def _direction(metric: str) -> str:
    return "higher" if KNOWN_METRICS[metric].higher_is_better else "lower"


def _cell(scored: ScoredSet, variant: Variant, metric: str) -> str:
    mean, spread = (of(variant.name, metric) for of in (scored.mean, scored.spread))
    if mean is None:
        return "missing"
    if spread is None:
        incomplete = len(scored.values(variant.name, metric)) < scored.seeds
        return f"{_shown(mean, metric)}{' (a seed is missing)' if incomplete else ''}"
    change = scored.change(variant, metric)
    beside = "" if change is None or variant.name == BASE else f" ({_signed(change, metric)})"
    return f"{_shown(mean, metric)} ± {_shown(spread, metric)}{beside}"


def _costs(scored: ScoredSet, variant: Variant) -> list[str]:
    """Photos seen and minutes of training, means over the seeds."""
    runs = scored.runs[variant.name]
    if not runs:
        return ["", ""]
    return [f"{fmean(run.images for run in runs):.0f}", f"{fmean(run.minutes for run in runs):.1f}"]


# ---------------------------------------------------------------- verdicts


@dataclass(frozen=True)
class Gain:
    """The gain of an option in one score.

    Attributes:
        title: the score and the set of masks.
        text: the change of the score, formatted.
        spreads: the gain in pooled spreads, positive if better.
    """

    title: str
    text: str
    spreads: float

    @property
    def counts(self) -> bool:
        """Whether it is larger than the pooled spread."""
        return abs(self.spreads) > 1

    def __str__(self) -> str:
        return f"{self.title} {self.text} ({abs(self.spreads):.1f} spreads)"


def _verdicts(study: Study, scored: Mapping[str, ScoredSet]) -> str:
    """The gains of each option."""
    options = [variant for variant in study.chosen() if variant.name != BASE]
    judged = {variant.name: gains for variant in options if (gains := _gains(scored, variant))}
    lines = [
        "## Gains",
        "",
        "The change of each score with the option enabled. Changes of at most the pooled spread are left out. If seeds "
        "affect both runs independently, the means of two seeds differ by more than one pooled spread by chance in "
        "about one of 2 cases, by more than two in one of 6, and by more than three in one of 30.",
        "",
    ]
    for verdict, heading in VERDICTS.items():
        items = [_item(one, judged[one.name]) for one in options if _verdict(judged.get(one.name, [])) == verdict]
        lines += [f"**{heading}:**", "", *(items or ["- none"]), ""]
    if left := [variant.option for variant in options if variant.name not in judged]:
        lines += [f"Not judged yet, because runs are missing: {', '.join(left)}."]
    return "\n".join(lines)


def _gains(scored: Mapping[str, ScoredSet], variant: Variant) -> list[Gain]:
    """The gain in every score; empty until all seeds of the option and of the base recipe are scored."""
    gains = []
    for mask_set, one in scored.items():
        for metric in one.metrics() or METRICS:
            gain, pooled, mean = one.gain(variant, metric), one.pooled_spread(metric), one.mean(BASE, metric)
            if gain is None or pooled is None or mean is None:
                return []
            higher = KNOWN_METRICS[metric].higher_is_better
            title = f"{KNOWN_METRICS[metric].title} with {MASK_SETS[mask_set]}"
            spreads = gain / pooled if pooled else math.copysign(math.inf, gain) if gain else 0.0
            gains.append(Gain(title, _signed(gain if higher else -gain, metric), spreads))
    return gains


def _verdict(gains: Sequence[Gain]) -> str:
    """A key of `VERDICTS`; empty without gains."""
    if not gains:
        return ""
    better, worse = (any(one.counts and sign * one.spreads > 0 for one in gains) for sign in (1, -1))
    if better and worse:
        return "mixed"
    return "gains" if better else "loses" if worse else "nothing"


def _item(variant: Variant, gains: Sequence[Gain]) -> str:
    counted = "; ".join(str(one) for one in gains if one.counts)
    which = f"{'without it: ' if variant.removes else ''}{variant.change}"
    return f"- {variant.option} ({which}){': ' if counted else ''}{counted}"


def _shown(value: float | None, metric: str) -> str:
    return "-" if value is None else f"{value:.{KNOWN_METRICS[metric].digits}f}"


def _signed(value: float, metric: str) -> str:
    return f"{value:+.{KNOWN_METRICS[metric].digits}f}"
