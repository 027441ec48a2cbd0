"""Weights files: what they say of themselves, and what safetensors files hold; read without torch.

A file may come from a newer Onar. What this version does not know, it refuses: left out, it could change every pixel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from onar.errors import OnarError
from onar.weights.numbers import DESCRIBED, FILLS, blend_widths, padding_step

FORMAT = 1
"""Version of the exported files and checkpoints that are written; files without one are of version 1."""

MOST_LEVELS = 16
"""Of a generator; more would halve any photo to nothing."""

NEWER = ": was it written by a newer Onar?"

RECORD = ("recipe", "log", "blend", "colours")
"""Keys of metadata that say how weights were trained: settings as TOML, last line of the log, what was blended, and the
settings of the network for colours as TOML."""

BLEND = "TextureBlend"
"""What the metadata call the network that blends a generator's fill with copied texture."""

Arrays = dict[str, NDArray[Any]]
"""A state dict as arrays."""


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_channels(value: Any) -> bool:
    return _is_count(value) and value > 0


def _is_window(value: Any) -> bool:
    return _is_count(value) and (value == 0 or value % 2 == 1)


def _is_depth(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MOST_LEVELS


ARGUMENTS: Mapping[str, Mapping[str, Callable[[Any], bool]]] = {
    "PConvUNet": {
        "base_channels": _is_count,
        "depth": _is_depth,
        "base_fill": lambda value: value in ("none", "pyramid"),
        "correction_window": _is_window,
        "normalised": lambda value: type(value) is bool,
        "colour_channels": _is_count,
        "channels": _is_channels,
    },
    "PyramidFill": {},
}
"""The generators of this version, `onar.models.GENERATORS`: their arguments, and whether a value is one of theirs."""


@dataclass(frozen=True)
class GeneratorFile:
    """What a safetensors file of a generator holds.

    Attributes:
        architecture: the generator's name and arguments, all of which this version knows; see `ARGUMENTS`.
        weights: its state dict; floating-point numbers in float32, however the file stores them.
        training_size: side in pixels of the crops it was trained on; where the file does not say it, that of its depth.
        record: what the file says with the keys of `RECORD`.
    """

    architecture: dict[str, Any]
    weights: Arrays
    training_size: int
    record: dict[str, str]


def read_generator_file(path: Path, known: Iterable[str] = ARGUMENTS) -> GeneratorFile:
    """Read a safetensors file of any name.

    Args:
        path: the file.
        known: names of generators that can be used.

    Raises:
        OnarError: it is missing or damaged, or does not say its architecture, or says what this version does not know.
    """
    weights, metadata = _read_file(path)
    architecture = read_architecture(metadata, path, known)
    record = {key: metadata[key] for key in RECORD if key in metadata}
    return GeneratorFile(architecture, weights, read_training_size(metadata, architecture, path), record)


def read_blend_file(path: Path) -> tuple[Arrays, int]:
    """Read the weights of a `TextureBlend`, in float32, and its base channels.

    Raises:
        OnarError: the file is missing or damaged, or holds something else, be it one weight more or of another shape.
    """
    weights, metadata = _read_file(path)
    _refuse_newer_export(metadata, path)
    try:
        architecture = json.loads(metadata["architecture"])
        if architecture["network"] != BLEND:
            raise ValueError
        fills, base_channels = int(architecture.get("fills", 2)), int(architecture["base_channels"])
    except (KeyError, TypeError, ValueError) as error:
        raise OnarError(f"{path} does not hold what blends fills, a {BLEND}") from error
    if fills != FILLS:
        raise OnarError(f"{path} blends {fills} fills, this version {FILLS}: train it anew by onar blend")
    for key in sorted(architecture.keys() - {"network", "fills", "base_channels"}):
        raise OnarError(f"{path} says {key} of its {BLEND}, which this version does not know{NEWER}")
    found = {key: value.shape if value.dtype.kind == "f" else value.dtype for key, value in weights.items()}
    refuse_misfit(path, BLEND, found, blend_shapes(base_channels))
    return weights, base_channels


def blend_shapes(base_channels: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a `TextureBlend`."""
    widths = blend_widths(base_channels)
    layers = {"encoder.0.0": (4 * DESCRIBED, widths[0]), "fine.0.0": (widths[0], widths[0]), "fine.1": (widths[0], 24)}
    for index, (one, two) in enumerate(pairwise(widths)):
        layers |= {f"encoder.{index + 1}.0.0": (one, two), f"encoder.{index + 1}.1.0": (two, two)}
        layers |= {f"decoder.{index}.0": (one + two, one)}
    layers |= {f"heads.{index}": (width, 6) for index, width in enumerate(widths)}
    kernels = {f"{layer}.weight": (outputs, inputs, 3, 3) for layer, (inputs, outputs) in layers.items()}
    return kernels | {f"{layer}.bias": (outputs,) for layer, (_, outputs) in layers.items()}


def refuse_misfit(path: Path, name: str, found: Mapping[str, object], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `OnarError` that says what does not fit a network.

    Args:
        path: the file.
        name: of the network.
        found: names in the file's state dict, and shapes of the tensors, or what there is in their place.
        expected: names and shapes of the network's weights.
    """
    for key in sorted(expected.keys() ^ found.keys(), key=str):
        reason = f"no {key}" if key in expected else f"unknown {key}{NEWER}"
        raise OnarError(f"{path} does not fit {name}: {reason}")
    for key, shape in found.items():
        if shape != expected[key]:
            raise OnarError(f"{path} does not fit {name}: {key} is {shape}, not {expected[key]}")


def _read_file(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Tensors and metadata of a safetensors file."""
    try:
        with safe_open(path, framework="np") as file:
            # Bundled weights are stored in half precision; the networks compute in float32.
            weights = {key: _widen(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
            return weights, dict(file.metadata() or {})
    except OSError as error:
        raise OnarError(f"cannot read {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise OnarError(f"{path} is damaged or not a safetensors file: {error}") from error
    except TypeError as error:  # numpy has neither bfloat16 nor 8-bit floats, or has them of the package ml_dtypes
        raise OnarError(
            f"{path} holds numbers of a type that cannot be read here: save it in float16 or float32"
        ) from error


def read_architecture(metadata: Mapping[str, str], path: Path, known: Iterable[str] = ARGUMENTS) -> dict[str, Any]:
    """The generator's name and arguments in the metadata of an exported file; raises as `read_generator_file`."""
    _refuse_newer_export(metadata, path)
    try:
        architecture = json.loads(metadata["architecture"])
        name = architecture["generator"]
    except (KeyError, TypeError, ValueError) as error:
        raise OnarError(f"{path} does not say its architecture in its metadata") from error
    if name not in (names := list(known)):
        raise OnarError(f"{path} holds a {name}, which this version does not know; it knows {', '.join(names)}")
    for key, value in architecture.items():
        is_known = key == "generator" or (key in ARGUMENTS[name] and ARGUMENTS[name][key](value))
        if not is_known:
            raise OnarError(f"{path} says {key} {value!r} of its {name}, which this version does not know{NEWER}")
    return dict(architecture)


def read_training_size(metadata: Mapping[str, str], architecture: Mapping[str, Any], path: Path) -> int:
    """Side in pixels of the training crops by an exported file; raises `OnarError` when it says something else."""
    said = metadata.get("training_size", str(usual_training_size(architecture.get("depth"))))
    if not said.isdecimal() or int(said) == 0:
        raise OnarError(f"{path} says training_size {said!r}, which is no number of pixels{NEWER}")
    return int(said)


def said_architecture(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The architecture of the generator in an exported file; empty where its metadata do not say it."""
    try:
        architecture = json.loads(metadata["architecture"])
    except (KeyError, TypeError, ValueError):
        return {}
    return architecture if isinstance(architecture, dict) else {}


def step_of(architecture: Mapping[str, Any]) -> int:
    """To what multiple a generator pads the sides of photos; 1 where it has no levels."""
    depth: Any = architecture.get("depth")
    return padding_step(depth, bool(architecture.get("colour_channels"))) if _is_depth(depth) else 1


def channels_of(architecture: Mapping[str, Any]) -> int:
    """Channels of the photos that a generator completes."""
    return int(architecture.get("channels", 3))


def refuse_newer(version: object, path: Path) -> None:
    """Raise `OnarError` when a file names a version of its format that is above `FORMAT`, or none that is a number."""
    if not str(version).isdecimal() or int(str(version)) > FORMAT:
        raise OnarError(
            f"{path} has format {version}, written by a newer Onar; this version reads up to {FORMAT}: "
            "pip install --upgrade onar"
        )


def _refuse_newer_export(metadata: Mapping[str, str], path: Path) -> None:
    """As `refuse_newer`, of an exported file's metadata; other programs say "pt" or "np" there, which is no version."""
    if "architecture" in metadata:
        refuse_newer(metadata.get("format", FORMAT), path)


def usual_training_size(depth: int | None) -> int:
    """Side in pixels of the crops that a network of so many levels is usually trained on: 512 for the paper's eight."""
    return int(2 ** ((8 if depth is None else int(depth)) + 1))


def _widen(value: NDArray[Any]) -> NDArray[Any]:
    if value.dtype.kind not in "fiub":
        raise TypeError
    return value.astype(np.float32) if value.dtype.kind == "f" else value
