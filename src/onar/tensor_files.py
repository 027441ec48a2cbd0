"""Files of tensors and plain values, written whole or not at all and read without running code from them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from onar.errors import OnarError
from onar.files import replacing


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a dictionary of tensors and plain values; raises `OnarError` when the disk refuses."""
    with replacing(path) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # how torch reports a full disk
            raise OSError(str(error).splitlines()[0]) from error


def load_state(path: Path) -> dict[str, Any]:
    """Read a dictionary of tensors and plain values onto the CPU.

    Raises:
        OnarError: the file is missing, damaged, or would run code when unpickled.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise OnarError(f"cannot read {path}: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise OnarError(f"{path} is refused: it is damaged, or holds more than tensors and plain values") from error
    except (RuntimeError, EOFError, ValueError, LookupError) as error:
        raise OnarError(f"{path} is damaged or not a PyTorch file") from error
    if not isinstance(state, dict):
        raise OnarError(f"{path} holds a {type(state).__name__}, not a dictionary of tensors")
    return state
