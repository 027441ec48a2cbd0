"""Find damage and text in photo files, and write the masks; a failed photo stops no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from onar.errors import FieldError, UsageError, printable
from onar.finding.config import FindConfig
from onar.finding.finder import Finder
from onar.imaging.formats.endings import FORMATS, ending_of
from onar.imaging.listing import exist_already
from onar.imaging.matching import Source
from onar.imaging.named_photos import failure_line, find_named_photos, is_for_one_file, read_piped_photo
from onar.imaging.photo_file import Photo, read_photo_file
from onar.imaging.sheets import reduced, tint
from onar.imaging.writing import write_image
from onar.masks.holes import Holes, hole_share, mask_from_holes
from onar.system.pipeline import read_work_write

PREVIEW_SIDE = 1600
"""Maximum side of a preview in pixels."""
MEMORY_ADVICE = "--workers 0 needs the least"


@dataclass(frozen=True)
class MaskJob:
    """One photo whose mask is made."""

    photo: Source
    output: Path

    @property
    def preview(self) -> Path:
        """The picture of the photo with what was found in it."""
        return self.output.with_name(f"{self.output.stem}_preview.jpg")


@dataclass(frozen=True)
class MaskOutcome:
    """The outcome for one photo: the share that was found, or why there is no mask, in one line."""

    job: MaskJob
    share: float = 0.0
    error: str | None = None
    cause: Exception | None = None


def plan_masks(photos: Sequence[str | Path], output: Path, *, overwrite: bool, preview: bool) -> list[MaskJob]:
    """Find the photos, and choose the files of their masks.

    In a folder, a mask has the photo's relative path and name, as `complete` looks for it: NAME.png, or NAME.jpg.png
    where photos differ in their endings alone.

    Raises:
        UsageError: no photo is named, or a file would be overwritten or written twice.
        OnarError: no photo is found.
    """
    places = read_piped_photo(photos, output) or find_named_photos(photos, leave_out=[output])
    if is_for_one_file(output, len(places)):
        if FORMATS[ending_of(output.name)] == "JPEG":
            raise FieldError("output", f"{printable(output)} would blur the mask: name a .png file")
        jobs = [MaskJob(photo, output) for photo in places]
    else:
        names = [place.with_suffix(".png") for place in places.values()]
        jobs = [
            MaskJob(photo, output / (name if names.count(name) == 1 else place.with_name(f"{place.name}.png")))
            for (photo, place), name in zip(places.items(), names, strict=True)
        ]
    _check_targets(jobs, output, overwrite, preview)
    return jobs


def _check_targets(jobs: Sequence[MaskJob], output: Path, overwrite: bool, preview: bool) -> None:
    """Refuse to lose any of the user's files, before any work starts."""
    photos = {job.photo.resolve() for job in jobs if isinstance(job.photo, Path)}
    folders = {photo.parent for photo in photos}
    targets = [target for job in jobs for target in ((job.output, job.preview) if preview else (job.output,))]
    if output.is_dir() and (shared := next((one for one in targets if one.resolve().parent in folders), None)):
        raise FieldError(
            "output",
            f"{printable(shared.parent)} holds photos, and masks there would be taken for photos: name another",
        )
    if own := next((target for target in targets if target.resolve() in photos), None):
        raise FieldError("output", f"{printable(own)} is a photo: name another file")
    if len({target.resolve() for target in targets}) < len(targets):
        raise UsageError("a mask would be written twice: the photos' names are too similar")
    there = [target for target in targets if target.exists()]
    if there and not overwrite:
        exist = exist_already(there)
        raise FieldError("output", f"is in use: {exist}; choose another one, or replace with `overwrite`")


def find_in_files(
    jobs: Iterable[MaskJob],
    finder: Finder,
    config: FindConfig = FindConfig(),  # noqa: B008
    *,
    overwrite: bool = True,
) -> Iterator[MaskOutcome]:
    """Write the masks of photo files, each whole or not at all.

    Yields:
        The outcome for each photo, in the order of the jobs. A photo that cannot be read, or of which too much would be
        marked, does not stop the others.
    """
    limit = int(config.max_megapixels * 1_000_000)

    def read(job: MaskJob) -> tuple[MaskJob, Photo]:
        return job, read_photo_file(job.photo, limit)

    def search(work: tuple[MaskJob, Photo]) -> tuple[MaskJob, Photo, Holes]:
        job, photo = work
        return job, photo, finder.find(photo.pixels, photo.alpha, config)

    def write(work: tuple[MaskJob, Photo, Holes]) -> float:
        job, photo, hole = work
        write_image(job.output, mask_from_holes(hole), overwrite=overwrite)
        if config.preview:
            write_image(job.preview, reduced(tint(photo.in_8_bits, hole), PREVIEW_SIDE), overwrite=overwrite)
        return hole_share(hole)

    for job, written in read_work_write(jobs, read, search, write, config.workers):
        yield _outcome(job, written)


def _outcome(job: MaskJob, written: Future[float]) -> MaskOutcome:
    try:
        return MaskOutcome(job, written.result())
    except Exception as error:  # of any kind: the other photos go on
        return MaskOutcome(job, error=failure_line(job.photo, error, MEMORY_ADVICE), cause=error)
