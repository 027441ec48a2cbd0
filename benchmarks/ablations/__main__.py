"""Make the ablations and write their page.

python -m benchmarks.ablations --data PHOTOS --val PHOTOS    all missing runs
python -m benchmarks.ablations                               only the page, from existing scores
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

import torch
from filelock import FileLock, Timeout

from benchmarks.ablations.page import notes_of, write_page
from benchmarks.ablations.running import Places, is_scored, make_run, measure_steps
from benchmarks.ablations.study import Study, check_study, read_study
from benchmarks.ablations.variants import BASE, VARIANTS
from benchmarks.table import processor
from onar.errors import OnarError, UsageError
from onar.system.files import write_text

REPOSITORY = Path(__file__).parent.parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Make all missing runs, and the page; returns the exit code: 0, 1 after a failure, 130 if interrupted."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        if options.data is None and options.val is None:
            _write(read_study(options.results), options)
            return 0
        return _make_all(options)
    except OnarError as error:
        print(f"ablations: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the same command continues.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablations", description="Ablations of settings.")
    parser.add_argument("--data", type=Path, help="folder of photos to train on; only the page without it and --val")
    parser.add_argument("--val", type=Path, help="folder of photos to score on")
    parser.add_argument("--masks", type=Path, help="folder of mask files to score with, beside generated masks")
    parser.add_argument("--results", type=Path, default=REPOSITORY / "ablations", help="folder of the runs")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "docs" / "ablations.md", help="the page")
    parser.add_argument("--base", default="laptop", help="recipe that the runs differ from")
    parser.add_argument("--steps", type=int, default=500, help="steps of each run")
    parser.add_argument(
        "--cpu_minutes", type=float, help="CPU time of each run, instead of --steps; the steps for it are measured"
    )
    parser.add_argument("--batch_size", type=int, default=8, help="photos in a step")
    parser.add_argument("--masks_per_range", type=int, default=10, help="masks in each of the twelve groups")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="each run is made with all of them")
    parser.add_argument(
        "--variants", nargs="*", help="names of the runs to make beside the base recipe; by default all"
    )
    return parser


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _make_all(options: argparse.Namespace) -> int:
    """Make the missing runs, and write the page after each; failures are reported, and the next run is made."""
    if options.data is None or options.val is None:
        raise UsageError("say where both the photos to train on and those to score on are: --data FOLDER --val FOLDER")
    places = Places(options.data, options.val, options.masks, options.results)
    names = [variant.name for variant in VARIANTS] if options.variants is None else [BASE, *options.variants]
    study = Study(
        base=options.base,
        steps=options.steps,
        batch_size=options.batch_size,
        masks_per_range=options.masks_per_range,
        mask_sets=["generated"] if options.masks is None else ["generated", "files"],
        variants=names,
        seeds=options.seeds,
        processor=f"{processor()}, {torch.get_num_threads()} threads",
        cpu_minutes=options.cpu_minutes,
    )
    check_study(study)
    failures = 0
    with _only_one(options.results):
        study = _with_measured_steps(study, places)
        study.write(options.results)
        for number, (variant, seed) in enumerate(runs := list(study.runs()), 1):
            if is_scored(study, places, variant, seed):
                continue
            print(f"{number} of {len(runs)}: {variant.name}, seed {seed}", flush=True)
            try:
                make_run(study, places, variant, seed)
            except OnarError as error:
                failures += 1
                print(f"ablations: {variant.name}, seed {seed}: {error}", file=sys.stderr, flush=True)
            _write(study, options)
        _write(study, options)
    print(f"Written to {options.output}" + (f"; {failures} runs failed" if failures else ""))
    return 1 if failures else 0


def _with_measured_steps(study: Study, places: Places) -> Study:
    """The study with the steps that take `cpu_minutes`, measured once; without that, as it is."""
    if study.cpu_minutes is None:
        return study
    measured = {}
    with suppress(OnarError):  # there is none before the first start
        if (before := read_study(places.results)).cpu_minutes == study.cpu_minutes:
            measured = dict(before.measured_steps)
    for variant in study.chosen():
        if variant.name not in measured:
            measured[variant.name] = measure_steps(study, places, variant, study.cpu_minutes)
            print(f"{variant.name}: {measured[variant.name]} steps take {study.cpu_minutes:g} CPU minutes", flush=True)
    return replace(study, measured_steps=measured)


@contextmanager
def _only_one(results: Path) -> Iterator[None]:
    """Lock the results folder; raises `OnarError` if another process has locked it."""
    results.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(results / ".lock").acquire(blocking=False):
            yield
    except Timeout as error:
        raise OnarError(f"another process makes ablations in {results}: wait for it, or stop it") from error


def _write(study: Study, options: argparse.Namespace) -> None:
    before = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
    write_text(options.output, write_page(study, options.results) + notes_of(before))


if __name__ == "__main__":
    sys.exit(main())
