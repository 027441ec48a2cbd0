"""The verb `complete`: find the photos, have an engine complete them, and tell a person how it goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from onar.completion.config import CompletionConfig, EngineConfig
from onar.completion.in_process import Outcome, complete_files
from onar.completion.plan import Job, plan_jobs, some
from onar.errors import OnarError
from onar.imaging.images import printable
from onar.inference.inpainter import Inpainter


def complete(
    photos: Sequence[str | Path],
    mask: Path,
    output: Path,
    *,
    weights: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    config: CompletionConfig = CompletionConfig(),  # noqa: B008
    where: EngineConfig = EngineConfig(),  # noqa: B008
) -> list[Outcome]:
    """Complete photo files, telling a person how it goes.

    Args:
        photos: files, folders or patterns, as `plan_jobs` takes them.
        mask: a mask file for all, or a folder with one for each; or `alpha`, as `plan_jobs` takes it.
        output: file or folder.
        weights: what `Inpainter.load` takes.
        device: "auto", "cpu", "cuda" or "mps".
        overwrite: replace files that are there.
        config: how.
        where: in this process, or in those of a Ray cluster.

    Raises:
        OnarError: nothing can be done, or some photos could not be completed; the others are.
    """
    extras = [word for word, wanted in (("overlay", config.overlay), ("compare", config.compare)) if wanted]
    jobs, without_mask = plan_jobs(photos, mask, output, overwrite, extras)
    outcomes: list[Outcome] = []
    description, results = _start(jobs, weights, device, config, where)
    print(f"filling holes with {description}", flush=True)
    with tqdm(total=len(jobs), unit="photo", disable=True if len(jobs) == 1 else None) as progress:
        for outcome in results:
            outcomes.append(outcome)
            for line in (*outcome.notes, *([outcome.error] if outcome.error and len(jobs) > 1 else [])):
                tqdm.write(f"onar: {line}", file=sys.stderr)
            progress.update()
    _summarise(outcomes, without_mask)
    return outcomes


def _start(
    jobs: Sequence[Job], weights: str | None, device: str, config: CompletionConfig, where: EngineConfig
) -> tuple[str, Iterator[Outcome]]:
    """What fills the holes, in words, and the outcomes as the engine brings them."""
    if where.engine == "ray":
        from onar.completion.on_ray import complete_on_ray

        description = Inpainter.load(weights, "cpu").description  # bad weights are told here, not by every worker
        return description, complete_on_ray(jobs, weights, device, config, where)
    inpainter = Inpainter.load(weights, device, where.threads)
    return inpainter.description, complete_files(jobs, inpainter, config)


def _summarise(outcomes: Sequence[Outcome], without_mask: Sequence[Path]) -> None:
    """Print what was done; raises `OnarError` when that is not all."""
    done = [outcome.job for outcome in outcomes if outcome.error is None]
    failed = [outcome.job.photo for outcome in outcomes if outcome.error is not None]
    if done:
        folders = {job.output.parent for job in done}
        place = done[0].output if len(done) == 1 else f"{len(done)} photos in {some(sorted(folders))}"
        print(f"completed {printable(Path(place))}")
    if len(outcomes) == 1 and outcomes[0].error is not None and not without_mask:
        raise OnarError(outcomes[0].error) from outcomes[0].cause
    problems = []
    if failed:
        problems.append(f"not completed, for the reasons above: {some(failed)}")
    if without_mask:
        problems.append(f"no mask has the name of {some(without_mask)}")
    if problems:
        missed = len(failed) + len(without_mask)
        cause = next((outcome.cause for outcome in outcomes if outcome.cause is not None), None)
        raise OnarError(
            f"{missed} of {len(outcomes) + len(without_mask)} photos failed; {'; '.join(problems)}"
        ) from cause
