"""Files of tensors and plain values, written whole or not at all and read without running code from them.

What is written here ends with a seal: a mark and the SHA-256 of all bytes before it. It reveals a file that was cut off
or in which a single bit has changed; torch's own format does not. `torch.load` ignores the seal.

torch is imported where it is needed, because others read a run's log without it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any, BinaryIO

from onar.errors import OnarError
from onar.system.files import replacing

SEAL_MARK = b"\nsealed with SHA-256: "
SEAL_SIZE = len(SEAL_MARK) + hashlib.sha256().digest_size
CHUNK = 1 << 20  # bytes read at once


class DamagedFileError(OnarError):
    """A file can be read, but does not hold what it should."""


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors and plain values; raises `OnarError` when the disk refuses."""
    import torch

    with replacing(path) as temporary, temporary.open("wb+") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            # on a full disk torch cannot end its archive either, and its complaint about that hides the real error.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        size = file.tell()
        file.seek(0)
        file.write(_seal(file, size))


def load_state(path: Path, *, sealed: bool = False) -> dict[str, Any]:
    """Read a dictionary of tensors and plain values onto the CPU.

    Args:
        path: the file. A seal that is there must fit.
        sealed: refuse a file without a seal, because it was written here and can only have lost it.

    Raises:
        DamagedFileError: the file is cut off or changed, is of another format, or would run code when unpickled.
        OnarError: the file cannot be read.
    """
    import torch

    try:
        with path.open("rb") as file:
            _check_seal(file, path, sealed)
            file.seek(0)
            state = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise OnarError(f"cannot read {path}: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise DamagedFileError(
            f"{path} is refused: it is damaged, or holds more than tensors and plain values"
        ) from error
    except (RuntimeError, EOFError, ValueError, LookupError) as error:
        raise DamagedFileError(f"{path} is damaged or not a PyTorch file") from error
    if not isinstance(state, dict):
        raise DamagedFileError(f"{path} holds a {type(state).__name__}, not a dictionary of tensors")
    return state


def _check_seal(file: BinaryIO, path: Path, required: bool) -> None:
    size = max(0, file.seek(0, os.SEEK_END) - SEAL_SIZE)
    file.seek(size)
    found = file.read()
    if found.startswith(SEAL_MARK):
        file.seek(0)
        if found != _seal(file, size):
            raise DamagedFileError(f"{path} is damaged: its content does not fit the SHA-256 at its end")
    elif required:
        raise DamagedFileError(f"{path} is cut off, or was not written by Onar")


def _seal(file: BinaryIO, size: int) -> bytes:
    """The seal for the next `size` bytes of a file, which are read."""
    digest = hashlib.sha256()
    while size > 0 and (chunk := file.read(min(size, CHUNK))):
        digest.update(chunk)
        size -= len(chunk)
    return SEAL_MARK + digest.digest()
