"""A study: its runs, their settings and masks, and their folders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.ablations.variants import BASE, VARIANTS, Variant
from onar.errors import OnarError, UsageError
from onar.settings.training import TrainConfig
from onar.system.files import write_text


@dataclass(frozen=True)
class Study:
    """The runs and how they are scored; stored as `study.json` in the results folder, for the page.

    Attributes:
        base: base recipe of the runs.
        steps: steps per run.
        batch_size: photos per step.
        masks_per_range: masks in each of the twelve groups of an evaluation.
        mask_sets: names of the sets of masks: "generated", and "files" if there are any.
        variants: names of the runs, the base recipe first.
        seeds: seeds of each run.
        processor: name of the processor.
        cpu_minutes: CPU time of each run, instead of `steps`; None: all runs have `steps`.
        measured_steps: the steps that take that time, by the name of the variant.
    """

    base: str
    steps: int
    batch_size: int
    masks_per_range: int
    mask_sets: Sequence[str]
    variants: Sequence[str]
    seeds: Sequence[int]
    processor: str
    cpu_minutes: float | None = None
    measured_steps: Mapping[str, int] = field(default_factory=dict)

    def chosen(self) -> list[Variant]:
        """The variants, in order."""
        return [variant for variant in VARIANTS if variant.name in self.variants]

    def runs(self) -> Iterator[tuple[Variant, int]]:
        """Every variant with every seed, in the order they are made: the base recipe first, then pair by pair."""
        return ((variant, seed) for variant in self.chosen() for seed in self.seeds)

    def settings(self, variant: Variant, seed: int) -> dict[str, Any]:
        """The settings of a run besides the base recipe: its own, and those that make all runs equally long."""
        return self.settings_of(variant, seed, self.measured_steps.get(variant.name, self.steps))

    def settings_of(self, variant: Variant, seed: int, steps: int) -> dict[str, Any]:
        """The settings of a run of the given length."""
        batch_size = self.batch_size // variant.settings.get("accumulation_steps", 1)
        return variant.settings | {
            "seed": seed,
            "batch_size": batch_size,
            "max_steps": steps,
            "epochs": 1,
            "photos_per_epoch": steps * self.batch_size,
            "val_share": 0.0,
            "checkpoint_minutes": 2.0,
        }

    def write(self, results: Path) -> None:
        """Store it in the results folder."""
        write_text(results / "study.json", json.dumps(asdict(self), indent=1) + "\n")


def read_study(results: Path) -> Study:
    """The study of a results folder; raises `OnarError` if there is none."""
    try:
        return Study(**json.loads((results / "study.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise OnarError(f"no ablations in {results}: start them with make ablations DATA=FOLDER VAL=FOLDER") from error


def check_study(study: Study) -> None:
    """Raise `UsageError` if a number or name is invalid, or the base recipe already has the setting of a variant."""
    if study.steps < 1:
        raise UsageError(f"--steps must be at least 1, not {study.steps}")
    if study.cpu_minutes is not None and study.cpu_minutes <= 0:
        raise UsageError(f"--cpu_minutes must be above 0, not {study.cpu_minutes}")
    if study.batch_size < 2 or study.batch_size % 2:
        raise UsageError(f"--batch_size must be even and at least 2, to be halved once, not {study.batch_size}")
    if len(set(study.seeds)) != len(study.seeds):
        raise UsageError(f"--seeds takes different numbers, not {' '.join(map(str, study.seeds))}")
    names = [variant.name for variant in VARIANTS]
    if unknown := sorted(set(study.variants) - set(names)):
        raise UsageError(f"--variants takes names out of {', '.join(names)}, not {unknown[0]!r}")
    base = TrainConfig.from_toml(Path(study.base)).to_plain()
    for variant in study.chosen():
        if variant.name != BASE and all(base.get(name) == value for name, value in variant.own.items()):
            raise UsageError(f"{study.base} has {variant.change} already: leave {variant.name} out of --variants")


def folder_of(results: Path, variant: Variant, seed: int) -> Path:
    """The results folder of a run."""
    return results / variant.name / f"seed_{seed}"


def report_of(results: Path, variant: Variant, seed: int, mask_set: str) -> Path:
    """The scores of a run on a set of masks, as `onar evaluate` writes them."""
    return folder_of(results, variant, seed) / f"scores_{mask_set}.json"
