"""Reports of the work on each photo, as a JSON or CSV file, and sheets of the photos before and after."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from PIL import Image

from onar.completion.config import CompletionConfig
from onar.completion.in_process import Outcome
from onar.completion.plan import Plan
from onar.errors import FieldError, printable
from onar.imaging.formats.endings import FORMATS, ending_of
from onar.imaging.sheets import Picture, picture_grid
from onar.imaging.writing import write_image
from onar.system.files import replacing

PAIRS_IN_ROW, PAIRS_IN_SHEET = 4, 40
_ERRORS = "backslashreplace"
"""Names of files may have bytes that are no text."""
_NAME_HEIGHT = 16
"""Pixels below a pair for the photo's name."""


@dataclass(frozen=True)
class Row:
    """One photo in a report.

    Attributes:
        photo, mask, output: the files; empty where there is none.
        state: completed, unchanged (no hole), existed (a result of an earlier call), failed, or not reached.
        hole_share: hole pixels / all pixels.
        seconds: time that its fill took.
        notes: losses and doubts.
        error: why it failed.
        made_of: a hash of what the result was made of, by which `resume` knows it again.
    """

    photo: str
    mask: str
    output: str
    state: str
    hole_share: float
    seconds: float
    notes: tuple[str, ...]
    error: str
    made_of: str = ""


def check_targets(config: CompletionConfig, plan: Plan, overwrite: bool) -> None:
    """Raise `FieldError` when the report or the sheets cannot be written, or would replace another file."""
    taken = {job.output.absolute() for job in plan.jobs} | {Path(str(job.photo)).absolute() for job in plan.jobs}
    kinds = {"report": ("json", "csv"), "contact_sheet": tuple(ending.removeprefix(".") for ending in FORMATS)}
    for name, endings in kinds.items():
        path = getattr(config, name)
        if path is None:
            continue
        if ending_of(path.name).removeprefix(".") not in endings:
            raise FieldError(name, f"{printable(path)}: its name must end in one of {' '.join(endings)}")
        if path.absolute() in taken:
            raise FieldError(name, f"{printable(path)} is a photo or a result of this call: choose another name")
        if path.exists() and not (overwrite or config.resume):
            raise FieldError(name, f"{printable(path)} exists: choose another name, or `overwrite`")


def with_earlier_report(plan: Plan, config: CompletionConfig) -> Plan:
    """With `resume`, the plan whose jobs know what the report of an earlier call says that their results were made of.

    Raises `FieldError` when the file is no report.
    """
    path = config.report
    if path is None or not config.resume or not path.exists():
        return plan
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = json.load(file) if ending_of(path.name) == ".json" else list(csv.DictReader(file))
        known = {row["output"]: row.get("made_of") or "" for row in rows}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise FieldError("report", f"{printable(path)} is not the report of an earlier call: choose another") from error
    jobs = [replace(job, made_of=known.get(_storable(str(job.output)), "")) for job in plan.jobs]
    return replace(plan, jobs=jobs)


class Sheets:
    """Writes the sheets that are asked for, each when its photos are there; raises `OnarError` if one cannot be."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._pairs: list[tuple[str, Picture, Picture]] = []
        self._count = 0

    def add(self, outcome: Outcome) -> Outcome:
        """Add the pictures of a photo; returns the outcome without them, for there may be many."""
        if outcome.pictures:
            self._pairs.append((outcome.job.output.name, *outcome.pictures))
            if len(self._pairs) == PAIRS_IN_SHEET:
                self.write()
        return replace(outcome, pictures=None)

    def write(self) -> None:
        """Write what was added since the last sheet."""
        if self._path and self._pairs:
            self._count += 1
            path = self._path
            write_image(path if self._count == 1 else path.with_stem(f"{path.stem}_{self._count}"), _sheet(self._pairs))
            self._pairs = []


def report_rows(outcomes: Sequence[Outcome], plan: Plan) -> Iterator[Row]:
    """A row for each photo of a call, also for those that were not reached, because it was stopped."""
    done = {outcome.job: outcome for outcome in outcomes}
    for job in plan.jobs:
        outcome = done.get(job, Outcome(job))
        state = outcome.state if job in done else "not reached"
        mask = "" if job.mask is None else str(job.mask)
        error = outcome.error or ""
        share, seconds = round(outcome.hole_share, 6), round(outcome.seconds, 3)
        files = str(job.photo), mask, str(job.output)
        yield Row(*files, state, share, seconds, outcome.notes, error, outcome.made_of or job.made_of)
    for photo in plan.without_mask:
        yield Row(str(photo), "", "", "failed", 0, 0, (), "no mask has its name")
    for photo, line in plan.ambiguous.items():
        yield Row(str(photo), "", "", "failed", 0, 0, (), line)


def write_report(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as a .json file (a list of objects) or a .csv file (UTF-8, notes joined by line breaks)."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors=_ERRORS, newline="") as file:
        if ending_of(path.name) == ".json":
            json.dump([asdict(row) for row in rows], file, ensure_ascii=False, indent=1)
            file.write("\n")
        else:
            writer = csv.DictWriter(file, [field.name for field in fields(Row)])
            writer.writeheader()
            writer.writerows({**asdict(row), "notes": "\n".join(row.notes)} for row in rows)


def _storable(text: str) -> str:
    """A text as it is read from a report."""
    return text.encode("utf-8", _ERRORS).decode()


# ---------------------------------------------------------------- sheets


def _sheet(pairs: Sequence[tuple[str, Picture, Picture]]) -> Picture:
    """A sheet of pairs of small pictures, uint8 H×W×3, each above the photo's name."""
    cells = [_named(name, picture_grid([[before, after]])) for name, before, after in pairs]
    return picture_grid([cells[start : start + PAIRS_IN_ROW] for start in range(0, len(cells), PAIRS_IN_ROW)])


def _named(name: str, pair: Picture) -> Picture:
    from PIL import ImageDraw, ImageFont  # here, because most calls write no sheet

    line = Image.new("RGB", (pair.shape[1], _NAME_HEIGHT), "white")
    ImageDraw.Draw(line).text((4, 0), printable(Path(name)), "black", ImageFont.load_default(12))
    return np.vstack([pair, np.asarray(line)])
