"""Pair each photo with its mask and its output file, by names only; nothing is decoded here.

A photo found in a folder keeps its relative path: its mask is expected, and its result written, at the same path under
the folders of masks and results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from onar.errors import FieldError, OnarError, UsageError, printable
from onar.imaging.formats.endings import FORMATS, ending_of
from onar.imaging.listing import exist_already
from onar.imaging.matching import Matches, Source, is_same_file, match_folder
from onar.imaging.named_photos import find_named_photos, is_for_one_file, is_pipe, on_disk, read_pipe, read_piped_photo
from onar.inference.holes import ALPHA


@dataclass(frozen=True)
class Job:
    """One photo to complete.

    >>> Job(Path("a.jpg"), Path("m.png"), Path("out/a.jpg")).beside("overlay").name
    'a_overlay.png'
    """

    photo: Source
    mask: Source | Literal["alpha"] | None
    """A mask; or `alpha` for the photo's own transparency; or None if all holes are found, or margins."""
    output: Path
    made_of: str = ""
    """Fingerprint of the inputs of the result in the report of an earlier call; empty where it is unknown."""

    @property
    def kind(self) -> str:
        """The format of the result, as Pillow names it."""
        return FORMATS[ending_of(self.output.name)]

    def beside(self, word: str) -> Path:
        """A PNG file beside the output, named after it."""
        return self.output.with_name(f"{self.output.stem}_{word}.png")


@dataclass(frozen=True)
class Plan:
    """All photos of a call: jobs, photos without a mask, and photos that match several, with a line that names them."""

    jobs: list[Job]
    without_mask: list[Path]
    ambiguous: dict[Path, str]

    @property
    def count(self) -> int:
        """Number of photos."""
        return len(self.jobs) + len(self.without_mask) + len(self.ambiguous)


def plan_jobs(
    photos: Sequence[str | Path],
    mask: Path | None,
    output: Path,
    overwrite: bool = False,
    extras: Sequence[str] = (),
    resume: bool = False,
) -> Plan:
    """Find the photos and their masks, and choose the output files.

    Args:
        photos: files, folders (searched recursively), or patterns such as `scans/**/*.jpg`. A single one may be a pipe,
            or `-` for standard input.
        mask: a file for all photos, a pipe or `-`; or a folder with a mask of each photo's name; or `alpha` for each
            photo's own transparency, unless a file or folder has that name. None if all holes are found, or margins.
        output: a file, for one photo; or a folder, if there are several photos, it exists, or it has no extension.
        overwrite: replace existing files, the photos themselves included.
        extras: words for which `Job.beside` is written, too.
        resume: existing files may be results of an earlier call, which are checked later.

    Raises:
        UsageError: no photo is named; a photo would be its own mask; a file would be overwritten, or written twice;
            or `output` can be neither file nor folder.
        OnarError: no photo is found, or none has a mask.
    """
    mask = None if mask is None else on_disk(mask)
    _check_pipes(photos, mask)
    masks = [] if mask is None else [mask]
    places = read_piped_photo(photos, output) or find_named_photos(photos, leave_out=[*masks, output])
    matches = Matches(dict.fromkeys(places), [], {}) if mask is None else _match(places, mask)
    as_file = is_for_one_file(output, len(places))
    jobs = []
    for photo, found in matches.masks.items():
        place = places[photo]
        written = place if ending_of(place.name) in FORMATS else place.with_suffix(".png")
        jobs.append(Job(photo, found, output if as_file else output / written))
    _check_targets(jobs, overwrite, extras, resume)
    return Plan(jobs, matches.without, matches.ambiguous)


def _check_pipes(photos: Sequence[str | Path], mask: Path | None) -> None:
    """Raise `UsageError` if the mask of a photo from a pipe would be the photo, or is looked for by its name."""
    if mask is None or not any(map(is_pipe, photos)):
        return
    if Path(photos[0]) == mask:
        raise UsageError(f"{printable(mask)} cannot be both photo and mask: name one of them as a file")
    if mask.is_dir():
        raise FieldError("mask", f"{printable(mask)} is a folder, and a photo from a pipe has no name: name the mask")


def _match(places: dict[Source, Path], mask: Path) -> Matches:
    """The mask of each photo: one for all, or one of its name in a folder."""
    if mask.is_dir():
        return match_folder({photo: place for photo, place in places.items() if isinstance(photo, Path)}, mask)
    if is_pipe(mask):
        return Matches(dict.fromkeys(places, read_pipe(mask)), [], {})
    if not mask.exists() and mask == Path(ALPHA):
        return Matches(dict.fromkeys(places, ALPHA), [], {})
    if not mask.is_file():
        raise OnarError(f"mask {printable(mask)}: no such file or folder")
    for photo in places:
        if is_same_file(photo, mask):
            raise FieldError("mask", f"must name another picture: {printable(photo)} is its own mask")
    return Matches(dict.fromkeys(places, mask), [], {})


# ---------------------------------------------------------------- what is written


def _check_targets(jobs: Sequence[Job], overwrite: bool, extras: Sequence[str], resume: bool) -> None:
    """Refuse to lose any of the user's files, before any work starts."""
    targets = [(job, target) for job in jobs for target in (job.output, *(job.beside(word) for word in extras))]
    masks = {job.mask.resolve() for job in jobs if isinstance(job.mask, Path)}
    photos = {job.photo.resolve(): job for job in jobs if isinstance(job.photo, Path)}
    written: set[Path] = set()
    for job, target in targets:
        place = target.resolve()
        if place in written:
            raise UsageError(f"{printable(target)} would be written twice: the photos' names are too similar")
        if place in masks or photos.get(place, job) is not job:
            raise FieldError("output", f"{printable(target)} would be overwritten, but is an input: choose another")
        written.add(place)
    if resume and (own := [job.output for job in jobs if job.output.resolve() in photos]):
        what = f"{printable(own[0])}, the photo itself, is completed"
        raise FieldError("resume", f"cannot see whether {what}: choose another `output`")
    if overwrite or resume:
        return
    there = [target for _, target in targets if target.exists()]
    if own := [target for target in there if target.resolve() in photos]:
        raise FieldError("output", f"{printable(own[0])} is the photo itself: choose another, or set `overwrite`")
    if there:
        advice = "replace with `overwrite`, or go on with `resume` where an earlier call was stopped"
        exist = exist_already(there)
        raise FieldError("output", f"is in use: {exist}; choose another one, {advice}")
