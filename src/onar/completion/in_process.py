"""Complete photo files in this process: read, fill, write, one photo after the other; a failed photo stops no other.

Threads read the next photos and write the last ones while the network fills one.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from onar.completion.config import CompletionConfig
from onar.completion.made_of import made_of
from onar.completion.plan import Job
from onar.completion.results import Work, read_result, refuse_to_lose, small_picture, write_result
from onar.errors import OnarError, printable
from onar.imaging.images import map_photo_errors, read_mask
from onar.imaging.matching import Source
from onar.imaging.named_photos import failure_line
from onar.imaging.photo_file import Photo, check_fits, read_photo_file
from onar.imaging.sheets import Picture
from onar.inference.extending import extended
from onar.inference.holes import ALPHA, SizesDifferError, have_proportions
from onar.inference.inpainter import Inpainter
from onar.inference.photos import MaskedPhoto, MaskHoles, MaskOptions, mask_erased_photo, mask_photo, read_holes
from onar.system.devices import return_freed_memory
from onar.system.files import AppearedError
from onar.system.pipeline import read_work_write

if TYPE_CHECKING:
    from onar.finding.finder import Finder

LARGE = 64_000_000
"""Bytes of a photo from which on freed memory is returned to the system at once; it takes milliseconds."""
MEMORY_ADVICE = "--strategy crop and --workers 0 need the least"


@dataclass(frozen=True)
class Outcome:
    """The outcome for one photo.

    Attributes:
        job: the photo, its mask and its output.
        notes: what the user should know, one line each.
        error: why it was not completed, in one line; None on success.
        cause: the exception, without the local variables of its traceback.
        was_there: with `resume`, its result existed before and is unchanged.
        hole_share: hole pixels / all pixels; without a hole, the result's pixels are those of the photo.
        seconds: time that its fill took.
        made_of: what its result was made of, as of a job; with `report`.
        pictures: small pictures of the photo, holes in red, and of the result, uint8 H×W×3; with `contact_sheet`.
    """

    job: Job
    notes: tuple[str, ...] = ()
    error: str | None = None
    cause: Exception | None = None
    was_there: bool = False
    hole_share: float = 0.0
    seconds: float = 0.0
    made_of: str = ""
    pictures: tuple[Picture, Picture] | None = None

    @property
    def state(self) -> str:
        """State of the photo, in a word: completed, unchanged, existed or failed."""
        if self.error is not None:
            return "failed"
        if self.was_there:
            return "existed"
        return "completed" if self.hole_share else "unchanged"


def load_weights(weights: str | None, device: str, threads: int, config: CompletionConfig) -> Inpainter:
    """Load weights for photos; see `Inpainter.load`."""
    loaded = Inpainter.load(weights, device, threads, config.blend, config.network, trust_weights=config.trust_weights)
    return loaded.for_photos()


def load_finder(what: str, device: str, threads: int) -> Finder:
    """Load the networks that find holes; raises `OnarError` when one is missing.

    `device` is that of filling. These networks run in ONNX Runtime alone, which may know no GPU.
    """
    from onar.finding.finder import Finder  # here, because most calls find nothing

    finder = Finder(what, "cpu" if device == "cpu" else "auto", threads)
    finder.load()
    return finder


def complete_files(
    jobs: Iterable[Job],
    inpainter: Inpainter,
    config: CompletionConfig = CompletionConfig(),  # noqa: B008
    *,
    overwrite: bool = True,
) -> Iterator[Outcome]:
    """Complete photo files, each whole or not at all.

    Args:
        jobs: photos, masks and outputs.
        inpainter: fills the holes.
        config: the settings.
        overwrite: replace existing files; otherwise their photos fail, and the files stay.

    Yields:
        The outcome for each photo, in the order of the jobs. A photo that cannot be read, filled or written does not
        stop the others.
    """
    limit = _pixel_limit(config)
    options = MaskOptions(config.invert_mask, config.dilate, prefix="--")
    finder = load_finder(config.find, inpainter.device, inpainter.threads) if config.find else None

    @lru_cache(maxsize=1)  # one mask may serve all photos
    def read_mask_file(path: Source, size: tuple[int, int] | None) -> MaskHoles:
        return _read_mask_file(path, size, options, limit)

    def read(job: Job) -> Work:
        times = _read_times(job.photo) if config.keep_times else None
        photo = read_photo_file(job.photo, limit)
        if job.mask is None:
            masked = MaskedPhoto(photo, np.zeros(photo.size, bool), job.kind)
        elif job.mask == ALPHA:
            masked = mask_erased_photo(photo, job.kind, options)
        else:
            masked = _mask_photo(job, photo, read_mask_file(job.mask, photo.size if config.resize_mask else None))
        _return_memory(photo)
        work = Work(job, masked, times)
        return work if finder else _prepare(work, inpainter, config, overwrite)

    def fill(work: Work) -> Work:
        if finder:
            work = _prepare(_find(work, finder, config), inpainter, config, overwrite)
        return _fill(work, inpainter, config)

    def write(work: Work) -> Outcome:
        notes, result = write_result(work, config, overwrite), work.filled or work.masked.photo
        return Outcome(
            work.job,
            tuple(notes),
            was_there=work.was_there,
            hole_share=float(work.masked.hole.mean()),
            seconds=work.seconds,
            made_of=work.made_of,
            pictures=None if work.before is None else (work.before, small_picture(result.in_8_bits)),
        )

    for job, written in read_work_write(jobs, read, fill, write, config.workers):
        yield _outcome(job, written)


def _pixel_limit(config: CompletionConfig) -> int:
    return int(config.max_megapixels * 1_000_000)


def _outcome(job: Job, writing: Future[Outcome]) -> Outcome:
    try:
        outcome = writing.result()
        return replace(outcome, notes=tuple(f"{printable(job.photo)}: {note}" for note in outcome.notes))
    except Exception as error:
        _clear_locals(error)
        return Outcome(job, error=failure_line(job.photo, error, MEMORY_ADVICE), cause=error)


def _clear_locals(error: BaseException | None) -> None:
    """Free the photos that the traceback of an error holds; its lines remain."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


