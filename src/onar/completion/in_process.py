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
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onar.completion.config import CompletionConfig
from onar.completion.matching import Source
from onar.completion.plan import Job
from onar.devices import is_out_of_memory
from onar.errors import OnarError
from onar.files import replacing
from onar.imaging.images import FORMATS, PhotoBytes, PhotoTooLargeError, printable, read_mask, write_image
from onar.imaging.photo_file import Photo, read_photo_file, write_photo_file
from onar.imaging.sheets import picture_grid
from onar.inference.holes import SizesDifferError, check_size, doubts, find_holes
from onar.inference.inpainter import Inpainter
from onar.inference.windows import Holes

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
    completed: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()


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
    options = {name: getattr(config, name) for name in ("strategy", "feather", "texture", "seed")}

    @lru_cache(maxsize=1)  # one mask may serve all photos
    def read_holes(path: Source) -> tuple[Holes, list[str]]:
        mask = read_mask(path, limit)
        hole = find_holes(mask, invert=config.invert_mask, dilate=config.dilate)
        return hole, doubts(mask, hole, config.invert_mask)

    def read(job: Job) -> _Work:
        photo = read_photo_file(job.photo, limit)
        hole, questions = read_holes(job.mask)
        work = _Work(job, photo, hole, notes=(*photo.losses, *questions))
        _check_size(work)
        return work

    def fill(work: _Work) -> _Work:
        if not work.hole.any():
            return work
        pixels = work.photo.in_8_bits
        completed = inpainter(pixels, work.hole, **options)
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
    if is_out_of_memory(error):
        return "not enough memory; --strategy crop and --workers 0 need the least"
    return f"an error in Onar itself; --debug shows where: {' '.join(str(error).split()) or type(error).__name__}"


# ---------------------------------------------------------------- one photo


def _check_size(work: _Work) -> None:
    """Raise `SizesDifferError`, with the names of both files, when mask and photo are not of one size."""
    try:
        check_size(work.hole, work.photo, f"the mask {printable(work.job.mask)}")
    except SizesDifferError as error:
        raise SizesDifferError(f"{printable(work.job.photo)}: {error}") from None


def _write(work: _Work, config: CompletionConfig) -> tuple[str, ...]:
    """Write what is asked for; returns notes."""
    notes = [*work.notes]
    if work.completed is None:
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
    if isinstance(source, PhotoBytes):
        if FORMATS[output.suffix.lower()] != work.photo.kind:
            return write_photo_file(output, work.photo)
        with replacing(output) as temporary:
            temporary.write_bytes(source.content)
        return []
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
