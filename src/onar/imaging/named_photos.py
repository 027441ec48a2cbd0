"""Photos as users name them on the command line: files, folders, patterns, pipes; where they go, and why one fails."""

from __future__ import annotations

import glob
import mimetypes
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

from onar.errors import FieldError, OnarError, UsageError, is_out_of_memory, printable
from onar.imaging.formats.endings import FORMATS, NOT_READABLE_HERE, RAW, READABLE, ending_of
from onar.imaging.images import PhotoBytes, PhotoTooLargeError
from onar.imaging.listing import find_photos, some, split_pattern, warn_skipped_files
from onar.imaging.matching import Source

STDIN = Path("-")
"""The name of standard input on the command line."""


# ---------------------------------------------------------------- pipes


def is_pipe(name: str | Path) -> bool:
    """Whether a name stands for a stream that is read once: standard input, a FIFO, or the shell's `<(...)`."""
    if Path(name) == STDIN:
        return True
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def read_pipe(name: str | Path) -> PhotoBytes:
    """Read a pipe to its end; raises `OnarError` when that fails."""
    is_stdin = Path(name) == STDIN
    if is_stdin and sys.stdin is None:
        raise OnarError("- is standard input, and there is none: name a file")
    shown = "standard input" if is_stdin else printable(name)
    try:
        return PhotoBytes(shown, sys.stdin.buffer.read() if is_stdin else Path(name).read_bytes())
    except OSError as error:  # of a socket: it is connected to, not opened
        raise OnarError(f"cannot read {shown}: {error.strerror or error}") from error


def read_piped_photo(photos: Sequence[str | Path], output: Path) -> dict[Source, Path]:
    """The single photo from a pipe, in the form of `find_named_photos`; empty when there is no pipe."""
    if not any(map(is_pipe, photos)):
        return {}
    if len(photos) > 1:
        raise UsageError("- and pipes are for a single photo: complete the others in another call, as files")
    if not is_for_one_file(output, 1):
        raise FieldError("output", f"{printable(output)} must name a file, such as repaired.png: the photo has no name")
    return {read_pipe(photos[0]): Path(output.name)}


# ---------------------------------------------------------------- files, folders and patterns


def find_named_photos(photos: Sequence[str | Path], leave_out: Sequence[Path]) -> dict[Source, Path]:
    """Find photos, each with its path relative to the folder that was searched.

    Args:
        photos: files, folders (searched recursively), or patterns such as `scans/**/*.jpg`.
        leave_out: files and folders that are not searched, though they may be in a folder of photos.

    Raises:
        UsageError: no photo is named.
        OnarError: no photo is found.
    """
    if not photos:
        raise UsageError("name a photo, a folder of photos, or a pattern in quotes, such as 'scans/*.jpg'")
    places: dict[Source, Path] = {}
    for name in photos:
        if name == "":  # from an unset variable of the shell; it would mean the current folder
            raise UsageError("a photo's name is empty: name a photo, a folder of photos, or a pattern in quotes")
        path = on_disk(Path(name))
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


def on_disk(path: Path) -> Path:
    """The path, or the existing one that differs only in its Unicode normalization form.

    macOS decomposes `ş` into s and a cedilla, keyboards type one letter; other file systems keep either.
    """
    if path.exists() or path.parent == path:
        return path
    parent, wanted = on_disk(path.parent), normalize("NFC", path.name)
    names = os.listdir(parent) if parent.is_dir() and os.access(parent, os.R_OK) else []
    return next((parent / name for name in names if normalize("NFC", name) == wanted), path)


def _composed(text: str) -> tuple[str, str]:
    """A text in Unicode normalization forms C (keyboards) and D (macOS)."""
    return normalize("NFC", text), normalize("NFD", text)


def _expand(pattern: str) -> tuple[Path, list[Path]]:
    """The folder part of a pattern, and the photos that match the pattern."""
    folder, rest = split_pattern(pattern)
    root = on_disk(Path(folder))
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


# ---------------------------------------------------------------- what is written


def is_for_one_file(output: Path, count: int) -> bool:
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


# ---------------------------------------------------------------- failures


def failure_line(photo: Source, error: Exception, memory_advice: str) -> str:
    """The reason why the work on a photo failed, in one line with its name.

    `memory_advice` names the options that need the least memory, such as "--workers 0 needs the least".
    """
    name, reason = printable(photo), _reason(error, memory_advice)
    return reason if name in reason else f"{name}: {reason}"


def _reason(error: Exception, memory_advice: str) -> str:
    if isinstance(error, PhotoTooLargeError):
        return f"{error}: --max_megapixels allows larger photos"
    if is_out_of_memory(error):
        return f"not enough memory; {memory_advice}"
    if isinstance(error, OnarError):
        return error.as_flags()
    return f"an error in Onar itself; --debug shows where: {' '.join(str(error).split()) or type(error).__name__}"
