"""The result of an evaluation: `Report`, its JSON and its table.

The JSON is described in `docs/evaluate.md`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from onar.evaluation.differences import Difference, Interval
from onar.evaluation.means import Bucket, ImageScores, ScoresByMethod
from onar.evaluation.pair_files import FoundFills
from onar.evaluation.pairs import range_title
from onar.imaging.images import EightBits
from onar.metrics.table import Metric
from onar.system.console import text_table

SCHEMA = "onar-evaluation/1"
DIGITS = 6  # decimals of a score in the JSON


@dataclass(frozen=True)
class SetDistances:
    """Distances between the set of photos and the set of composites of each method, over all pairs."""

    features: str  # the network of `onar.metrics.set_features.SET_FEATURES` whose features were compared
    count: int  # pictures in each set
    scores: ScoresByMethod  # `fid` and `kid` of each method; empty where there is no network
    is_standard: bool  # they are the FID and KID of the literature, on InceptionV3
    note: str  # note on their comparability
    unavailable: str | None = None  # reason why the network could not be loaded

    @property
    def columns(self) -> dict[str, Metric]:
        """How they are shown; the standard ones have titles of their own."""
        mark = " (InceptionV3)" if self.is_standard else "*"
        return {"fid": Metric(f"FID{mark}", False, 3), "kid": Metric(f"KID{mark}", False, 5)}


@dataclass(frozen=True)
class Example:
    """Pictures of one photo with its holes, and of each method's result."""

    title: str
    row: ImageScores
    masked: EightBits
    original: EightBits
    completed: dict[str, EightBits]


@dataclass(frozen=True)
class Report:
    """The result of an evaluation."""

    protocol: dict[str, Any]
    """Protocol: data, masks, img_size, masks_per_range, count, and the constants of all reports."""
    seed: int
    methods: dict[str, str]  # descriptions of the methods by name; the first is the reference
    unavailable_methods: dict[str, str]  # methods that could not be loaded, with the reasons
    metrics: dict[str, Metric]
    masks_sha256: str  # hash of the fitted holes in the order of `images`; see `onar.evaluation.pairs.MasksHash`
    weights_sha256: str | None  # hash of the first method's weights file; None for the pyramid fill, which has none
    weights: dict[str, str | None]  # hashes of all methods with weights
    versions: dict[str, str | None]
    images: tuple[ImageScores, ...]
    overall: ScoresByMethod  # means over all `images`
    buckets: tuple[Bucket, ...]
    """Groups with at least one photo: each range with holes of both kinds, without border, and with border."""
    differences: tuple[Difference, ...]  # differences of all pairs of methods, with intervals
    sets: SetDistances | None
    fills: dict[str, FoundFills]  # summaries of the folders of fills, by method
    skipped: tuple[str, ...]  # one line for each skipped photo, mask or fill
    examples: tuple[Example, ...] = field(default=(), compare=False, repr=False)
    """The best, median and worst fill of the first method; not in the JSON."""

    def to_plain(self) -> dict[str, Any]:
        """The content of report.json as dictionaries, lists, texts and numbers."""
        names = ("protocol", "seed", "methods", "unavailable_methods", "masks_sha256", "weights_sha256", "weights")
        plain: dict[str, Any] = {"schema": SCHEMA} | {name: getattr(self, name) for name in (*names, "versions")}
        plain["metrics"] = {name: _plain_metric(metric) for name, metric in self.metrics.items()}
        plain["skipped"] = list(self.skipped)
        plain["overall"] = {"count": len(self.images), "scores": self.overall}
        plain["buckets"] = [asdict(bucket) for bucket in self.buckets]
        plain["differences"] = [asdict(one) for one in self.differences]
        plain["fills"] = {name: asdict(found) for name, found in self.fills.items()}
        plain["sets"] = asdict(self.sets) if self.sets else None
        plain["images"] = [asdict(row) for row in self.images]
        rounded: dict[str, Any] = _rounded(plain)
        return rounded

    def to_json(self) -> str:
        """The text of report.json."""
        return json.dumps(self.to_plain(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def bucket(self, limits: tuple[float, float] | None, border: bool | None = None) -> Bucket | None:
        """The bucket of a range, with or without border or (None) both; None when it is empty."""
        return next((one for one in self.buckets if (one.range, one.border) == (limits, border)), None)

    @property
    def available_metrics(self) -> list[str]:
        """Names of the metrics that could be computed."""
        return [name for name, metric in self.metrics.items() if metric.unavailable is None]

    @property
    def differences_from_first(self) -> list[Difference]:
        """Differences of the other methods from the reference."""
        return [one for one in self.differences if one.reference == next(iter(self.methods))]

    def __str__(self) -> str:
        return table(self)


def _plain_metric(metric: Metric) -> dict[str, Any]:
    better = "higher" if metric.higher_is_better else "lower"
    return {"title": metric.title, "better": better, "unavailable": metric.unavailable}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one) for one in value]
    return value


class Table(NamedTuple):
    """A table for the console and the page."""

    header: list[str]
    rows: list[tuple[str, list[tuple[str, bool]]]]
    """Name of the row, and its cells: text, and whether it is the best of its column, or a clear difference."""
    counts: Sequence[str] = ()  # masks by column; empty where a table has no such row

    def __str__(self) -> str:
        counts = [["masks", *self.counts]] if self.counts else []
        return text_table(self.header, [[name, *(text for text, _ in cells)] for name, cells in self.rows] + counts)


