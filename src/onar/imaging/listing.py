"""Find the photos in a folder, and report skipped files."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from onar.errors import OnarError, printable
from onar.imaging.formats.endings import NOT_READABLE_HERE, RAW, RAW_ADVICE, READABLE, ending_of
from onar.system.console import progress_bar, warn

MAX_NAMES = 3
"""Names listed in a message."""

MASK_NAME, MASK_SHEET = "mask_{:04}.png", "sheet.png"
"""File names of the masks of `onar masks`, and of the sheet that shows all of them."""

_MAX_KINDS = 5


def find_photos(folder: Path, what: str = "photos") -> list[Path]:
    """Paths of the photos in a folder and its subfolders; see `list_photos`."""
    return [Path(photo) for photo in list_photos(folder, what)]


def find_masks(folder: Path) -> list[Path]:
    """Paths of the mask files in a folder and its subfolders, without sheets of `onar masks`; see `list_photos`."""
    return [file for file in find_photos(folder, "mask files") if not is_mask_sheet(file)]


def is_mask_sheet(file: Path) -> bool:
    """Whether a file is a sheet of `onar masks`."""
    return file.name == MASK_SHEET and file.with_name(MASK_NAME.format(0)).exists()


def list_photos(
    folder: Path,
    what: str = "photos",
    skip: Callable[[str], bool] = lambda _folder: False,
    endings: Collection[str] = READABLE.keys(),
) -> list[str]:
    """Find the photos in a folder and its subfolders, sorted; hidden files and folders are skipped.

    Links to folders are followed, each folder once. Other files are counted in one line on stderr. Strings, because
    200,000 `Path`s take longer to create than the files to find. `what` names the files in messages.

    Raises `OnarError` if there is no such folder, or no file in it has one of the endings.
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
    """Count the files with other endings in one line on stderr, if there are any; `where` was searched."""
    others = [file for file in files if ending_of(file) not in endings]
    if others:
        warn(f"Skipped in {printable(where)}: {len(others)} of other kinds ({_count_kinds(others)})")


def some(names: Iterable[object]) -> str:
    """The first names, and the number of the others.

    >>> some(["a.png", "b.png", "c.png", "d.png"])
    'a.png, b.png, c.png and 1 more'
    """
    shown = [printable(Path(str(name))) for name in names]
    return ", ".join(shown[:MAX_NAMES]) + (f" and {len(shown) - MAX_NAMES} more" if len(shown) > MAX_NAMES else "")


def exist_already(files: Sequence[Path]) -> str:
    """The statement that files are there.

    >>> exist_already([Path("a.png")]), exist_already([Path("a.png"), Path("b.png")])
    ('a.png exists already', 'a.png, b.png exist already')
    """
    return f"{some(files)} {'exist' if len(files) > 1 else 'exists'} already"


def _count_kinds(files: Iterable[str]) -> str:
    """Counts such as "12 .heic, 3 .txt", most frequent first, with the packages that would read them."""
    counts = Counter(ending_of(file) for file in files)
    kinds = sorted(counts.items(), key=lambda kind: (-kind[1], kind[0]))
    parts = []
    for kind, count in kinds[:_MAX_KINDS]:
        advice = f", which need {NOT_READABLE_HERE[kind]}" if kind in NOT_READABLE_HERE else ""
        advice += f", raw files: {RAW_ADVICE}" if kind in RAW else ""
        parts.append(f"{count} {printable(kind) or 'without an ending'}{advice}")
    if rest := sum(count for _, count in kinds[_MAX_KINDS:]):
        parts.append(f"{rest} others")
    return ", ".join(parts)


def split_pattern(pattern: str) -> tuple[str, str]:
    """Split a pattern into an existing path, in which brackets are literal, and the rest.

    >>> split_pattern("no_such_folder/photos/*.png")
    ('no_such_folder/photos', '*.png')
    """
    root, parts = "", list(Path(pattern).parts or ["."])
    while len(parts) > 1 and (not glob.has_magic(parts[0]) or os.path.exists(os.path.join(root, parts[0]))):
        root = os.path.join(root, parts.pop(0))
    return root, os.path.join(*parts)


def files_in(folder: Path, skip: Callable[[str], bool] = lambda _folder: False) -> list[str]:
    """Paths of all files under a folder except hidden ones and subfolders to skip; cycles of links end."""
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
                warn(f"Skipped {printable(place)}: {error.strerror}")
                continue
            files += found
            waiting += [place for place in reversed(folders) if not skip(place)]
            bar.update(len(found))
    return files


def _list_folder(place: str) -> tuple[list[str], list[str]]:
    """The folders, sorted, and the files in one folder, without hidden ones, pipes and sockets."""
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
    """Whether a path other than a folder is a file, or a broken link; reading from a pipe would block."""
    try:
        found = stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True
    if not found:
        warn(f"Skipped {printable(path)}: not a file")
    return found
