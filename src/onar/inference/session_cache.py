"""Optimised graphs of ONNX files, in the user's cache folder.

ONNX Runtime folds constants and lays out weights for the processor each time it loads a file, which takes longer than a
small fill. The resulting graph is kept in a folder of its own by the content of the file, the version of ONNX Runtime
and the processor. Nothing depends on the cache: a damaged entry is made again, and where none can be written, there is
none.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from onar.system.files import cache_root, file_sha256

VARIABLE, OFF = "ONAR_CACHE", "off"
"""Environment variable that names another folder, and its value for no cache."""

MAX_BYTES = 1 << 29
"""Of all entries; the least recently used are removed."""

GRAPH, WEIGHTS = "graph.onnx", "weights.bin"
"""Files of an entry. ONNX Runtime maps the weights into memory, so it reads what it uses, and copies nothing."""

_PREFIX, _MAX_SECONDS = ".writing-", 3600
"""Names of unfinished entries, and the age at which they are remains of killed processes."""


def cache_folder() -> Path | None:
    """The folder of the cache, which need not exist; None if it is off, or there is no home."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return None if chosen == OFF else Path(chosen).absolute()
    root = cache_root()
    return None if root is None else root / "sessions"


def entry_of(path: Path, version: str) -> Path | None:
    """The folder for an ONNX file and a version of ONNX Runtime, which need not exist; None without a cache."""
    folder, processor = cache_folder(), _processor()
    if folder is None or processor is None:
        return None
    key = "\n".join((file_sha256(path), version, processor))
    return folder / hashlib.sha256(key.encode()).hexdigest()[:32]


def _processor() -> str | None:
    """Architecture and instruction sets, by which ONNX Runtime lays out weights; None where they are unknown."""
    try:
        features: dict[str, bool] = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
        return " ".join((platform.machine(), *(name for name, has in sorted(features.items()) if has)))
    except AttributeError:
        return None


def mark_used(entry: Path) -> None:
    """Make an entry the most recently used one."""
    with suppress(OSError):
        os.utime(entry)


@contextmanager
def new_entry(entry: Path) -> Iterator[Path]:
    """Yield a new folder that becomes the entry, whole, when the block succeeds; another process's entry is kept.

    Raises:
        OSError: no folder can be made there.
    """
    entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=entry.parent))
    try:
        yield folder
        with suppress(OSError):
            for file in folder.iterdir():
                _put_on_disk(file)
            folder.rename(entry)
            _remove_old(entry)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_on_disk(file: Path) -> None:
    """Wait until a file is on the disk: after a power failure, an entry is whole or not there."""
    with file.open("rb+") as content:
        os.fsync(content.fileno())


def _remove_old(newest: Path) -> None:
    """Remove remains of killed processes, and the least recently used entries beyond `MAX_BYTES`."""
    entries, now = [], time.time()
    for folder in newest.parent.iterdir():
        with suppress(OSError):
            used = folder.stat().st_mtime
            if not folder.name.startswith(_PREFIX):
                size = sum(file.stat().st_size for file in folder.iterdir())
                entries.append((folder != newest, -used, size, folder))
            elif now - used > _MAX_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
    total = 0
    for *_, size, folder in sorted(entries):
        total += size
        if total > MAX_BYTES:
            shutil.rmtree(folder, ignore_errors=True)
