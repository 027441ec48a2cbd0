"""The photos in a folder, and what in it is passed over."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from onar.errors import OnarError, printable
from onar.imaging.formats.endings import NOT_READABLE_HERE, RAW, RAW_ADVICE, READABLE, ending_of
from onar.system.console import progress_bar, warn

MAX_NAMES = 3
"""How many names a message shows."""

MASK_NAME, MASK_SHEET = "mask_{:04}.png", "sheet.png"
"""What `onar masks` calls its masks, and the picture that shows all of them."""

_MAX_KINDS = 5


def _keep_all(_folder: str) -> bool:
    return False


def find_photos(folder: Path, what: str = "photos", skip: Callable[[str], bool] = _keep_all) -> list[Path]:
    """The photos in a folder and its subfolders as paths; see `list_photos`."""
    return [Path(photo) for photo in list_photos(folder, what, skip)]


def find_masks(folder: Path) -> list[Path]:
    """The mask files in a folder and its subfolders, see `list_photos`; but not the sheets that `onar masks` draws."""
    return [file for file in find_photos(folder, "mask files") if not is_mask_sheet(file)]


def is_mask_sheet(file: Path) -> bool:
    """Whether a file is the picture that `onar masks` draws of its masks."""
    return file.name == MASK_SHEET and file.with_name(MASK_NAME.format(0)).exists()


def list_photos(
    folder: Path,
    what: str = "photos",
    skip: Callable[[str], bool] = _keep_all,
    endings: Collection[str] = READABLE.keys(),
) -> list[str]:
    """Find the photos in a folder and its subfolders, sorted; hidden files and folders are passed over.

    They are names, because making 200,000 paths takes longer than finding the files. What else is there is counted in
    one line on stderr.

    Args:
        folder: where to look; links to folders are followed, each folder once.
        what: what the error message says was looked for.
        skip: whether to leave out a subfolder.
        endings: of what is looked for.

    Raises:
        OnarError: there is no such folder, or no file in it has one of the endings.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise OnarError(f"no {what}: {printable(folder)} is {'not a folder' if folder.exists() else 'not there'}")
    files = files_in(folder, skip)
    photos = [file for file in files if ending_of(file) in endings]
    if not photos:
        found = f"{len(files)} files: {_count_kinds(files)}" if files else "no files at all"
        wanted = " ".join(endings)
        raise OnarError(f"no {what} in {printable(folder)} and its subfolders: looked for {wanted}; found {found}")
    warn_skipped_files(files, folder, endings)
    return sorted(photos)


def warn_skipped_files(files: Iterable[str], where: object, endings: Collection[str] = READABLE.keys()) -> None:
    """Count in one line on stderr the files that do not end as pictures do which can be read here, if there are any.

    Args:
        files: names, of pictures and others.
        where: the folder or pattern that was looked in.
        endings: of the pictures.
    """
    others = [file for file in files if ending_of(file) not in endings]
    if others:
        warn(f"Passed over in {printable(where)}: {len(others)} of other kinds ({_count_kinds(others)})")


def some(names: Iterable[object]) -> str:
    """A few names and the number of the others."""
    told = [printable(Path(str(name))) for name in names]
    return ", ".join(told[:MAX_NAMES]) + (f" and {len(told) - MAX_NAMES} more" if len(told) > MAX_NAMES else "")


def _count_kinds(files: Iterable[str]) -> str:
    """Such as "12 .heic, 3 .txt", the commonest first, with what to install for those that could be read."""
    counts = Counter(ending_of(file) for file in files)
    kinds = sorted(counts.items(), key=lambda kind: (-kind[1], kind[0]))
    told = []
    for kind, count in kinds[:_MAX_KINDS]:
        advice = f", which need {NOT_READABLE_HERE[kind]}" if kind in NOT_READABLE_HERE else ""
        advice += f", raw files: {RAW_ADVICE}" if kind in RAW else ""
        told.append(f"{count} {printable(kind) or 'without an ending'}{advice}")
    if rest := sum(count for _, count in kinds[_MAX_KINDS:]):
        told.append(f"{rest} others")
    return ", ".join(told)


def split_pattern(pattern: str) -> tuple[str, str]:
    """The part of a pattern that is there under that very name, brackets and all, and the rest."""
    root, parts = "", list(Path(pattern).parts or ["."])
    while len(parts) > 1 and (not glob.has_magic(parts[0]) or os.path.exists(os.path.join(root, parts[0]))):
        root = os.path.join(root, parts.pop(0))
    return root, os.path.join(*parts)


def files_in(folder: Path, skip: Callable[[str], bool] = _keep_all) -> list[str]:
    """Paths of all files under a folder but hidden ones and those in subfolders to skip; circles of links end."""
    files: list[str] = []
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(folder)]
    with progress_bar(desc="Looking for photos", unit=" files", delay=1) as bar:
        while waiting:
            place = waiting.pop()
            try:
                status = os.stat(place)
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                folders, found = _list_folder(place)
            except OSError as error:
                warn(f"Passed over {printable(place)}: {error.strerror}")
                continue
            files += found
            waiting += [place for place in reversed(folders) if not skip(place)]
            bar.update(len(found))
    return files


def _list_folder(place: str) -> tuple[list[str], list[str]]:
    """The folders, sorted, and the files in one folder; hidden ones, pipes and sockets are left out."""
    with os.scandir(place) as entries:
        visible = [
            (entry.name, entry.is_dir(), entry.is_file(follow_symlinks=False))
            for entry in entries
            if not entry.name.startswith(".")
        ]
    folders = sorted(os.path.join(place, name) for name, is_folder, _ in visible if is_folder)
    others = [(os.path.join(place, name), is_plain) for name, is_folder, is_plain in visible if not is_folder]
    return folders, [path for path, is_plain in others if is_plain or is_file(path)]


def is_file(path: str) -> bool:
    """Whether a path that is no folder is a file, or a link to one that is gone; reading from a pipe would wait."""
    try:
        found = stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True
    if not found:
        warn(f"Passed over {printable(path)}: not a file")
    return found
