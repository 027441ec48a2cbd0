"""Completing photo files in this process: read, fill, write; one after the other, whatever happens to some of them.

Threads read the next photos and write the last ones while the network fills one: decoding and encoding leave Python's
lock to others. Every photo in their hands is in memory, so there are few of them.
"""

from __future__ import annotations

import shutil
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.completion.config import CompletionConfig
from onar.completion.matching import Source, is_same_file
from onar.completion.plan import Job
from onar.devices import is_out_of_memory
from onar.errors import OnarError, printable
from onar.files import replacing
from onar.imaging.formats import FORMATS, ending_of
from onar.imaging.images import PhotoTooLargeError, damage_told, read_mask, write_image
from onar.imaging.levels import Pixels
from onar.imaging.photo_file import Photo, count_pictures, read_photo_file, reduced, write_photo_file
from onar.imaging.sheets import picture_grid
from onar.inference.holes import (
    ALPHA,
    SizesDifferError,
    check_size,
    doubts,
    fill_visible,
    find_holes,
    mask_of_alpha,
)
from onar.inference.inpainter import Inpainter
from onar.masks import Holes

TINT = (255, 0, 0)
COMPARED_SIZE = 1024

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
    questions: list[str]
    filled: Photo | None = None


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
    def read_holes(path: Source) -> tuple[Holes, list[str]]:
        mask = read_mask(path, limit)
        hole = find_holes(mask, invert=config.invert_mask, dilate=config.dilate)
        return hole, doubts(mask, hole, config.invert_mask)

    def read(job: Job) -> _Work:
        photo = read_photo_file(job.photo, limit)
        work = _with_own_mask(job, photo, config) if job.mask == ALPHA else _Work(job, photo, *read_holes(job.mask))
        _check_size(work)
        _refuse_to_lose(work, config)
        return work

    with _own_limit_instead_of_pillows(), _executor(config.workers) as executor:
        writing: deque[tuple[Job, Future[tuple[str, ...]]]] = deque()
        for job, reading in _submit_ahead(executor, read, jobs, config.workers):
            try:
                work = _fill(reading.result(), inpainter, config)
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
    if is_out_of_memory(error):
        return "not enough memory; --strategy crop and --workers 0 need the least"
    return f"an error in Onar itself; --debug shows where: {' '.join(str(error).split()) or type(error).__name__}"


# ---------------------------------------------------------------- one photo


def _with_own_mask(job: Job, photo: Photo, config: CompletionConfig) -> _Work:
    """A photo whose holes were erased, which is opaque then; raises `OnarError` when it has no transparency."""
    if photo.alpha is None:
        raise OnarError(f"{printable(job.photo)}: nothing is transparent in it, so --mask {ALPHA} finds no hole")
    mask = mask_of_alpha(photo.alpha)
    hole = find_holes(mask, invert=config.invert_mask, dilate=config.dilate)
    return _Work(job, replace(photo, alpha=None), hole, doubts(mask, hole, config.invert_mask))


def _check_size(work: _Work) -> None:
    """Raise `SizesDifferError`, with the names of both files, when mask and photo are not of one size."""
    try:
        check_size(work.hole, work.photo, f"the mask {printable(work.job.mask)}")
    except SizesDifferError as error:
        raise SizesDifferError(f"{printable(work.job.photo)}: {error}") from None


def _refuse_to_lose(work: _Work, config: CompletionConfig) -> None:
    """Raise `OnarError` when a result would replace a file that holds more: the photo itself, or other pictures."""
    output = work.job.output
    lost: list[str]
    if output.exists() and is_same_file(work.job.photo, output):
        lost = [] if _is_copied(work) else [*work.photo.losses, *reduced(work.photo, _format_of(output))[1]]
    else:
        lost = _other_pictures(output, work.photo.count if _is_copied(work) else 1)
    pictures = {output: lost} | {beside: _other_pictures(beside, 1) for beside in _pictures_beside(work.job, config)}
    for target, losses in pictures.items():
        if losses:
            reason = "; ".join(losses)
            raise OnarError(
                f"{printable(target)} would be replaced by less than it holds ({reason}): choose another --output"
            )


def _other_pictures(target: Path, kept: int) -> list[str]:
    """What a file holds, in words, if that is more pictures than are kept."""
    count = count_pictures(target) if target.exists() else 0
    return [f"it holds {count} pictures"] if count > kept else []


def _pictures_beside(job: Job, config: CompletionConfig) -> list[Path]:
    return [job.beside(word) for word in ("overlay", "compare") if getattr(config, word)]


def _is_copied(work: _Work) -> bool:
    """Whether a photo has no holes and stays in its format, so that its file is copied."""
    kind = "JPEG" if work.photo.kind == "MPO" else work.photo.kind
    return not work.hole.any() and kind == _format_of(work.job.output)


def _format_of(output: Path) -> str:
    return FORMATS[ending_of(output.name)]


def _fill(work: _Work, inpainter: Inpainter, config: CompletionConfig) -> _Work:
    options = {name: getattr(config, name) for name in ("strategy", "feather", "texture", "seed")}

    def complete(pixels: Pixels, unknown: Holes) -> Pixels:
        return inpainter(pixels, unknown, **options)

    if not work.hole.any():
        return work
    pixels = fill_visible(work.photo.pixels, work.photo.alpha, work.hole, complete)
    return replace(work, filled=replace(work.photo, pixels=pixels))


def _write(work: _Work, config: CompletionConfig) -> tuple[str, ...]:
    """Write what is asked for; returns notes."""
    notes = [*work.questions]
    if work.filled is None:
        notes += _write_unfilled(work)
    else:
        notes += [*work.photo.losses, *write_photo_file(work.job.output, work.filled)]
    filled = work.filled or work.photo
    if config.overlay:
        write_image(work.job.beside("overlay"), _tint(work.photo.in_8_bits, work.hole))
    if config.compare:
        write_image(work.job.beside("compare"), _side_by_side(work.photo.in_8_bits, work.hole, filled.in_8_bits))
    return tuple(notes)


def _write_unfilled(work: _Work) -> list[str]:
    """Copy a photo without holes, byte for byte unless it is to be in another format; returns notes."""
    source, output = work.job.photo, work.job.output
    if not _is_copied(work):
        return [*work.photo.losses, *write_photo_file(output, work.photo)]
    if not (output.exists() and is_same_file(source, output)):
        with damage_told(source):
            file = source.open("rb")  # before anything is written: it may be gone by now
        with file, replacing(output) as temporary, temporary.open("wb") as copy:
            shutil.copyfileobj(file, copy)
    return []


def _tint(photo: NDArray[np.uint8], hole: Holes) -> NDArray[np.uint8]:
    """RGB uint8 H×W×3 of the photo, half red in its holes."""
    tinted = _as_rgb(photo)
    tinted[hole] = tinted[hole] // 2 + np.array(TINT, np.uint8) // 2
    return tinted


def _side_by_side(photo: NDArray[np.uint8], hole: Holes, completed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A sheet of the photo with white holes and the completed photo, reduced to at most `COMPARED_SIZE` each."""
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
