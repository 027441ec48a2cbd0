"""What is known of trainings from the files that they leave, while they run and afterwards; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

from onar.errors import OnarError, printable
from onar.metrics.table import curve_names
from onar.settings.checks import read_toml
from onar.training.results_folder import Record, Results, loss_names

POINTS = 300
"""Most points of a curve; of more, the means of neighbours are kept."""

PROGRESS = ("epoch", "epochs_done", "step", "seconds", "images_per_second")
"""What a line of the log says of how far and how fast a run is; lines of other events, such as a bad step, do not."""

_TOO_MUCH = 1e40
"""More than any loss of 32 bits; products of such numbers are still finite."""

Unreadable = Literal["no_access", "no_settings", "no_log"]
UNREADABLE: dict[Unreadable, str] = {
    "no_access": "{file} is missing or may not be read",
    "no_settings": "{file} is not the configuration of a training",
    "no_log": "{file} is not the log of a training",
}
"""What can be wrong with a run's files."""

Series = list[tuple[float, float]]
"""Points (epoch, value) of a curve, by rising epoch."""


class State(NamedTuple):
    """What of a run's files tells whether there is something new to read.

    Attributes:
        changed: when its log was last written, in nanoseconds since 1970; 0 when there is none.
        size: bytes of the log.
        finished: whether the final weights are there.
        stopped: whether it was ended before that: nothing trains into the folder any more.
    """

    changed: int
    size: int
    finished: bool
    stopped: bool


class UnreadableRunError(OnarError):
    """A run whose files cannot be read. The message names them as its folder does: who watches need not know more.

    Attributes:
        kind: what is wrong, of `UNREADABLE`.
        file: the name of the file.
    """

    def __init__(self, kind: Unreadable, file: Path) -> None:
        self.kind = kind
        self.file = printable(file.name)
        super().__init__(UNREADABLE[kind].format(file=self.file))


@dataclass(frozen=True)
class RunProgress:
    """How far a run is.

    Attributes:
        epoch: the one that is being trained, counted from 1.
        epochs: how many there will be, a broken number when `max_steps` or `max_minutes` ends the run earlier.
        epochs_done: how many there have been, a broken number within one.
        step: the last one that was logged.
        images_per_second: photos that are trained on in a second.
        seconds_left: training time that is left at the speed of the last epoch; validation comes on top.
    """

    epoch: int
    epochs: float
    epochs_done: float
    step: int
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class LoggedRun:
    """What a training has logged so far.

    Attributes:
        progress: None before the first step is logged.
        losses: a curve for each loss that is logged: of the logged steps, or of a short run of the epochs' averages.
        scores: a curve for each validation score and method.
    """

    progress: RunProgress | None
    losses: dict[str, Series] = field(default_factory=dict)
    scores: dict[str, dict[str, Series]] = field(default_factory=dict)


def find_runs(roots: Sequence[Path]) -> dict[str, Path]:
    """Results folders by name, the newest first: those named, and those directly in a folder that is named.

    A name is the path from the named folder on, with that folder's own name in front, and always with slashes. Named
    folders with the same name are numbered.
    """
    found: dict[Path, str] = {}
    for label, root in _labels(roots):
        for pattern in ("log.jsonl", "*/log.jsonl"):
            for log in _glob(root, pattern):
                found.setdefault(log.parent, "/".join([label, *log.parent.relative_to(root).parts]))
    newest_first = sorted(found, key=lambda folder: -state_of(folder).changed)
    return {printable(found[folder]): folder for folder in newest_first}


