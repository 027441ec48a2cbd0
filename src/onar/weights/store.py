"""Downloaded weights in the user's cache folder: fetched only when asked for, resumed, and checked before use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import Request, build_opener

from filelock import FileLock, Timeout

from onar.errors import OnarError, UsageError
from onar.system.files import cache_root, file_sha256
from onar.weights.catalogue import CATALOGUE, PublicWeights

TIMEOUT = 30
"""Seconds without an answer after which a download fails."""

_BLOCK = 1 << 18

OnBytes = Callable[[int], object]
"""Takes the number of bytes that have arrived since the last call."""


def store_folder() -> Path | None:
    """Folder of the downloaded weights; None for a user without a home."""
    root = cache_root()
    return None if root is None else root / "weights"


def place_of(name: str) -> Path:
    """Path of the weights of a name in `CATALOGUE`, downloaded or not.

    Raises:
        UsageError: there is no such name.
        OnarError: this user has no home.
    """
    folder, entry = store_folder(), _entry(name)
    if folder is None:
        raise OnarError("this user has no home, where downloaded weights are kept: set HOME, or XDG_CACHE_HOME")
    return folder / entry.file


def is_here(name: str) -> bool:
    """Whether the weights of a name in `CATALOGUE` are downloaded."""
    folder, entry = store_folder(), _entry(name)
    return folder is not None and os.path.isfile(folder / entry.file)  # `Path.is_file` raises where it may not look


def downloaded(name: str) -> Path:
    """Path of downloaded weights.

    Raises:
        OnarError: they are not downloaded; the message names the command.
    """
    if not is_here(name):
        entry = _entry(name)
        raise OnarError(
            f"the weights {name} are not here: onar weights get {name} downloads them ({entry.size / 1e6:.0f} MB, "
            f"{entry.licence})"
        )
    return place_of(name)


def kind_of(path: Path) -> str | None:
    """The kind of network in a file of the catalogue, by its size and SHA-256; None for other files."""
    alike = [entry for entry in CATALOGUE.values() if entry.size == path.stat().st_size]
    return next((entry.network for entry in alike if entry.sha256 == file_sha256(path)), None)


def download(name: str, progress: OnBytes = lambda _: None) -> Path:
    """Download weights, or go on with a download that was interrupted; returns their path.

    The file has its name only when it is whole and its SHA-256 is right.

    Args:
        name: in `CATALOGUE`.
        progress: is called with the bytes that are there at the start, and with each block.

    Raises:
        UsageError: there is no such name.
        OnarError: the server cannot be reached, the file is another one, the disk is full, or another process
            downloads it.
    """
    entry, place = _entry(name), place_of(name)
    part = place.with_name(f"{place.name}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_name(f"{place.name}.lock"), timeout=0):
            if not place.is_file():
                _fetch(entry, part, progress)
                if file_sha256(part) != entry.sha256:
                    part.unlink()
                    raise OnarError(f"{entry.address} sent another file than expected: its SHA-256 differs")
                part.replace(place)
    except Timeout:
        raise OnarError(f"another process downloads {name}") from None
    except (OSError, HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise OnarError(
            f"cannot download {entry.address} to {place}: {reason}; onar weights get {name} goes on where it stopped"
        ) from error
    return place


def remove(name: str) -> bool:
    """Remove weights that were downloaded, whole or in part; returns whether there were any."""
    place = place_of(name)
    files = [place, place.with_name(f"{place.name}.part")]
    found = [file for file in files if file.exists()]
    for file in [*found, place.with_name(f"{place.name}.lock")]:
        file.unlink(missing_ok=True)
    return bool(found)


def _entry(name: str) -> PublicWeights:
    if name not in CATALOGUE:
        raise UsageError(f"there are no public weights {name!r}; there are {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def _fetch(entry: PublicWeights, part: Path, progress: OnBytes) -> None:
    """Write what is missing of a file; a server that cannot resume sends all of it."""
    there = part.stat().st_size if part.is_file() else 0
    if there >= entry.size:
        part.unlink()
        there = 0
    missing, free = entry.size - there, shutil.disk_usage(part.parent).free
    if missing > free:
        raise OnarError(f"{part.parent} has {free / 1e6:.0f} MB free, and {missing / 1e6:.0f} MB are needed")
    headers = {"User-Agent": "onar", **({"Range": f"bytes={there}-"} if there else {})}
    # A new opener, because the one of `urlopen` keeps the proxies of its first use.
    with build_opener().open(Request(entry.address, headers=headers), timeout=TIMEOUT) as answer:
        resumes = answer.status == 206 and str(answer.headers["Content-Range"]).startswith(f"bytes {there}-")
        with part.open("ab" if resumes else "wb") as file:
            progress(file.tell())
            _copy(answer, file, entry.size - file.tell(), progress)


def _copy(answer: Any, file: Any, missing: int, progress: OnBytes) -> None:
    """Copy the missing bytes; raises `OSError` if fewer arrive, and ignores others."""
    while missing and (block := answer.read(min(_BLOCK, missing))):
        file.write(block)
        missing -= len(block)
        progress(len(block))
    if missing:
        raise OSError("the connection was closed")
