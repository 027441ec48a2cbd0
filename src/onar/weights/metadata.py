"""Metadata of exported files: format, architecture, training size and record, as text by key.

A file may come from a newer Onar. Anything unknown in it is refused: left out, it could change every pixel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from os import SEEK_CUR
from pathlib import Path
from typing import Any, BinaryIO

from onar.errors import OnarError

FORMAT = 1  # version of the exported files and checkpoints that are written; files without one are of version 1

NEWER = ": was it written by a newer Onar?"

RECORD = ("recipe", "log", "blend", "colours")
"""Keys that say how weights were trained: settings as TOML, last line of the log, what was blended, and the settings of
the colour predictor as TOML."""

BLEND, FILLS = "TextureBlend", 3
"""Name of the network that blends a generator's fill with patches, and the number of fills that it takes."""

_METADATA = 14
"""Field of an ONNX file (`ModelProto` in onnx.proto) that holds an entry of its metadata."""

_MAX_ENTRY = 1 << 24
"""Bytes of such an entry that are read at most."""

Arguments = Mapping[str, Callable[[Any], bool]]  # arguments of a network, and whether a value of each is valid


def read_architecture(metadata: Mapping[str, str], path: Path, generators: Mapping[str, Arguments]) -> dict[str, Any]:
    """Name and arguments of the generator in a file; raises `OnarError` for those that `generators`, by name, lack."""
    refuse_newer_export(metadata, path)
    try:
        architecture = json.loads(metadata["architecture"])
        name = architecture["generator"]
    except (KeyError, TypeError, ValueError) as error:
        raise OnarError(f"{path} does not say its architecture in its metadata") from error
    if name not in generators:
        raise OnarError(f"{path} holds a {name}, which this version does not know; it knows {', '.join(generators)}")
    for key, value in architecture.items():
        is_known = key == "generator" or (key in generators[name] and generators[name][key](value))
        if not is_known:
            raise OnarError(f"{path} says {key} {value!r} of its {name}, which this version does not know{NEWER}")
    return dict(architecture)


def read_blend_channels(metadata: Mapping[str, str], path: Path) -> int:
    """Base channels of the `TextureBlend` in a file; raises `OnarError` when it holds another network."""
    refuse_newer_export(metadata, path)
    try:
        architecture = json.loads(metadata["architecture"])
        if architecture["network"] != BLEND:
            raise ValueError
        fills, base_channels = int(architecture.get("fills", 2)), int(architecture["base_channels"])
    except (KeyError, TypeError, ValueError) as error:
        raise OnarError(f"{path} does not hold what blends fills, a {BLEND}") from error
    if fills != FILLS:
        raise OnarError(f"{path} blends {fills} fills, this version {FILLS}: train it again by onar blend")
    for key in sorted(architecture.keys() - {"network", "fills", "base_channels"}):
        raise OnarError(f"{path} says {key} of its {BLEND}, which this version does not know{NEWER}")
    return base_channels


def read_training_size(metadata: Mapping[str, str], path: Path, default: int) -> int:
    """Side in pixels of the training crops; raises `OnarError` when it is no number."""
    return _read_pixels(metadata, "training_size", path, default)


def read_step(metadata: Mapping[str, str], path: Path) -> int:
    """Side in pixels to whose multiples a generator pads photos; raises `OnarError` when it is no number."""
    return _read_pixels(metadata, "step", path, _step_of_pconv_unet(metadata))


def _read_pixels(metadata: Mapping[str, str], key: str, path: Path, default: int) -> int:
    text = metadata.get(key, str(default))
    if not text.isdecimal() or int(text) == 0:
        raise OnarError(f"{path} says {key} {text!r}, which is no number of pixels{NEWER}")
    return int(text)


def _step_of_pconv_unet(metadata: Mapping[str, str]) -> int:
    """The step by the architecture alone, which is all that files of version 1.0.0 say."""
    try:
        architecture = json.loads(metadata["architecture"])
        return max(1 << int(architecture["depth"]), 64 if architecture.get("colour_channels") else 1)
    except (AttributeError, KeyError, TypeError, ValueError):
        return 1


def is_own_onnx(path: Path) -> bool:
    """Whether the metadata of an ONNX file are those of `onar export`; the graph is skipped, be it as large as it may.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        while (key := _read_varint(file)) is not None:
            length = _read_length(file, key & 7)
            if key >> 3 != _METADATA:
                file.seek(length, SEEK_CUR)
            elif b"training_size" in file.read(min(length, _MAX_ENTRY)):
                return True
    return False


def is_public_onnx(path: Path) -> bool:
    """Whether an ONNX file is another program's; raises `OSError` as `is_own_onnx`."""
    return path.suffix.lower() == ".onnx" and not is_own_onnx(path)


def _read_length(file: BinaryIO, kind: int) -> int:
    """Bytes that are left of a field's value, by its wire type in Protocol Buffers."""
    if kind == 2:
        return _read_varint(file) or 0
    if kind == 0:
        _read_varint(file)
    return {1: 8, 5: 4}.get(kind, 0)


def _read_varint(file: BinaryIO) -> int | None:
    """A number of up to 63 bits in Protocol Buffers; None at the end of the file, and for what is none."""
    number = 0
    for shift in range(0, 63, 7):
        part = file.read(1)
        if not part:
            return None
        number |= (part[0] & 127) << shift
        if part[0] < 128:
            return number
    return None


def usual_training_size(depth: int | None) -> int:
    """Usual side in pixels of the training crops of a network of that depth: 512 for the paper's eight levels.

    >>> usual_training_size(8)
    512
    """
    return int(2 ** ((8 if depth is None else int(depth)) + 1))


def refuse_newer(version: object, path: Path) -> None:
    """Raise `OnarError` when the format of a file is above `FORMAT`, or no number."""
    if not str(version).isdecimal() or int(str(version)) > FORMAT:
        raise OnarError(
            f"{path} has format {version}, written by a newer Onar; this version reads up to {FORMAT}: "
            "pip install --upgrade onar"
        )


def refuse_newer_export(metadata: Mapping[str, str], path: Path) -> None:
    """As `refuse_newer`, of an exported file; other programs write "pt" or "np" there, which is no version."""
    if "architecture" in metadata:
        refuse_newer(metadata.get("format", FORMAT), path)
