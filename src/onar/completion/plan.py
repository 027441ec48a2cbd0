"""Which photo is completed with which mask, into which file: names only, nothing is decoded here.

A photo found in a folder keeps its place under that folder: its mask is looked for, and its result is put, at the same
place under the folders of masks and results.
"""

from __future__ import annotations

import glob
import mimetypes
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from onar.errors import OnarError, UsageError
from onar.imaging.images import FORMATS, printable
from onar.imaging.listing import find_photos
from onar.imaging.photo_file import READABLE
from onar.inference.holes import ALPHA

SOME = 3
"""How many names a message shows."""


@dataclass(frozen=True)
class Job:
    """One photo to complete."""

    photo: Path
    mask: Path | Literal["alpha"]
    """A mask file; or `alpha`, when the photo's holes were erased and its transparency says where."""
    output: Path

    def beside(self, word: str) -> Path:
        """A PNG file beside the output, named after it."""
        return self.output.with_name(f"{self.output.stem}_{word}.png")


def plan_jobs(
    photos: Sequence[str | Path], mask: Path, output: Path, overwrite: bool = False, extras: Sequence[str] = ()
) -> tuple[list[Job], list[Path]]:
    """Find the photos and their masks, and choose the files to write.

    Args:
        photos: files, folders (searched with their subfolders), or patterns such as `scans/**/*.jpg`.
        mask: a file for all photos, or a folder with a mask for each, of the same name but for the ending; or, unless
            such a file or folder is there, `alpha` for each photo's own transparency.
        output: a file, for one photo; or a folder, when there are several, or it is there, or has no ending.
        overwrite: replace files that are there, the photos themselves included.
        extras: words for which `Job.beside` is written, too.

    Returns:
        The jobs, and the photos without a mask.

    Raises:
        UsageError: no photo is named; a file would be overwritten, or written twice; or `output` can be neither file
            nor folder.
        OnarError: nothing is found.
    """
    if not photos:
        raise UsageError("name a photo, a folder of photos, or a pattern in quotes, such as 'scans/*.jpg'")
    places = _find(photos, leave_out=[mask, output])
    masks: Mapping[Path, Path | Literal["alpha"]]
    if mask.is_dir():
        masks = _match_masks(places, mask)
    elif mask.is_file():
        masks = dict.fromkeys(places, mask)
    elif mask == Path(ALPHA):
        masks = dict.fromkeys(places, ALPHA)
    else:
        raise OnarError(f"--mask {printable(mask)}: no such file or folder")
    as_file = _is_for_one_file(output, len(places))
    jobs = []
    for photo, place in places.items():
        if photo in masks:
            written = place if place.suffix.lower() in FORMATS else place.with_suffix(".png")
            jobs.append(Job(photo, masks[photo], output if as_file else output / written))
    _check_targets(jobs, overwrite, extras)
    return jobs, [photo for photo in places if photo not in masks]


def some(names: Iterable[object]) -> str:
    """A few names and the number of the others."""
    told = [printable(Path(str(name))) for name in names]
    return ", ".join(told[:SOME]) + (f" and {len(told) - SOME} more" if len(told) > SOME else "")


# ---------------------------------------------------------------- finding


def _find(photos: Sequence[str | Path], leave_out: Sequence[Path]) -> dict[Path, Path]:
    """Find photos; each with its place under the folder it was looked for in."""
    places: dict[Path, Path] = {}
    for name in photos:
        path = Path(name)
        if path.is_dir():
            root, found = path, find_photos(path, extensions=tuple(READABLE))
        elif path.exists():  # before patterns: brackets may be part of a name
            places[path] = Path(path.name)
            continue
        elif glob.has_magic(str(name)):
            root, found = _expand(str(name))
        else:
            raise OnarError(f"{printable(path)}: no such file or folder")
        # Masks and earlier results may lie among the photos.
        others = {other.resolve() for other in leave_out if root.resolve() in other.resolve().parents}
        for photo in found:
            real = photo.resolve()
            if others.isdisjoint((real, *real.parents)):
                places[photo] = photo.relative_to(root)
    if not places:
        raise OnarError(f"no photos in {some(photos)}: looked for {' '.join(READABLE)}")
    return places


