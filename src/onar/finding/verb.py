"""The verb `find`: find damage and text in photo files, write masks, and report progress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from onar.errors import OnarError, printable
from onar.finding.config import FindConfig
from onar.finding.files import MaskOutcome, find_in_files, plan_masks
from onar.finding.finder import Finder
from onar.imaging.listing import some
from onar.system.console import progress_bar, say, warn


def find_masks(
    photos: Sequence[str | Path],
    what: str,
    output: Path,
    *,
    device: str = "auto",
    overwrite: bool = False,
    config: FindConfig = FindConfig(),  # noqa: B008
) -> list[MaskOutcome]:
    """Write a mask of each photo, as `plan_masks` finds them, and report progress.

    Raises `OnarError` if no photo, or not every photo, has a mask now; all others have.
    """
    finder = Finder(what, device, config.threads)
    jobs = plan_masks(photos, output, overwrite=overwrite, preview=config.preview)
    finder.load()
    say(f"looking for {' and '.join(kind.name for kind in finder.kinds)}")
    outcomes = []
    found = find_in_files(jobs, finder, config, overwrite=overwrite)
    for outcome in progress_bar(found, total=len(jobs), unit="photo") if len(jobs) > 1 else found:
        outcomes.append(outcome)
        if outcome.error and len(jobs) > 1:
            warn(f"onar: {outcome.error}")
    _summarise(outcomes)
    return outcomes


def _summarise(outcomes: Sequence[MaskOutcome]) -> None:
    """Print a summary; raises `OnarError` when not every photo has a mask."""
    done = [outcome for outcome in outcomes if outcome.error is None]
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if len(done) == 1:
        say(f"{done[0].share:.2%} of the photo is marked in {printable(done[0].job.output)}")
    elif done:
        folders = {outcome.job.output.parent for outcome in done}
        nothing = sum(outcome.share == 0 for outcome in done)
        mean = sum(outcome.share for outcome in done) / len(done)
        empty = f"; nothing was found in {nothing}" if nothing else ""
        say(f"masks of {len(done)} photos are in {some(sorted(folders))}: {mean:.2%} marked on average{empty}")
    if failed and len(outcomes) == 1:
        raise OnarError(str(failed[0].error)) from failed[0].cause
    if failed:
        photos = some(outcome.job.photo for outcome in failed)
        raise OnarError(
            f"{len(failed)} of {len(outcomes)} photos have no mask, for the reasons above: {photos}"
        ) from failed[0].cause