def _labels(roots: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """The named folders, each once, with a name of its own."""
    times: Counter[str] = Counter()
    for root in dict.fromkeys(root.resolve() for root in roots):
        name = root.name or "results"  # / itself has none
        times[name] += 1
        yield name if times[name] == 1 else f"{name} ({times[name]})", root


def _glob(root: Path, pattern: str) -> list[Path]:
    try:
        return list(root.glob(pattern))
    except OSError:  # a folder that may not be looked into has nothing to watch
        return []


def state_of(folder: Path) -> State:
    """Look at a run without reading it."""
    results = Results(folder)
    try:
        status = results.log.stat()
    except OSError:
        return State(0, 0, False, False)
    finished = results.generator.is_file()
    return State(status.st_mtime_ns, status.st_size, finished, not finished and results.is_written_to() is False)


@lru_cache(maxsize=16)
def read_run(folder: Path, _state: State) -> LoggedRun:
    """Read the log and the settings of a run, once for everybody who watches it, until its state is another.

    Raises:
        UnreadableRunError: the log or the settings cannot be read, or are those of another program.
    """
    results = Results(folder)
    planned, lines = _planned_epochs(results), _lines(results)
    records = [line for line in lines if _tells_progress(line)]
    if not records:
        return LoggedRun(None)
    return LoggedRun(_progress(records, _cut_short(planned, records, lines)), _losses(records), _scores(records))


@lru_cache(maxsize=10_000)
def summary(folder: Path, state: State) -> RunProgress | UnreadableRunError | None:
    """How far a run is, or why that cannot be told; None before its first step is logged."""
    try:
        return read_run(folder, state).progress
    except UnreadableRunError as error:
        return error.with_traceback(None)  # which would hold what was read


class _Plan(NamedTuple):
    epochs: int
    max_steps: float | None


def _planned_epochs(results: Results) -> _Plan:
    settings = _settings(results)
    epochs, steps = settings.get("epochs"), settings.get("max_steps")
    if not isinstance(epochs, int) or epochs < 1:
        raise UnreadableRunError("no_settings", results.config)
    return _Plan(epochs, steps if _is_number(steps) else None)


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
    except (ValueError, RecursionError) as error:  # bytes that are no text, and what nests too deeply
        raise UnreadableRunError("no_log", results.log) from error


def _tells_progress(line: Record) -> bool:
    return all(_is_number(line.get(name)) for name in PROGRESS) and line["epochs_done"] > 0


def _is_number(value: Any) -> bool:
    """Whether a value can be reckoned with; a log of another program may hold anything, as may a loss that diverged."""
    return isinstance(value, int | float) and abs(value) < _TOO_MUCH


def _cut_short(plan: _Plan, records: list[Record], lines: list[Record]) -> float:
    """How many epochs there will be, by the latest plan; logs of earlier versions have none, and settings tell."""
    told = (float(line["steps"]) for line in reversed(lines) if _is_number(line.get("steps")))
    steps = next(told, plan.max_steps)
    if steps is None or records[-1]["step"] <= 0:
        return plan.epochs
    steps_per_epoch = float(records[-1]["step"] / records[-1]["epochs_done"])
    return min(float(plan.epochs), steps / steps_per_epoch)


def _progress(records: list[Record], epochs: float) -> RunProgress:
    last = records[-1]
    share_of_epoch = last["epochs_done"] - (last["epoch"] - 1)
    return RunProgress(
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
            for name in scores if isinstance(scores, dict) else ():
                if _is_number(scores[name]):
                    curve = curves.setdefault(name, {}).setdefault(method, [])
                    curve.append((record["epoch"], scores[name]))
    return {name: {method: thinned(curve) for method, curve in curves[name].items()} for name in curve_names(curves)}


def thinned(points: Series) -> Series:
    """A curve of at most `POINTS` points, which are the means of as many neighbours each as it takes."""
    if len(points) <= POINTS:
        return points
    groups = groupby(enumerate(points), key=lambda numbered: numbered[0] * POINTS // len(points))
    return [_mean([point for _, point in group]) for _, group in groups]


def _mean(points: Series) -> tuple[float, float]:
    epochs, values = zip(*points, strict=True)
    return sum(epochs) / len(points), sum(values) / len(points)


def find_sheets(folder: Path) -> dict[int, float]:
    """The epochs that have a sample sheet, in order, and when each was written, in seconds since 1970."""
    start, _, ending = Results(folder).samples(0).name.rpartition("0")
    sheets = {}
    for path in _glob(Results(folder).samples(0).parent, f"{start}*{ending}"):
        number = path.name.removeprefix(start).removesuffix(ending)
        if number.isdecimal() and number.isascii() and Results(folder).samples(int(number)) == path:
            try:
                sheets[int(number)] = path.stat().st_mtime
            except OSError:  # gone meanwhile
                continue
    return dict(sorted(sheets.items()))
