"""A generator as an ONNX file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from onar.inference.backends import OnnxBackend
from onar.inference.generator_graphs import build_model
from onar.metrics.held_out import Completer


def onnx_of(generator: nn.Module, metadata: dict[str, str], *, compact: bool = False) -> bytes:
    """A generator in `generator_graphs.GRAPHS` and metadata as an ONNX file; `compact` as in `onnx_graph.Graph`.

    Raises:
        OnarError: the network is too large for the format.
    """
    weights = {name: value.cpu().numpy() for name, value in generator.state_dict().items()}
    return build_model(cast(dict[str, Any], generator.architecture), weights, metadata, compact=compact)


def run_onnx(path: Path) -> Completer:
    """What an ONNX file of a generator computes, on the CPU."""
    backend = OnnxBackend(path, "cpu")
    return lambda photo, known: torch.from_numpy(backend.run(photo.numpy(), known.numpy()))
