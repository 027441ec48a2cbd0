"""Tensors and metadata of exported files, `.safetensors` and `.onnx`, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from onar.errors import OnarError
from onar.weights.metadata import NEWER

Arrays = dict[str, NDArray[Any]]
"""A state dict as arrays; floating-point numbers are float32, however the file stores them."""

CONSTANT = "constant_"  # names of the constants in an ONNX file that are no weights begin with it


def read_safetensors(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Tensors and metadata of a safetensors file; raises `OnarError` when it is missing or damaged."""
    try:
        with safe_open(path, framework="np") as file:
            tensors = {key: _widen(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except OSError as error:
        raise OnarError(f"cannot read {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise OnarError(f"{path} is damaged or not a safetensors file: {error}") from error
    except TypeError as error:  # numpy has neither bfloat16 nor 8-bit floats, or has them of the package ml_dtypes
        raise OnarError(
            f"{path} holds numbers of a type that cannot be read here: save it in float16 or float32"
        ) from error


def read_onnx(path: Path) -> tuple[Arrays, dict[str, str]]:
    """Weights and metadata of an ONNX file that `onar export` wrote.

    Raises:
        OnarError: it is missing or damaged, or holds folded weights alone, as those of Onar 1.0.0 and with `--int8`.
    """
    import onnx  # here, because other files need none of its 31 MB
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise OnarError(f"cannot read {path}: {error.strerror or error}") from error
    except DecodeError as error:
        raise OnarError(f"{path} is damaged or not an ONNX file") from error
    weights = [tensor for tensor in model.graph.initializer if not tensor.name.startswith(CONSTANT)]
    are_folded = not weights and any(node.op_type == "Conv" for node in model.graph.node)
    if are_folded or any(tensor.name.endswith("_quantized") for tensor in weights):
        raise OnarError(f"{path} holds no weights that can be read back: take those that it was exported from")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return {tensor.name: _widen(onnx.numpy_helper.to_array(tensor)) for tensor in weights}, metadata


def refuse_misfit(path: Path, name: str, found: Mapping[str, object], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `OnarError` about what does not fit a network: names with shapes, or what there is instead of a tensor."""
    for key in sorted(expected.keys() ^ found.keys(), key=str):
        reason = f"no {key}" if key in expected else f"unknown {key}{NEWER}"
        raise OnarError(f"{path} does not fit {name}: {reason}")
    for key, shape in found.items():
        if shape != expected[key]:
            raise OnarError(f"{path} does not fit {name}: {key} is {shape}, not {expected[key]}")


def _widen(value: NDArray[Any]) -> NDArray[Any]:
    if value.dtype.kind not in "fiub":
        raise TypeError
    return value.astype(np.float32) if value.dtype.kind == "f" else value
