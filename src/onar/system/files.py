"""Writing a file, or a folder, whole or not at all."""

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

from onar.errors import OnarError, UsageError, printable

CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM, errno.EACCES})
"""What drives answer that do not know `fsync`; others, as of a full disk, mean that the file is lost."""
_MAX_NAME_BYTES = 255
"""Bytes."""


class AppearedError(OnarError):
    """A file that was not to be replaced has appeared since the work began."""

    @classmethod
    def at(cls, path: Path) -> AppearedError:
        """The error for a file."""
        return cls(f"{printable(path)} has appeared meanwhile, and is not replaced without --overwrite")


@contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary file beside `path` that takes its place when the block ends well.

    The temporary file keeps the suffix of `path`, so that writers who choose the format by it work. Its name is used by
    nobody else, on no machine. When the block fails, `path` is as it was and the temporary file is gone;
    `remove_partial` finds those of a process that was killed. Once the block has ended, the new file survives a power
    cut. A file that was there keeps its mode, and a link stays a link: what it points to is replaced.

    Args:
        path: the file.
        overwrite: replace a file that is there, however late it came.

    Raises:
        AppearedError: there is one, and it is not to be replaced; it stays as it is.
        OnarError: the folder cannot be made or written to, or the disk is full; the message names `path`.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(_temporary_name(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _put_on_disk(temporary)
        with suppress(OSError):  # there is none, or the drive keeps no modes, as CIFS and exFAT
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
    """Wait until a file is on the disk; a drive that cannot say so, as some network drives, has it all the same."""
    with file.open("rb+") as content:
        try:
            os.fsync(content.fileno())
        except OSError as error:
            if error.errno not in CANNOT_SYNC:
                raise


def _take_name(target: Path, temporary: Path) -> bool:
    """Take a name for a finished file, unless somebody has it; whoever else wants it then sees that it is taken.

    Where the file system has no hard links, an empty file holds the name until the finished one takes its place.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        return os.path.samefile(temporary, target)  # over NFS, an answer that was lost makes the system ask again
    except (OSError, AttributeError):
        try:
            target.open("xb").close()
        except FileExistsError:
            return False
    return True


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new, empty folder beside `path` that takes its place when the block ends well.

    When the block fails, `path` is as it was and the new folder is gone. A folder that was not there at first, and has
    something in it at the end, is not replaced.

    Raises:
        OnarError: the folder cannot be made or written to, or the disk is full; the message names `path`.
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
    """A hidden name for what will be `path`, no longer than file systems take, that nobody else uses.

    Random, because the numbers of processes are the same in many containers.
    """
    end = f".{secrets.token_hex(8)}.partial{path.suffix}"
    stem = os.fsencode(f".{path.stem}")
    if len(stem) + len(os.fsencode(end)) <= _MAX_NAME_BYTES:
        return f".{path.stem}{end}"
    digest = hashlib.sha256(stem).hexdigest()[:16]
    return f".{digest}{end}"


def check_writable(path: Path) -> None:
    """Make the folder of a file to be written; raises `OnarError` now rather than after hours of work."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OnarError(f"cannot write {path}: {error.strerror or error}") from error
    if not os.access(path.parent, os.W_OK):
        raise OnarError(f"cannot write {path}: no permission to write in {path.parent}")


def refuse_to_replace(source: Path, output: Path) -> None:
    """Raise `UsageError` when a file to be written is one that is read for it."""
    if source.exists() and output.exists() and source.samefile(output):
        raise UsageError(f"--output {printable(output)} is the file that is read: name another")


def remove_partial(folder: Path) -> None:
    """Remove what `replacing` left in a folder when its process was killed; nobody else may be writing there."""
    for temporary in folder.glob(".*.partial*"):
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits; raises `OnarError` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OnarError(f"cannot read {path}: {error.strerror or error}") from error


def _sync_folder(folder: Path) -> None:
    """Put a file's new name on the disk, too."""
    with suppress(OSError):  # Windows and some network file systems cannot; there the name is written a little later
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
