"""Networks as ONNX files, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from onar.errors import UsageError
from onar.inference.backends import OnnxBackend
from onar.metrics.held_out import Completer
from onar.models import GENERATORS
from onar.models.graphs.graph import Graph
from onar.models.graphs.texture_blend import INPUTS, texture_blend
from onar.models.texture_blend import TextureBlend


def onnx_of(generator: nn.Module, metadata: Mapping[str, str], *, half: bool = False) -> bytes:
    """One of `GENERATORS` as an ONNX file with free batch, height and width; the architecture joins the metadata.

    Raises:
        UsageError: the generator has no graph.
        OnarError: it is too large for the format.
    """
    architecture = cast(dict[str, Any], generator.architecture)
    build = GENERATORS[architecture["generator"]].graph
    if build is None:
        raise UsageError(f"a {architecture['generator']} has no ONNX graph: its weights cannot become an .onnx file")
    graph, channels = _graph_of(generator, half), getattr(generator, "channels", 3)
    completed = build(graph, architecture, "photo", "known")
    own = {"architecture": json.dumps(architecture), "step": str(getattr(generator, "step", 1))}
    return graph.finish({"photo": channels, "known": 1}, completed, {**metadata, **own}, channels)


def onnx_of_blend(blend: TextureBlend, metadata: Mapping[str, str], *, half: bool = False) -> bytes:
    """A `TextureBlend` as an ONNX file; see `onnx_of`."""
    graph = _graph_of(blend, half)
    completed = texture_blend(graph)
    return graph.finish(INPUTS, completed, {**metadata, "architecture": json.dumps(blend.architecture)})


def _graph_of(network: nn.Module, half: bool) -> Graph:
    return Graph({name: value.cpu().numpy() for name, value in network.state_dict().items()}, half=half)


def run_onnx(path: Path) -> Completer:
    """The function of a generator's ONNX file, on the CPU."""
    backend = OnnxBackend(path, "cpu")
    return lambda photo, known: torch.from_numpy(backend.run(photo.numpy(), known.numpy()))