# ---------------------------------------------------------------- one photo


def _read_times(photo: Source) -> tuple[int, int] | None:
    """Access and modification times of a file in nanoseconds; None for a photo from a pipe."""
    if not isinstance(photo, Path):
        return None
    with map_photo_errors(photo):
        status = photo.stat()
    return status.st_atime_ns, status.st_mtime_ns


def _read_mask_file(path: Source, size: tuple[int, int] | None, options: MaskOptions, limit: int) -> MaskHoles:
    """The holes of a mask file, resized to a height and width if given."""
    mask = read_mask(path, limit)
    try:
        return read_holes(mask, options, size)
    except SizesDifferError as error:
        raise SizesDifferError(f"{printable(path)}: {error}") from None


def _mask_photo(job: Job, photo: Photo, holes: MaskHoles) -> MaskedPhoto:
    """Join a photo and its holes; raises `SizesDifferError`, which names both files, when their sizes differ."""
    try:
        return mask_photo(photo, holes, job.kind, f"the mask {printable(job.mask)}")
    except SizesDifferError as error:
        (tall, wide), (height, width) = holes.hole.shape, photo.size
        advice = "; --resize_mask scales it" if have_proportions(tall, wide, height, width) else ""
        raise SizesDifferError(f"{printable(job.photo)}: {error}{advice}") from None


def _prepare(work: Work, inpainter: Inpainter, config: CompletionConfig, overwrite: bool) -> Work:
    """The work with its margins, and with an earlier result; raises as `extended` and `_look_for_result`."""
    if config.extend is not None:
        work = replace(work, masked=extended(work.masked, config.extend, _pixel_limit(config)))
    return _look_for_result(work, inpainter, config, overwrite)


def _look_for_result(work: Work, inpainter: Inpainter, config: CompletionConfig, overwrite: bool) -> Work:
    """The work, with the result of an earlier call if there is one to resume from, and what a result is made of.

    Raises `OnarError` if a file exists that must not be replaced, or the photo is too large for the format.
    """
    output = work.job.output
    if config.report:
        work = replace(work, made_of=made_of(work, inpainter, config))
    if config.resume and output.exists():
        try:
            return replace(work, filled=read_result(work, _pixel_limit(config)), was_there=True)
        except OnarError as error:
            if not overwrite:
                raise OnarError(
                    f"{printable(output)} exists, but is not a result to resume from ({error}): "
                    "remove it, or replace it with --overwrite"
                ) from None
    if output.exists() and not overwrite:
        raise AppearedError.at(output)
    if not work.masked.is_unchanged:
        check_fits(work.masked.photo, work.masked.kind)
    refuse_to_lose(work, config)
    return work


def _find(work: Work, finder: Finder, config: CompletionConfig) -> Work:
    """Add what is found to the holes of a photo."""
    photo, hole = work.masked.photo, work.masked.hole
    found = finder.find(photo.pixels, photo.alpha, config)
    doubts = work.masked.doubts if hole.any() else ()
    if not (hole.any() or found.any()):
        doubts = (f"no {' or '.join(kind.name for kind in finder.kinds)} found: the photo stays as it is",)
    return replace(work, masked=replace(work.masked, hole=hole | found, doubts=doubts))


def _fill(work: Work, inpainter: Inpainter, config: CompletionConfig) -> Work:
    if config.contact_sheet is not None:
        work = replace(work, before=small_picture(work.masked.photo.in_8_bits, work.masked.hole))
    if work.was_there:
        return work
    start = perf_counter()
    inpaint = partial(inpainter.fill, **config.keywords())
    # The overlay shows what was in the holes.
    filled = work.masked.fill(inpaint, in_place=not config.overlay)
    _return_memory(filled)
    return replace(work, filled=filled, seconds=perf_counter() - start)


def _return_memory(photo: Photo) -> None:
    """Return what decoding or filling a large photo has freed, which glibc would keep beside the next step's memory."""
    if photo.pixels.nbytes > LARGE:
        return_freed_memory()
