"""The photos in a folder, found quickly also where there are hundreds of thousands.

The listing of a large folder is kept in the user's cache folder. A folder's time of change says whether files or
folders came into it or left it, so the next start reads again only the folders whose time is another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from platformdirs import user_cache_path
from tqdm import tqdm

from onar.errors import OnarError
from onar.files import write_text
from onar.imaging.images import PHOTO_EXTENSIONS, printable

Contents: TypeAlias = tuple[int, list[str], list[str]]
"""Of one folder: its time of change in nanoseconds, or `_UNKNOWN`; the names of the folders and of the files in it."""

KEPT_FROM = 10_000
"""Files from which a listing is kept; fewer are listed in a moment."""

_UNKNOWN = -1

_UNCERTAIN = 2_000_000_000
"""Nanoseconds for which a time of change proves nothing, because a second change can fall into the same tick of the
file system's clock: 2 s on FAT."""


def find_photos(folder: Path, what: str = "photos", extensions: tuple[str, ...] = PHOTO_EXTENSIONS) -> list[Path]:
    """The photos in a folder and its subfolders as paths; see `list_photos`."""
    return [Path(photo) for photo in list_photos(folder, what, extensions)]


def list_photos(folder: Path, what: str = "photos", extensions: tuple[str, ...] = PHOTO_EXTENSIONS) -> list[str]:
    """Find the photos in a folder and its subfolders, sorted; hidden files and folders are passed over.

    They are names, because making 200,000 paths takes longer than finding the files.

    Args:
        folder: where to look; links to folders are followed, each folder once.
        what: what the error message says was looked for.
        extensions: endings of photos, in lower case.

    Raises:
        OnarError: there is no such folder, or no file in it ends in one of `extensions`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise OnarError(f"no {what}: {printable(folder)} is {'not a folder' if folder.exists() else 'not there'}")
    files = _visible_files(folder)
    photos = [file for file in files if os.path.splitext(file)[1].lower() in extensions]
    if not photos:
        found = f"{len(files)} files of other kinds" if files else "no files at all"
        wanted = " ".join(extensions)
        raise OnarError(f"no {what} in {printable(folder)} and its subfolders: looked for {wanted}; found {found}")
    return sorted(photos)


def _visible_files(folder: Path) -> list[str]:
    """Paths of all files under a folder; the set of folders seen ends circles of links."""
    kept_in = _listing_file(folder)
    before = _read_listing(kept_in)
    now: dict[str, Contents] = {}
    files: list[str] = []
    seen: set[tuple[int, int]] = set()
    waiting = [""]
    with tqdm(desc="Looking for photos", unit=" files", delay=1, disable=None) as bar:
        while waiting:
            inside = waiting.pop()
            place = os.path.join(folder, inside)
            try:
                status = os.stat(place)
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                kept = before.get(inside)
                contents = kept if kept and kept[0] == status.st_mtime_ns else _list_folder(place, status.st_mtime_ns)
            except OSError as error:
                tqdm.write(f"Passed over {printable(Path(place))}: {error.strerror}", file=sys.stderr)
                continue
            now[inside] = contents
            files += [os.path.join(place, name) for name in contents[2]]
            waiting += [os.path.join(inside, name) for name in reversed(contents[1])]
            bar.update(len(contents[2]))
    if len(files) >= KEPT_FROM and now != before:
        with suppress(OnarError):  # a cache folder that cannot be written to costs time, not the run
            write_text(kept_in, json.dumps(now))
    return files


def _listing_file(folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()
    return user_cache_path("onar") / "listings" / f"{name}.json"


def _list_folder(place: str, changed: int) -> Contents:
    """Read one folder that was last changed at `changed`; hidden files and folders are left out."""
    certain = 0 < changed < time.time_ns() - _UNCERTAIN  # 0: the file system keeps none
    with os.scandir(place) as entries:
        visible = [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    folders = sorted(name for name, is_folder in visible if is_folder)
    return changed if certain else _UNKNOWN, folders, [name for name, is_folder in visible if not is_folder]


def _read_listing(kept_in: Path) -> dict[str, Contents]:
    """The listing that was kept, or an empty one when there is none that can be read."""
    try:
        kept = json.loads(kept_in.read_text(encoding="utf-8"))
        return {inside: (changed, folders, files) for inside, (changed, folders, files) in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