def _expand(pattern: str) -> tuple[Path, list[Path]]:
    """The part of a pattern without wildcards, and the photos that fit it."""
    root = Path(pattern)
    while glob.has_magic(str(root)):
        root = root.parent
    found = sorted(Path(name) for name in glob.glob(pattern, recursive=True))
    found = [path for path in found if path.suffix.lower() in READABLE and path.is_file()]
    if not found:
        there = sorted(os.listdir(root)) if root.is_dir() else []
        what = f"holds {some(there)}" if there else "is empty" if root.is_dir() else "is not there"
        raise OnarError(f"no photo fits the pattern {pattern}; {printable(root)} {what}")
    return root, found


def _match_masks(places: dict[Path, Path], folder: Path) -> dict[Path, Path]:
    """The mask of each photo that has one: of the same place and name, or else the only one of the same name.

    Raises:
        OnarError: no photo has one, or several fit a photo.
    """
    masks = find_photos(folder, "mask files")
    by_place, by_name = defaultdict(list), defaultdict(list)
    for mask in masks:
        by_place[mask.relative_to(folder).with_suffix("")].append(mask)
        by_name[mask.stem].append(mask)
    matched = {}
    for photo, place in places.items():
        fitting = by_place.get(place.with_suffix("")) or by_name.get(place.stem, [])
        if len(fitting) > 1:
            raise OnarError(f"{printable(photo)} fits several masks: {some(fitting)}")
        if fitting:
            matched[photo] = fitting[0]
    if not matched:
        raise OnarError(
            f"no photo has a mask of its name: the photos are {some(places.values())}; "
            f"the masks in {printable(folder)} are {some(mask.relative_to(folder) for mask in masks)}"
        )
    return matched


# ---------------------------------------------------------------- what is written


def _is_for_one_file(output: Path, count: int) -> bool:
    """Whether `output` is the file for the one photo, and not a folder; raises `UsageError` when it can be neither."""
    if output.is_dir():
        return False
    is_picture = (mimetypes.guess_type(output.name)[0] or "").startswith("image/")
    if count > 1 and (output.is_file() or is_picture):
        raise UsageError(f"--output {printable(output)} must be a folder: there are {count} photos")
    if output.suffix.lower() not in FORMATS and (output.is_file() or is_picture):
        raise UsageError(f"--output {printable(output)} must end in one of {' '.join(FORMATS)}, or be a folder")
    return output.suffix.lower() in FORMATS


def _check_targets(jobs: Sequence[Job], overwrite: bool, extras: Sequence[str]) -> None:
    """Refuse to lose a file of the user's, before anything is done."""
    targets = [(job, target) for job in jobs for target in (job.output, *(job.beside(word) for word in extras))]
    masks = {job.mask.resolve() for job in jobs if job.mask != ALPHA}
    photos = {job.photo.resolve(): job for job in jobs}
    written: set[Path] = set()
    for job, target in targets:
        place = target.resolve()
        if place in written:
            raise UsageError(f"{printable(target)} would be written twice: the photos' names differ too little")
        if place in masks or photos.get(place, job) is not job:
            raise UsageError(f"{printable(target)} would be overwritten, but is needed itself: choose another --output")
        written.add(place)
    if overwrite:
        return
    there = [target for _, target in targets if target.exists()]
    if any(target.resolve() in photos for target in there):
        raise UsageError(
            f"{printable(there[0])} is the photo itself; choose another --output, or replace it with --overwrite"
        )
    if there:
        raise UsageError(
            f"{some(there)} {'exist' if len(there) > 1 else 'exists'} already; choose another --output, "
            "or replace with --overwrite"
        )
