"""Read runs from their results folders, during and after training: progress, curves and sheets. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, Field

from onar.errors import OnarError, printable
from onar.metrics.table import curve_names
from onar.settings.checks import read_toml
from onar.training.curve_names import loss_names
from onar.training.results_folder import Record, Results

MAX_POINTS = 300
"""Maximum points of a curve; longer ones are reduced to means of neighbours."""

PROGRESS = ("epoch", "epochs_done", "step", "seconds", "images_per_second")
"""Fields of a log line with progress; lines of other events, such as a bad step, lack them."""

_MAX_VALUE = 1e40
"""Above any float32; products of such values are still finite."""

Unreadable = Literal["no_access", "no_settings", "no_log"]
UNREADABLE: dict[Unreadable, str] = {
    "no_access": "{file} is missing or may not be read",
    "no_settings": "{file} is not the configuration of a training",
    "no_log": "{file} is not the log of a training",
}
"""Messages about a run whose files cannot be read."""

Series = list[tuple[float, float]]
"""Points (epoch, value) of a curve, by ascending epoch."""


class State(NamedTuple):
    """State of a run's files, compared to detect changes: log, final weights, and whether it ended without them.

    `changed` is the modification time of the log in nanoseconds since 1970, `size` its bytes; 0 without a log.
    """

    changed: int
    size: int
    finished: bool
    stopped: bool


class UnreadableRunError(OnarError):
    """A run whose files cannot be read; the message has the file's name without its path."""

    def __init__(self, kind: Unreadable, file: Path) -> None:
        self.kind = kind
        self.file = printable(file.name)
        super().__init__(UNREADABLE[kind].format(file=self.file))


class TrainingProgress(BaseModel):
    """Progress of a training, by its last logged step."""

    epoch: int = Field(description="The current epoch, from 1.")
    epochs: float = Field(description="Planned epochs; a fraction when steps or minutes end the run earlier.")
    epochs_done: float = Field(description="Completed epochs; a fraction within an epoch.")
    step: int
    images_per_second: float
    seconds_left: float = Field(description="Remaining training time at the last epoch's speed, without validation.")


@dataclass(frozen=True)
class LoggedRun:
    """The log of a run: a curve per loss, and per validation score and method; at first without progress.

    Curves of losses have the logged steps, or for short runs the epochs' means.
    """

    progress: TrainingProgress | None
    losses: dict[str, Series] = field(default_factory=dict)
    scores: dict[str, dict[str, Series]] = field(default_factory=dict)


def find_runs(roots: Sequence[Path]) -> dict[str, Path]:
    """Results folders by name, the newest first: the roots themselves, and their direct subfolders.

    A name is the root's own name followed by the path below it, with slashes on every system. Roots of the same name
    are numbered.
    """
    found: dict[Path, str] = {}
    for label, root in _labels(roots):
        for pattern in ("log.jsonl", "*/log.jsonl"):
            for log in _glob(root, pattern):
                found.setdefault(log.parent, "/".join([label, *log.parent.relative_to(root).parts]))
    newest_first = sorted(found, key=lambda folder: -state_of(folder).changed)
    return {printable(found[folder]): folder for folder in newest_first}


