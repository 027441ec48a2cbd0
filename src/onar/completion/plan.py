"""Pair each photo with its mask and its output file, by names only; nothing is decoded here.

A photo found in a folder keeps its relative path: its mask is expected, and its result written, at the same path under
the folders of masks and results.
"""

from __future__ import annotations

import glob
import mimetypes
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from onar.errors import FieldError, OnarError, UsageError, printable
from onar.imaging.formats.endings import FORMATS, NOT_READABLE_HERE, RAW, READABLE, ending_of
from onar.imaging.images import PhotoBytes
from onar.imaging.listing import find_photos, some, split_pattern, warn_skipped_files
from onar.imaging.matching import Matches, Source, is_same_file, match_folder
from onar.inference.holes import ALPHA

STDIN = Path("-")
"""The name of standard input on the command line."""


@dataclass(frozen=True)
class Job:
    """One photo to complete.

    >>> Job(Path("a.jpg"), Path("m.png"), Path("out/a.jpg")).beside("overlay").name
    'a_overlay.png'
    """

    photo: Source
    mask: Source | Literal["alpha"]
    """A mask; or `alpha` for the photo's own transparency."""
    output: Path

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
    mask: Path,
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
            photo's own transparency, unless a file or folder has that name.
        output: a file, for one photo; or a folder, if there are several photos, it exists, or it has no extension.
        overwrite: replace existing files, the photos themselves included.
        extras: words for which `Job.beside` is written, too.
        resume: existing files may be results of an earlier call, which are checked later.

    Raises:
        UsageError: no photo is named; a photo would be its own mask; a file would be overwritten, or written twice;
            or `output` can be neither file nor folder.
        OnarError: no photo is found, or none has a mask.
    """
    if not photos:
        raise UsageError("name a photo, a folder of photos, or a pattern in quotes, such as 'scans/*.jpg'")
    mask = _on_disk(mask)
    places = _piped(photos, mask, output) or _find(photos, leave_out=[mask, output])
    matches = _match(places, mask)
    as_file = _is_for_one_file(output, len(places))
    jobs = []
    for photo, found in matches.masks.items():
        place = places[photo]
        written = place if ending_of(place.name) in FORMATS else place.with_suffix(".png")
        jobs.append(Job(photo, found, output if as_file else output / written))
    _check_targets(jobs, overwrite, extras, resume)
    return Plan(jobs, matches.without, matches.ambiguous)


# ---------------------------------------------------------------- pipes


def _is_pipe(name: str | Path) -> bool:
    """Whether a name stands for a stream that is read once: standard input, a FIFO, or the shell's `<(...)`."""
    if Path(name) == STDIN:
        return True
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _read_pipe(name: str | Path) -> PhotoBytes:
    """Read a pipe to its end; raises `OnarError` when that fails."""
    is_stdin = Path(name) == STDIN
    if is_stdin and sys.stdin is None:
        raise OnarError("- is standard input, and there is none: name a file")
    shown = "standard input" if is_stdin else printable(name)
    try:
        return PhotoBytes(shown, sys.stdin.buffer.read() if is_stdin else Path(name).read_bytes())
    except OSError as error:  # of a socket: it is connected to, not opened
        raise OnarError(f"cannot read {shown}: {error.strerror or error}") from error


def _piped(photos: Sequence[str | Path], mask: Path, output: Path) -> dict[Source, Path]:
    """The single photo from a pipe, in the form of `_find`; empty when there is no pipe."""
    if not any(map(_is_pipe, photos)):
        return {}
    if len(photos) > 1:
        raise UsageError("- and pipes are for a single photo: complete the others in another call, as files")
    if Path(photos[0]) == mask:
        raise UsageError(f"{printable(mask)} cannot be both photo and mask: name one of them as a file")
    if mask.is_dir():
        raise FieldError("mask", f"{printable(mask)} is a folder, and a photo from a pipe has no name: name the mask")
    if not _is_for_one_file(output, 1):
        raise FieldError("output", f"{printable(output)} must name a file, such as repaired.png: the photo has no name")
    return {_read_pipe(photos[0]): Path(output.name)}


# ---------------------------------------------------------------- finding photos


