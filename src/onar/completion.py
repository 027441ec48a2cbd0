"""Completing photo files: read, fill, write; one file after the other, whatever happens to some of them.

Threads read the next photos and write the last ones while the network fills one: decoding and encoding leave Python's
lock to others. Every photo in their hands is in memory, so there are few of them.
"""

from __future__ import annotations

import shutil
import sys
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from onar.config import CompletionConfig
from onar.errors import OnarError
from onar.files import replacing
from onar.images import PhotoTooLargeError, printable, read_mask, write_image
from onar.inpainter import Inpainter
from onar.jobs import Job, plan_jobs, some
from onar.masks import HOLE
from onar.photo_files import Photo, read_photo_file, write_photo_file

MUCH = 0.7
"""Share of holes above which a mask is probably inverted."""
TINT = (255, 0, 0)
COMPARED_SIZE = 1024

Holes = NDArray[np.bool_]
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What became of one photo.

    Attributes:
        job: which one.
        notes: what a person should know, one line each.
        error: why it is not completed, in one line; None when it is.
        cause: what was raised then, without the local variables of its traceback.
    """

    job: Job
    notes: tuple[str, ...] = ()
    error: str | None = None
    cause: Exception | None = None


@dataclass(frozen=True)
class _Work:
    """A photo between two stations."""

    job: Job
    photo: Photo
    hole: Holes
    completed: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()


def complete(
    photos: Sequence[str | Path],
    mask: Path,
    output: Path,
    *,
    weights: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    config: CompletionConfig = CompletionConfig(),  # noqa: B008
) -> list[Outcome]:
    """Complete photo files, telling a person how it goes.

    Args:
        photos: files, folders or patterns, as `plan_jobs` takes them.
        mask: a mask file for all, or a folder with one for each.
        output: file or folder.
        weights: what `Inpainter.load` takes.
        device: "auto", "cpu", "cuda" or "mps".
        overwrite: replace files that are there.
        config: how.

    Raises:
        OnarError: nothing can be done, or some photos could not be completed; the others are.
    """
    extras = [word for word, wanted in (("overlay", config.overlay), ("compare", config.compare)) if wanted]
    jobs, without_mask = plan_jobs(photos, mask, output, overwrite, extras)
    inpainter = Inpainter.load(weights, device)
    print(f"filling holes with {inpainter.description}", flush=True)
    outcomes: list[Outcome] = []
    with tqdm(total=len(jobs), unit="photo", disable=True if len(jobs) == 1 else None) as progress:
        for outcome in complete_files(jobs, inpainter, config):
            outcomes.append(outcome)
            for line in (*outcome.notes, *([outcome.error] if outcome.error and len(jobs) > 1 else [])):
                tqdm.write(f"onar: {line}", file=sys.stderr)
            progress.update()
    _summarise(outcomes, without_mask)
    return outcomes


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


def complete_files(
    jobs: Iterable[Job],
    inpainter: Inpainter,
    config: CompletionConfig = CompletionConfig(),  # noqa: B008
) -> Iterator[Outcome]:
    """Complete photo files, each whole or not at all; files that are there are replaced.

    Args:
        jobs: what to do.
        inpainter: fills the holes.
        config: how.

    Yields:
        What became of each photo, in the order of the jobs. A photo that cannot be read, filled or written does not
        stop the others.
    """
    limit = int(config.max_megapixels * 1_000_000)

    @lru_cache(maxsize=1)  # one mask may serve all photos
    def read_holes(path: Path) -> Holes:
        return _prepare_holes(read_mask(path, limit), config)

    def read(job: Job) -> _Work:
        photo = read_photo_file(job.photo, limit)
        work = _Work(job, photo, read_holes(job.mask), notes=photo.losses)
        _check_size(work)
        return work

    def fill(work: _Work) -> _Work:
        if not work.hole.any():
            return work
        pixels = work.photo.in_8_bits
        completed = inpainter(pixels, work.hole, strategy=config.strategy, feather=config.feather)
        return replace(work, completed=completed)

    with _own_limit_instead_of_pillows(), _executor(config.workers) as executor:
        writing: deque[tuple[Job, Future[tuple[str, ...]]]] = deque()
        for job, reading in _submit_ahead(executor, read, jobs, config.workers):
            try:
                work = fill(reading.result())
                written = executor.submit(_write, work, config)
            except Exception as error:  # of whatever kind: the others shall not suffer
                written = Future()
                written.set_exception(error)
            writing.append((job, written))
            del reading
            while len(writing) > config.workers:
                yield _outcome(*writing.popleft())
        while writing:
            yield _outcome(*writing.popleft())


def _outcome(job: Job, writing: Future[tuple[str, ...]]) -> Outcome:
    name = printable(job.photo)
    try:
        return Outcome(job, tuple(f"{name}: {note}" for note in writing.result()))
    except Exception as error:
        reason = _reason(error)
        _forget_locals(error)
        return Outcome(job, error=reason if name in reason else f"{name}: {reason}", cause=error)


def _forget_locals(error: BaseException | None) -> None:
    """Free the photos that the traceback of an error holds; where it was raised remains."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _reason(error: Exception) -> str:
    """Why a photo is not completed, in one line."""
    if isinstance(error, PhotoTooLargeError):
        return f"{error}: --max_megapixels allows larger photos"
    if isinstance(error, OnarError):
        return str(error)
    if isinstance(error, MemoryError) or "memory" in str(error):  # torch has several kinds
        return "not enough memory; --strategy crop and --workers 0 need the least"
    return f"an error in Onar itself; --debug shows where: {' '.join(str(error).split()) or type(error).__name__}"