def _labels(roots: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """The distinct roots, each with a unique name."""
    times: Counter[str] = Counter()
    for root in dict.fromkeys(root.resolve() for root in roots):
        name = root.name or "results"  # / itself has none
        times[name] += 1
        yield name if times[name] == 1 else f"{name} ({times[name]})", root


def _glob(root: Path, pattern: str) -> list[Path]:
    try:
        return list(root.glob(pattern))
    except OSError:  # a folder without access has no runs to show
        return []


def state_of(folder: Path) -> State:
    """The state of a run, without reading its log."""
    results = Results(folder)
    try:
        status = results.log.stat()
    except OSError:
        return State(0, 0, False, False)
    finished = results.is_finished()
    return State(status.st_mtime_ns, status.st_size, finished, not finished and results.is_written_to() is False)


@lru_cache(maxsize=16)
def read_run(folder: Path, _state: State) -> LoggedRun:
    """Read the log and the settings of a run; cached for all viewers until its state changes.

    Raises `UnreadableRunError` if the log or the settings cannot be read, or are not those of a training.
    """
    results = Results(folder)
    planned, lines = _planned(results), _lines(results)
    records = [line for line in lines if _has_progress(line)]
    if not records:
        return LoggedRun(None)
    return LoggedRun(_progress(records, _planned_end(*planned, records, lines)), _losses(records), _scores(records))


@lru_cache(maxsize=10_000)
def summary(folder: Path, state: State) -> TrainingProgress | UnreadableRunError | None:
    """The progress of a run, or why it cannot be read; None before its first logged step."""
    try:
        return read_run(folder, state).progress
    except UnreadableRunError as error:
        return error.with_traceback(None)  # a traceback would keep the log in memory


def _planned(results: Results) -> tuple[float, float | None]:
    """Planned epochs, and steps if they are limited."""
    settings = _settings(results)
    steps, epoch_steps, epochs = (settings.get(name) for name in ("steps", "epoch_steps", "epochs"))
    if isinstance(steps, int) and isinstance(epoch_steps, int) and steps > 0 and epoch_steps > 0:
        return steps / epoch_steps, steps
    if not isinstance(epochs, int) or epochs < 1:
        raise UnreadableRunError("no_settings", results.config)
    most = settings.get("max_steps")
    return epochs, most if _is_number(most) else None


def _settings(results: Results) -> dict[str, Any]:
    try:
        return read_toml(results.config)
    except OnarError as error:
        unread = isinstance(error.__cause__, OSError)
        raise UnreadableRunError("no_access" if unread else "no_settings", results.config) from error


def _lines(results: Results) -> list[Record]:
    try:
        return results.records()
    except OSError as error:
        raise UnreadableRunError("no_access", results.log) from error
    except (ValueError, RecursionError) as error:  # not UTF-8, or nested too deeply
        raise UnreadableRunError("no_log", results.log) from error


def _has_progress(line: Record) -> bool:
    return all(_is_number(line.get(name)) for name in PROGRESS) and line["epochs_done"] > 0


def _is_number(value: Any) -> bool:
    """Whether a value is a number to compute with; a log may hold anything, and a loss may diverge."""
    return isinstance(value, int | float) and abs(value) < _MAX_VALUE


def _planned_end(epochs: float, max_steps: float | None, records: list[Record], lines: list[Record]) -> float:
    """The number of epochs by the latest plan in the log, or by the settings for older logs without one."""
    plans = (float(line["steps"]) for line in reversed(lines) if _is_number(line.get("steps")))
    steps = next(plans, max_steps)
    if steps is None or records[-1]["step"] <= 0:
        return epochs
    steps_per_epoch = float(records[-1]["step"] / records[-1]["epochs_done"])
    return min(float(epochs), steps / steps_per_epoch)


def _progress(records: list[Record], epochs: float) -> TrainingProgress:
    last = records[-1]
    share_of_epoch = last["epochs_done"] - (last["epoch"] - 1)
    return TrainingProgress(
        epoch=int(last["epoch"]),
        epochs=epochs,
        epochs_done=last["epochs_done"],
        step=int(last["step"]),
        images_per_second=last["images_per_second"],
        seconds_left=last["seconds"] / max(share_of_epoch, 1e-9) * max(0.0, epochs - last["epochs_done"]),
    )


def _losses(records: list[Record]) -> dict[str, Series]:
    steps = [record for record in records if record.get("kind") == "step"]
    epochs = [record for record in records if record.get("kind") == "epoch"]
    curves = {}
    for name in loss_names({name for record in records for name in record}):
        of_steps, of_epochs = (
            [(record["epochs_done"], record[name]) for record in some if _is_number(record.get(name))]
            for some in (steps, epochs)
        )
        if points := of_steps if len(of_steps) > 1 else of_epochs or of_steps:
            curves[name] = thinned(points)
    return curves


def _scores(records: list[Record]) -> dict[str, dict[str, Series]]:
    curves: dict[str, dict[str, Series]] = {}
    for record in records:
        validation = record.get("validation")
        for method, scores in validation.items() if isinstance(validation, dict) else ():
            for name, score in scores.items() if isinstance(scores, dict) else ():
                if _is_number(score):
                    curves.setdefault(name, {}).setdefault(method, []).append((record["epoch"], score))
    return {name: {method: thinned(curve) for method, curve in curves[name].items()} for name in curve_names(curves)}


def thinned(points: Series) -> Series:
    """A curve reduced to at most `MAX_POINTS` points, each the mean of neighbours.

    >>> thinned([(float(epoch), 1.0) for epoch in range(600)])[:2]
    [(0.5, 1.0), (2.5, 1.0)]
    """
    if len(points) <= MAX_POINTS:
        return points
    groups = groupby(enumerate(points), key=lambda numbered: numbered[0] * MAX_POINTS // len(points))
    return [_mean([point for _, point in group]) for _, group in groups]


def _mean(points: Series) -> tuple[float, float]:
    epochs, values = zip(*points, strict=True)
    return sum(epochs) / len(points), sum(values) / len(points)


def find_sheets(folder: Path) -> dict[int, float]:
    """The epochs with a sample sheet, ascending, and its modification time in seconds since 1970."""
    start, _, ending = Results(folder).samples(0).name.rpartition("0")
    sheets = {}
    for path in _glob(Results(folder).samples(0).parent, f"{start}*{ending}"):
        number = path.name.removeprefix(start).removesuffix(ending)
        if number.isdecimal() and number.isascii() and Results(folder).samples(int(number)) == path:
            try:
                sheets[int(number)] = path.stat().st_mtime
            except OSError:  # deleted meanwhile
                continue
    return dict(sorted(sheets.items()))