def _find(photos: Sequence[str | Path], leave_out: Sequence[Path]) -> dict[Source, Path]:
    """Find photos, each with its path relative to the folder that was searched."""
    places: dict[Source, Path] = {}
    for name in photos:
        if name == "":  # from an unset variable of the shell; it would mean the current folder
            raise UsageError("a photo's name is empty: name a photo, a folder of photos, or a pattern in quotes")
        path = _on_disk(Path(name))
        if path.is_dir():
            root, found = path, find_photos(path)
        elif path.exists():  # before patterns: names may contain brackets
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


def _on_disk(path: Path) -> Path:
    """The path, or the existing one that differs only in its Unicode normalization form.

    macOS decomposes `ş` into s and a cedilla, keyboards type one letter; other file systems keep either.
    """
    if path.exists() or path.parent == path:
        return path
    parent, wanted = _on_disk(path.parent), normalize("NFC", path.name)
    names = os.listdir(parent) if parent.is_dir() and os.access(parent, os.R_OK) else []
    return next((parent / name for name in names if normalize("NFC", name) == wanted), path)


def _composed(text: str) -> tuple[str, str]:
    """A text in Unicode normalization forms C (keyboards) and D (macOS)."""
    return normalize("NFC", text), normalize("NFD", text)


def _expand(pattern: str) -> tuple[Path, list[Path]]:
    """The folder part of a pattern, and the photos that match the pattern."""
    folder, rest = split_pattern(pattern)
    root = _on_disk(Path(folder))
    # Brackets are more often part of a name than of a pattern.
    for form in (rest.replace("[", "[[]"), rest):
        patterns = {os.path.join(glob.escape(str(root)), text) for text in (form, *_composed(form))}
        fitting = {name for each in patterns for name in glob.glob(each, recursive=True)}
        files = sorted(name for name in fitting if os.path.isfile(name))
        found = [Path(name) for name in files if ending_of(name) in READABLE]
        if found:
            warn_skipped_files(files, pattern)
            return root, found
    there = sorted(os.listdir(root)) if root.is_dir() else []
    what = f"holds {some(there)}" if there else "is empty" if root.is_dir() else "is not there"
    raise OnarError(f"no photo matches the pattern {printable(pattern)}; {printable(root)} {what}")


def _match(places: dict[Source, Path], mask: Path) -> Matches:
    """The mask of each photo: one for all, or one of its name in a folder."""
    if mask.is_dir():
        return match_folder({photo: place for photo, place in places.items() if isinstance(photo, Path)}, mask)
    if _is_pipe(mask):
        return Matches(dict.fromkeys(places, _read_pipe(mask)), [], {})
    if not mask.exists() and mask == Path(ALPHA):
        return Matches(dict.fromkeys(places, ALPHA), [], {})
    if not mask.is_file():
        raise OnarError(f"mask {printable(mask)}: no such file or folder")
    for photo in places:
        if is_same_file(photo, mask):
            raise FieldError("mask", f"must name another picture: {printable(photo)} is its own mask")
    return Matches(dict.fromkeys(places, mask), [], {})


# ---------------------------------------------------------------- what is written


def _is_for_one_file(output: Path, count: int) -> bool:
    """Whether `output` is the file for a single photo; False: a folder. Raises `UsageError` when it can be neither."""
    if output.is_dir():
        return False
    if output == STDIN:
        raise FieldError("output", "- is no file: results are written into files, name one, or a folder")
    ending = ending_of(output.name)
    is_picture = (mimetypes.guess_type(output.name)[0] or "").startswith("image/")
    is_picture = is_picture or ending in READABLE or ending in NOT_READABLE_HERE or ending in RAW
    if count > 1 and (output.is_file() or is_picture):
        raise FieldError("output", f"{printable(output)} must be a folder: there are {count} photos")
    if ending not in FORMATS and (output.is_file() or is_picture):
        raise FieldError("output", f"{printable(output)} must end in one of {' '.join(FORMATS)}, or be a folder")
    return ending in FORMATS


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
        exist = f"{some(there)} {'exist' if len(there) > 1 else 'exists'} already"
        advice = "replace with `overwrite`, or go on with `resume` where an earlier call was stopped"
        raise FieldError("output", f"is in use: {exist}; choose another one, {advice}")