def table(report: Report) -> str:
    """Means of all metrics; then, for the metrics of the whole frame, means by hole share, and differences."""
    frame_metrics = [name for name in report.available_metrics if not name.endswith("_hole")]
    photos, overall = len({row.photo for row in report.images}), overall_table(report)
    heading = f"{len(report.images)} masks on {photos} photos; masks SHA-256 {report.masks_sha256[:16]}"
    header = ["", *(title.replace(" in holes", " hole") for title in overall.header[1:])]
    parts = [heading, str(overall._replace(header=header))]
    parts += [str(range_table(report, name)) for name in frame_metrics]
    if report.differences:
        parts.append(difference_legend(report))
        parts += [str(difference_table(report, name)) for name in frame_metrics]
    notes = remarks(report)
    if report.skipped:
        notes.append(f"{len(report.skipped)} left out; the first: {report.skipped[0]}")
    return "\n\n".join([*parts, *(["\n".join(notes)] if notes else [])])


def remarks(report: Report) -> list[str]:
    """Notes on scores that were not computed, on set distances, and on fills that differ from their pairs."""
    missing = {metric.title: metric.unavailable for metric in report.metrics.values() if metric.unavailable}
    lines = [f"{name}: not available: {reason}" for name, reason in (missing | report.unavailable_methods).items()]
    if report.sets and report.sets.unavailable:
        lines.append(f"FID and KID on {report.sets.features}: not available: {report.sets.unavailable}")
    elif report.sets:
        titles = " and ".join(metric.title for metric in report.sets.columns.values())
        lines.append(f"{titles} compare features of {report.sets.features}. {report.sets.note}")
    return lines + [line for name, found in report.fills.items() for line in found.remarks(name)]


def shown(value: float | None, digits: int) -> str:
    """A score as text."""
    return "-" if value is None else f"{value:.{digits}f}"


def _best_of(scores: ScoresByMethod, name: str, metric: Metric) -> str | None:
    """The method with the best score; None when there is no score."""
    values = {method: value for method, row in scores.items() if (value := row.get(name)) is not None}
    sign = 1 if metric.higher_is_better else -1
    return max(values, key=lambda method: sign * values[method], default=None)


def overall_table(report: Report) -> Table:
    """Means over all pairs: metrics of single pictures, then those of sets."""
    columns = {name: report.metrics[name] for name in report.available_metrics}
    sets: ScoresByMethod = {}
    if report.sets and report.sets.scores:
        sets, columns = report.sets.scores, columns | report.sets.columns
    scores = {method: row | sets.get(method, {}) for method, row in report.overall.items()}
    best = {name: _best_of(scores, name, metric) for name, metric in columns.items()}
    rows = [
        (method, [(shown(row[name], metric.digits), best[name] == method) for name, metric in columns.items()])
        for method, row in scores.items()
    ]
    return Table(["method", *(metric.title for metric in columns.values())], rows)


def range_table(report: Report, name: str) -> Table:
    """Like Table 1 of Liu et al. 2018: a range has two columns, N without border and B with border."""
    metric = report.metrics[name]
    columns = [(one.range, border) for one in report.buckets if one.border is None for border in (False, True)]
    titles = [f"{range_title(limits)} {'B' if border else 'N'}" for limits, border in columns]
    buckets = [report.bucket(*column) for column in columns]
    scores: list[ScoresByMethod] = [one.scores if one else {} for one in buckets]
    best = [_best_of(one, name, metric) for one in scores]
    rows = [
        (
            method,
            [
                (shown(one.get(method, {}).get(name), metric.digits), top == method)
                for one, top in zip(scores, best, strict=True)
            ],
        )
        for method in report.methods
    ]
    return Table([metric.title, *titles], rows, [str(one.count if one else 0) for one in buckets])


def difference_legend(report: Report) -> str:
    """Caption of the tables of differences."""
    return f"Differences from {next(iter(report.methods))} on the same holes: the mean and its 95 % interval."


def difference_table(report: Report, name: str) -> Table:
    """The differences from the first method by hole share, a column for each other method."""
    digits, differences = report.metrics[name].digits, report.differences_from_first
    groups = zip(*((one.overall, *one.ranges) for one in differences), strict=True)
    titles = ["all", *(one.title for one in differences[0].ranges)]
    rows = []
    for title, group in zip(titles, groups, strict=True):
        intervals = [one.scores[name] for one in group]
        cells = [(_shown_interval(one, digits), one is not None and one.is_clear) for one in intervals]
        rows.append((title, [*cells, (str(group[0].photos), False)]))
    return Table([report.metrics[name].title, *(one.method for one in differences), "photos"], rows)


def _shown_interval(interval: Interval | None, digits: int) -> str:
    """A difference as text, such as "+0.31 [+0.12, +0.50]"."""
    if interval is None:
        return "-"
    numbers = (interval.mean, interval.low, interval.high)
    mean, low, high = ("?" if one is None else f"{one:+.{digits}f}" for one in numbers)
    return f"{mean} [{low}, {high}]"
