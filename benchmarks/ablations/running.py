"""Make the runs with `onar train` and `onar evaluate` as processes, one at a time; finished ones are skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.ablations.study import Study, folder_of, report_of
from benchmarks.ablations.variants import Variant
from onar.errors import OnarError
from onar.settings.training import TrainConfig
from onar.training.results_folder import Results
from onar.training.setting_kinds import FREE_KEYS

TIMED_STEPS = (5, 25)
"""Steps of the two trainings that are timed; their difference leaves out starting."""


@dataclass(frozen=True)
class Places:
    """The folders of a study: photos to train on, photos and mask files to score on, and its results."""

    data: Path
    validation: Path
    masks: Path | None
    results: Path


def is_scored(study: Study, places: Places, variant: Variant, seed: int) -> bool:
    """Whether all scores of a run exist."""
    return not _train_is_due(study, places, variant, seed) and not _unscored(study, places, variant, seed)


def make_run(study: Study, places: Places, variant: Variant, seed: int) -> None:
    """Train and score, as far as necessary; an interrupted training is resumed.

    Raises `OnarError` if either failed, with the last line it printed, and `KeyboardInterrupt` if the study was
    interrupted and the running training has been saved.
    """
    folder = folder_of(places.results, variant, seed)
    if _train_is_due(study, places, variant, seed):
        settings = study.settings(variant, seed) | {"data": places.data, "results_dir": folder}
        _run("train", {"config": study.base, **settings}, folder.with_suffix(".log"))
        shutil.rmtree(Results(folder).checkpoints)  # ten times the weights, and not needed after the run
    height, width = TrainConfig.from_toml(Path(study.base)).height_width
    for mask_set in _unscored(study, places, variant, seed):
        masks = {"masks": places.masks} if mask_set == "files" else {}
        settings = {
            "data": places.validation,
            **masks,
            "weights": Results(folder).generator,
            "img_size": f"{height}x{width}",
            "masks_per_range": study.masks_per_range,
            "texture": "network",
            "output": report_of(places.results, variant, seed, mask_set),
        }
        _run("evaluate", settings, folder.with_suffix(".log"))


def measure_steps(study: Study, places: Places, variant: Variant, cpu_minutes: float) -> int:
    """How many steps of a variant take the given CPU time, starting not counted; raises as `make_run`."""
    short, long = TIMED_STEPS
    per_step = (_cpu_seconds(study, places, variant, long) - _cpu_seconds(study, places, variant, short)) / (
        long - short
    )
    return max(1, round(60 * cpu_minutes / per_step))


def _cpu_seconds(study: Study, places: Places, variant: Variant, steps: int) -> float:
    """CPU time of a training and its processes."""
    with TemporaryDirectory() as folder:
        settings = study.settings_of(variant, 0, steps) | {"data": places.data, "results_dir": Path(folder, "run")}
        before = os.times()
        _run("train", {"config": study.base, **settings}, Path(folder, "run.log"))
        after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _train_is_due(study: Study, places: Places, variant: Variant, seed: int) -> bool:
    """Whether the run's final weights are missing; raises `OnarError` if they were trained with other settings."""
    results = Results(folder_of(places.results, variant, seed))
    if not results.generator.exists():
        return True
    wanted = TrainConfig.from_toml(Path(study.base), **study.settings(variant, seed), data=places.data).to_plain()
    found = tomllib.loads(results.config.read_text(encoding="utf-8"))
    keys = sorted((wanted.keys() | found.keys()) - FREE_KEYS)
    if other := [key for key in keys if wanted.get(key) != found.get(key)]:
        raise OnarError(
            f"{results.folder} was trained with other settings ({', '.join(other)}): choose another --results, or "
            "remove it"
        )
    return False


def _unscored(study: Study, places: Places, variant: Variant, seed: int) -> list[str]:
    """The sets of masks for which a run has no scores, or scores on other photos or masks."""
    return [
        mask_set
        for mask_set in study.mask_sets
        if not _is_scored_on(study, places, report_of(places.results, variant, seed, mask_set), mask_set)
    ]


def _is_scored_on(study: Study, places: Places, report: Path, mask_set: str) -> bool:
    if not report.exists():
        return False
    protocol: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))["protocol"]
    wanted = {
        "data": str(places.validation),
        "masks": "generated" if mask_set == "generated" else str(places.masks),
        "masks_per_range": study.masks_per_range,
    }
    return all(protocol[name] == value for name, value in wanted.items())


def _run(verb: str, settings: dict[str, Any], log: Path) -> None:
    """Run a verb of `onar`, appending its output to a log file; raises as `make_run`.

    The process does not receive Ctrl-C: a second signal would end a training before it has saved.
    """
    flags = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "onar", verb, *flags], stdout=file, stderr=file, start_new_session=True
        )
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code:
        raise OnarError(f"onar {verb} ended with {code}: {_last_line(log)} (all of it: {log})")


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")
