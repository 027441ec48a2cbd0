"""Atomic writes of files and folders: complete or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from platformdirs import user_cache_path

from onar.errors import FieldError, OnarError, printable

CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM, errno.EACCES})
"""Errors of drives without `fsync`; any other, such as a full disk, means that the file is lost."""
_MAX_NAME_BYTES = 255
"""Bytes."""


class AppearedError(OnarError):
    """A file that must not be replaced has appeared since the work began."""

    @classmethod
    def at(cls, path: Path) -> AppearedError:
        """The error for a file."""
        return cls(f"{printable(path)} has appeared meanwhile, and is not replaced without --overwrite")


def cache_root() -> Path | None:
    """Onar's folder in the user's cache, which need not exist; None for a user without a home."""
    try:
        folder = user_cache_path("onar", appauthor=False)
    except RuntimeError:  # from some version of platformdirs on; a relative path before
        return None
    return folder if folder.is_absolute() else None


@contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary file beside `path` that replaces it when the block succeeds.

    The temporary file has the suffix of `path`, for writers that choose the format by it, and a name that is unique
    across machines. If the block fails, `path` is unchanged and the temporary file is removed; `remove_partial` removes
    those of killed processes. After the block, the new file survives a power failure. An existing file keeps its mode;
    of a link, the target is replaced.

    Raises:
        AppearedError: the file exists, or has appeared meanwhile, and `overwrite` is False; it is unchanged.
        OnarError: the folder cannot be created or written to, or the disk is full; the message names `path`.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with replacing(file) as temporary:
    ...     _ = temporary.write_text("complete")
    >>> file.read_text()
    'complete'
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(_temporary_name(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _put_on_disk(temporary)
        with suppress(OSError):  # no such file, or a drive without modes, such as CIFS and exFAT
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        if not (overwrite or _take_name(target, temporary)):
            raise AppearedError.at(path)
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise OnarError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)


def _put_on_disk(file: Path) -> None:
    """Wait until a file is on the disk, if the drive supports `fsync`, as some network drives do not."""
    with file.open("rb+") as content:
        try:
            os.fsync(content.fileno())
        except OSError as error:
            if error.errno not in CANNOT_SYNC:
                raise


def _take_name(target: Path, temporary: Path) -> bool:
    """Claim the name of a finished file atomically; False if it exists.

    On file systems without hard links, an empty file reserves the name until the finished one replaces it.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        return os.path.samefile(temporary, target)  # NFS repeats a request whose answer was lost
    except (OSError, AttributeError):
        try:
            target.open("xb").close()
        except FileExistsError:
            return False
    return True


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new, empty folder beside `path` that replaces it when the block succeeds.

    If the block fails, `path` is unchanged and the new folder is removed. A folder that has appeared meanwhile and is
    not empty is not replaced. Raises `OnarError`, as `replacing`.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(_temporary_name(target))
    earlier = temporary.with_suffix(".earlier")
    try:
        was_there = target.exists()
        temporary.mkdir(parents=True)
        yield temporary
        if was_there and target.exists():
            os.replace(target, earlier)
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise OnarError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if earlier.exists() and not target.exists():
            os.replace(earlier, target)
        for left in (temporary, earlier):
            shutil.rmtree(left, ignore_errors=True)


def _temporary_name(path: Path) -> str:
    """A hidden name beside `path`, of limited length; random, because process ids repeat across containers."""
    end = f".{secrets.token_hex(8)}.partial{path.suffix}"
    stem = os.fsencode(f".{path.stem}")
    if len(stem) + len(os.fsencode(end)) <= _MAX_NAME_BYTES:
        return f".{path.stem}{end}"
    digest = hashlib.sha256(stem).hexdigest()[:16]
    return f".{digest}{end}"


def check_writable(path: Path) -> None:
    """Create the folder of an output file; raises `OnarError` before the work instead of after hours of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OnarError(f"cannot write {path}: {error.strerror or error}") from error
    if not os.access(path.parent, os.W_OK):
        raise OnarError(f"cannot write {path}: no permission to write in {path.parent}")


def refuse_to_replace(source: Path, output: Path) -> None:
    """Raise `UsageError` if the output file is the input file."""
    if source.exists() and output.exists() and source.samefile(output):
        raise FieldError("output", f"{printable(output)} is the file that is read: name another")


def remove_partial(folder: Path) -> None:
    """Remove temporary files of killed processes from a folder that no other process is writing to."""
    for temporary in folder.glob(".*.partial*"):
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits; raises `OnarError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OnarError(f"cannot read {path}: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    """Wait until a file's new name is on the disk."""
    with suppress(OSError):  # unsupported on Windows and some network file systems, which write the name later
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
