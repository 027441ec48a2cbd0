"""Weights in safetensors files: what they hold and what they say of themselves, read without torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from onar.errors import OnarError

Arrays = dict[str, NDArray[Any]]
"""A state dict as arrays."""


@dataclass(frozen=True)
class GeneratorFile:
    """What a safetensors file of a generator holds.

    Attributes:
        architecture: the generator's name and arguments; see `onar.models.GENERATORS`.
        weights: its state dict; floating-point numbers in float32, however the file stores them.
        metadata: what else the file says, as text.
    """

    architecture: dict[str, Any]
    weights: Arrays
    metadata: dict[str, str]

    @property
    def training_size(self) -> int:
        """Side in pixels of the crops it was trained on; where the file does not say it, that of its depth."""
        return int(self.metadata.get("training_size", usual_training_size(self.architecture.get("depth"))))


def read_generator_file(path: Path) -> GeneratorFile:
    """Read a safetensors file of any name.

    Raises:
        OnarError: it is missing or damaged, or does not say its architecture.
    """
    try:
        with safe_open(path, framework="np") as file:
            metadata = dict(file.metadata() or {})
            # Bundled weights are stored in half precision; the networks compute in float32.
            weights = {key: _widen(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
        return GeneratorFile(json.loads(metadata["architecture"]), weights, metadata)
    except OSError as error:
        raise OnarError(f"cannot read {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise OnarError(f"{path} is damaged or not a safetensors file: {error}") from error
    except (KeyError, json.JSONDecodeError) as error:
        raise OnarError(f"{path} does not say its architecture in its metadata") from error


def require_known_generator(name: str, known: Iterable[str], path: Path) -> None:
    """Raise `OnarError` when the generator that a file names is none of those known."""
    if name not in (names := list(known)):
        raise OnarError(f"{path} holds a {name}, which this version does not know; it knows {', '.join(names)}")


def usual_training_size(depth: int | None) -> int:
    """Side in pixels of the crops that a network of so many levels is usually trained on: 512 for the paper's eight."""
    return int(2 ** ((8 if depth is None else int(depth)) + 1))


def read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says of itself, without its weights."""
    with safe_open(path, framework="np") as file:
        return dict(file.metadata() or {})


def _widen(value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(np.float32) if value.dtype.kind == "f" else value
