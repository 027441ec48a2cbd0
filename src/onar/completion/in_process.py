"""Completing photo files in this process: read, fill, write; one after the other, whatever happens to some of them.

Threads read the next photos and write the last ones while the network fills one: decoding and encoding leave Python's
lock to others. Every photo in their hands is in memory, so there are few of them.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ParamSpec, TypeVar

from onar.completion.config import CompletionConfig
from onar.completion.plan import Job
from onar.completion.results import Work, read_result, refuse_to_lose, write_result
from onar.errors import OnarError, is_out_of_memory, printable
from onar.imaging.images import PhotoTooLargeError, map_photo_errors, read_mask
from onar.imaging.levels import Pixels
from onar.imaging.matching import Source
from onar.imaging.photo_file import Photo, check_fits, read_photo_file
from onar.inference.holes import (
    ALPHA,
    SizesDifferError,
    check_size,
    doubts,
    fill_visible,
    find_holes,
    have_proportions,
    mask_of_alpha,
)
from onar.inference.inpainter import Inpainter
from onar.masks.holes import Holes
from onar.system.files import AppearedError

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
        was_there: with `resume`, its result had been written before and is left as it is.
    """

    job: Job
    notes: tuple[str, ...] = ()
    error: str | None = None
    cause: Exception | None = None
    was_there: bool = False


def complete_files(
    jobs: Iterable[Job],
    inpainter: Inpainter,
    config: CompletionConfig = CompletionConfig(),  # noqa: B008
    *,
    overwrite: bool = True,
) -> Iterator[Outcome]:
    """Complete photo files, each whole or not at all.

    Args:
        jobs: what to do.
        inpainter: fills the holes.
        config: how.
        overwrite: replace files that are there; otherwise their photos fail, and the files stay.

    Yields:
        What became of each photo, in the order of the jobs. A photo that cannot be read, filled or written does not
        stop the others.
    """
    limit = int(config.max_megapixels * 1_000_000)

    @lru_cache(maxsize=1)  # one mask may serve all photos
    def read_holes(path: Source, size: tuple[int, int] | None) -> tuple[Holes, list[str]]:
        return _read_holes(path, size, config, limit)

    def read(job: Job) -> Work:
        times = _times_of(job.photo) if config.keep_times else None
        photo = read_photo_file(job.photo, limit)
        if job.mask == ALPHA:
            work = _with_own_mask(job, photo, config)
        else:
            work = Work(job, photo, *read_holes(job.mask, photo.size if config.resize_mask else None))
        _check_size(work)
        return _look_for_result(replace(work, times=times), config, limit, overwrite)

    def write(work: Work) -> Outcome:
        notes = write_result(work, config, overwrite)
        return Outcome(work.job, tuple(notes), was_there=work.was_there)

    with _executor(config.workers) as executor:
        writing: deque[tuple[Job, Future[Outcome]]] = deque()
        for job, reading in _submit_ahead(executor, read, jobs, config.workers):
            try:
                work = _fill(reading.result(), inpainter, config)
                written = executor.submit(write, work)
            except Exception as error:  # of whatever kind: the others shall not suffer
                written = Future()
                written.set_exception(error)
            writing.append((job, written))
            del reading
            while len(writing) > config.workers:
                yield _outcome(*writing.popleft())
        while writing:
            yield _outcome(*writing.popleft())


def _outcome(job: Job, writing: Future[Outcome]) -> Outcome:
    name = printable(job.photo)
    try:
        outcome = writing.result()
        return replace(outcome, notes=tuple(f"{name}: {note}" for note in outcome.notes))
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
    if is_out_of_memory(error):
        return "not enough memory; --strategy crop and --workers 0 need the least"
    if isinstance(error, OnarError):
        return str(error)
    return f"an error in Onar itself; --debug shows where: {' '.join(str(error).split()) or type(error).__name__}"


# ---------------------------------------------------------------- one photo


def _times_of(photo: Source) -> tuple[int, int] | None:
    """When a file was read and changed last, in nanoseconds; None when it came through a pipe."""
    if not isinstance(photo, Path):
        return None
    with map_photo_errors(photo):
        status = photo.stat()
    return status.st_atime_ns, status.st_mtime_ns


def _read_holes(
    path: Source, size: tuple[int, int] | None, config: CompletionConfig, limit: int
) -> tuple[Holes, list[str]]:
    """The holes of a mask file, and what a person should be asked about it.

    Args:
        path: the mask.
        size: height and width that the holes are resized to, if any.
        config: what becomes of it.
        limit: most pixels.
    """
    mask = read_mask(path, limit)
    try:
        hole = find_holes(mask, invert=config.invert_mask, dilate=config.dilate, size=size)
    except SizesDifferError as error:
        raise SizesDifferError(f"{printable(path)}: {error}") from None
    resized = [f"its mask of {_in_words(mask.shape)} is resized to {_in_words(hole.shape)}"]
    return hole, [*(resized if hole.shape != mask.shape else []), *doubts(mask, hole, config.invert_mask)]


def _in_words(size: tuple[int, ...]) -> str:
    """A height and a width as people say them."""
    return f"{size[1]} x {size[0]} pixels"


def _with_own_mask(job: Job, photo: Photo, config: CompletionConfig) -> Work:
    """A photo whose holes were erased, which is opaque then; raises `OnarError` when it has no transparency."""
    if photo.alpha is None:
        raise OnarError(f"{printable(job.photo)}: nothing is transparent in it, so --mask {ALPHA} finds no hole")
    mask = mask_of_alpha(photo.alpha)
    hole = find_holes(mask, invert=config.invert_mask, dilate=config.dilate)
    return Work(job, replace(photo, alpha=None), hole, doubts(mask, hole, config.invert_mask))


def _check_size(work: Work) -> None:
    """Raise `SizesDifferError`, with the names of both files, when mask and photo are not of one size."""
    try:
        check_size(work.hole, work.photo, f"the mask {printable(work.job.mask)}")
    except SizesDifferError as error:
        (tall, wide), (height, width) = work.hole.shape, work.photo.size
        advice = "; --resize_mask scales it" if have_proportions(tall, wide, height, width) else ""
        raise SizesDifferError(f"{printable(work.job.photo)}: {error}{advice}") from None


def _look_for_result(work: Work, config: CompletionConfig, limit: int, overwrite: bool) -> Work:
    """The work, with the result that an earlier call left, if it may go on with that.

    Raises:
        OnarError: a file is there that may not be replaced, or the photo is too large for the format.
    """
    output = work.job.output
    if config.resume and output.exists():
        try:
            return replace(work, filled=read_result(work, limit), was_there=True)
        except OnarError as error:
            if not overwrite:
                raise OnarError(
                    f"{printable(output)} is there, but is no result to go on with ({error}): "
                    "remove it, or replace it with --overwrite"
                ) from None
    if output.exists() and not overwrite:
        raise AppearedError.at(output)
    if not work.is_copied:
        check_fits(work.photo, work.written_kind)
    refuse_to_lose(work, config)
    return work


def _fill(work: Work, inpainter: Inpainter, config: CompletionConfig) -> Work:
    options = {name: getattr(config, name) for name in ("strategy", "feather", "texture", "seed")}

    def complete(pixels: Pixels, unknown: Holes) -> Pixels:
        return inpainter(pixels, unknown, **options)

    if work.was_there or not work.hole.any():
        return work
    pixels = fill_visible(work.photo.pixels, work.photo.alpha, work.hole, complete)
    return replace(work, filled=replace(work.photo, pixels=pixels))


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
