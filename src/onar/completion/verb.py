"""The verb `complete`: find the photos, complete them in an engine, and report progress."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from onar.completion.config import CompletionConfig, EngineConfig
from onar.completion.in_process import Outcome, complete_files, load_finder, load_weights
from onar.completion.plan import Job, Plan, plan_jobs
from onar.completion.report import Sheets, check_targets, report_rows, with_earlier_report, write_report
from onar.completion.watching import watched
from onar.errors import FieldError, OnarError, printable
from onar.imaging.listing import some
from onar.system.console import elapsed_time, say, warn


def complete(
    photos: Sequence[str | Path],
    mask: Path | None,
    output: Path,
    *,
    weights: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    config: CompletionConfig = CompletionConfig(),  # noqa: B008
    where: EngineConfig = EngineConfig(),  # noqa: B008
) -> list[Outcome]:
    """Complete photo files, as `plan_jobs` finds them, here or on a Ray cluster, and report progress.

    Weights and device are as for `Inpainter.load`. Raises `OnarError` if no photo, or not every photo, could be
    completed; all others are.
    """
    _check_mask(mask, config)
    extras = [word for word, wanted in (("overlay", config.overlay), ("compare", config.compare)) if wanted]
    plan = plan_jobs(photos, mask, output, overwrite, extras, config.resume)
    check_targets(config, plan, overwrite)
    plan = with_earlier_report(plan, config)
    jobs, outcomes = plan.jobs, list[Outcome]()
    results: Iterator[Outcome]
    if where.engine == "ray":
        from onar.completion.on_ray import complete_on_ray

        # Bad weights and missing packages are reported once here, not by each worker.
        description = load_weights(weights, "cpu", 0, config).description
        if config.find:
            load_finder(config.find, "cpu", 0)
        results = complete_on_ray(jobs, weights, device, config, where, overwrite=overwrite)
    else:
        inpainter = load_weights(weights, device, where.threads, config)
        description, results = inpainter.description, complete_files(jobs, inpainter, config, overwrite=overwrite)
    if not config.quiet:
        say(f"filling holes with {description}")
    for line in plan.ambiguous.values():
        warn(f"onar: {line}")
    sheets = Sheets(config.contact_sheet)
    try:
        for outcome in results if config.quiet else _with_progress(results, jobs):
            outcomes.append(sheets.add(outcome))
            notes = () if outcome.was_there or config.quiet else outcome.notes  # the earlier call showed them
            for line in (*notes, *([outcome.error] if outcome.error and plan.count > 1 else [])):
                warn(f"onar: {line}")
    finally:
        if config.report is not None:
            write_report(config.report, list(report_rows(outcomes, plan)))
        sheets.write()
    if not config.quiet:
        _say_what_was_done(outcomes)
    _raise_if_failed(outcomes, plan)
    return outcomes


def _check_mask(mask: Path | None, config: CompletionConfig) -> None:
    """Raise `UsageError` when there is nothing to fill, or an option of masks without a mask."""
    if mask is not None:
        return
    if config.find is None and config.extend is None:
        raise FieldError("mask", "is missing: name a mask or a folder of masks, or let `find` look for damage or text")
    for name in ("invert_mask", "dilate", "resize_mask"):
        if getattr(config, name):
            raise FieldError(name, "is for `mask`; what is found is widened with `grow`")


def _with_progress(results: Iterator[Outcome], jobs: Sequence[Job]) -> Iterator[Outcome]:
    """The outcomes with a table or lines of their states; for one photo, with the time that it has taken."""
    if len(jobs) == 1:
        with elapsed_time(f"Filling {printable(jobs[0].photo)}"):
            outcomes = list(results)
        yield from outcomes
    elif jobs:
        yield from watched(results, len(jobs))


def _say_what_was_done(outcomes: Sequence[Outcome]) -> None:
    written = [outcome for outcome in outcomes if outcome.error is None and not outcome.was_there]
    done = [outcome.job for outcome in written if outcome.hole_share]
    as_before = [outcome.job.output for outcome in written if not outcome.hole_share]
    there = sum(outcome.was_there for outcome in outcomes)
    if done:
        folders = {job.output.parent for job in done}
        place = done[0].output if len(done) == 1 else f"{len(done)} photos in {some(sorted(folders))}"
        say(f"completed {printable(Path(place))}")
    if as_before:
        say(f"not filled, because there is no hole: {some(as_before)}")
    if there:
        say(f"{there} {'results' if there > 1 else 'result'} existed already")


def _raise_if_failed(outcomes: Sequence[Outcome], plan: Plan) -> None:
    """Raise `OnarError` when not every photo was completed."""
    failed = [*plan.ambiguous, *(outcome.job.photo for outcome in outcomes if outcome.error is not None)]
    if plan.count == 1 and outcomes[0].error is not None:
        raise OnarError(outcomes[0].error) from outcomes[0].cause
    problems = []
    if failed:
        problems.append(f"not completed, for the reasons above: {some(failed)}")
    if plan.without_mask:
        problems.append(f"no mask has the name of {some(plan.without_mask)}")
    if problems:
        missed = len(failed) + len(plan.without_mask)
        cause = next((outcome.cause for outcome in outcomes if outcome.cause is not None), None)
        raise OnarError(f"{missed} of {plan.count} photos failed; {'; '.join(problems)}") from cause