# ---------------------------------------------------------------- one photo


def _prepare_holes(mask: NDArray[np.uint8], config: CompletionConfig) -> Holes:
    hole = (mask < HOLE) if config.invert_mask else (mask == HOLE)
    if config.dilate and hole.any():
        distance = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        hole = np.asarray(distance <= config.dilate)
    return hole


def _check_size(work: _Work) -> None:
    """Raise `OnarError` when mask and photo are not of one size."""
    height, width = work.photo.pixels.shape[:2]
    tall, wide = work.hole.shape
    if (tall, wide) == (height, width):
        return
    message = f"the mask {printable(work.job.mask)} is {wide} x {tall} pixels, the photo {width} x {height}"
    if (wide, tall) == work.photo.stored_size:
        message += f"; the file holds it as {wide} x {tall}, to be turned by its EXIF orientation: turn the mask, too"
    raise OnarError(f"{printable(work.job.photo)}: {message}")


def _write(work: _Work, config: CompletionConfig) -> tuple[str, ...]:
    """Write what is asked for; returns notes."""
    share = float(np.count_nonzero(work.hole)) / work.hole.size
    notes = [*work.notes]
    if share > MUCH:
        advice = "leave --invert_mask out" if config.invert_mask else "use --invert_mask"
        notes.append(f"{share:.0%} of the photo is hole; white is filled: if the mask is inverted, {advice}")
    if work.completed is None:
        notes.append("the mask has no hole: the photo is copied as it is")
        notes += _copy(work)
        filled = work.photo
    else:
        filled = work.photo.with_holes_filled(work.completed, work.hole)
        notes += write_photo_file(work.job.output, filled)
    if config.overlay:
        write_image(work.job.beside("overlay"), _tint(work.photo.in_8_bits, work.hole))
    if config.compare:
        write_image(work.job.beside("compare"), _side_by_side(work.photo.in_8_bits, work.hole, filled.in_8_bits))
    return tuple(notes)


def _copy(work: _Work) -> list[str]:
    source, output = work.job.photo, work.job.output
    if source.suffix.lower() != output.suffix.lower():
        return write_photo_file(output, work.photo)
    if source.resolve() != output.resolve():
        with replacing(output) as temporary:
            shutil.copyfile(source, temporary)
    return []


def _tint(photo: NDArray[np.uint8], hole: Holes) -> NDArray[np.uint8]:
    """RGB uint8 H×W×3 of the photo, half red in its holes."""
    tinted = _as_rgb(photo)
    tinted[hole] = tinted[hole] // 2 + np.array(TINT, np.uint8) // 2
    return tinted


def _side_by_side(photo: NDArray[np.uint8], hole: Holes, completed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A sheet of the photo with white holes and the completed photo, reduced to at most `COMPARED_SIZE` each."""
    from onar.report import picture_grid  # brings matplotlib, which takes half a second

    masked = _as_rgb(photo)
    masked[hole] = 255
    return picture_grid([[_reduce(masked), _reduce(_as_rgb(completed))]])


def _as_rgb(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(photo[..., None], 3, axis=2) if photo.ndim == 2 else photo.copy()


def _reduce(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.fromarray(picture)
    image.thumbnail((COMPARED_SIZE, COMPARED_SIZE), Image.Resampling.LANCZOS)
    return np.asarray(image)


# ---------------------------------------------------------------- threads


class _InLine(Executor):
    """Runs everything at once, in the thread that asks."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _executor(workers: int) -> Executor:
    return ThreadPoolExecutor(workers) if workers else _InLine()


def _submit_ahead(
    executor: Executor, function: Callable[[Job], T], jobs: Iterable[Job], ahead: int
) -> Iterator[tuple[Job, Future[T]]]:
    """Yield each job with the future of its result, when the next `ahead` jobs are on their way."""
    waiting: deque[tuple[Job, Future[T]]] = deque()
    for job in jobs:
        waiting.append((job, executor.submit(function, job)))
        if len(waiting) > ahead:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


@contextmanager
def _own_limit_instead_of_pillows() -> Iterator[None]:
    """Let `--max_megapixels` alone decide how large photos may be, and restore Pillow's limit and warnings after.

    Both are global to the process. Warnings are kept out here once for all threads, because every thread that does it
    for itself may restore what another one has set.
    """
    limit: Any = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
