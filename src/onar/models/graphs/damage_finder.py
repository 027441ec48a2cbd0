"""`DamageFinder` as an ONNX graph, with its batch norms folded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onar.models.damage_finder import CHANNELS, DILATIONS
from onar.models.graphs.graph import Array, Graph, Weights

EPS = 1e-5  # of the batch norms
IN_A_CELL = 12  # channels of 2×2 pixels


def finder_onnx(weights: Weights, metadata: Mapping[str, str], *, half: bool = False) -> bytes:
    """The network of a state dict as an ONNX file: `photo` B×3×H×W in [0, 1] -> `probabilities` B×2×H×W."""
    graph = Graph(folded(weights), half=half)
    return graph.finish({"photo": 3}, damage_finder(graph), metadata, CHANNELS, output="probabilities")


def damage_finder(graph: Graph) -> str:
    """The graph of `DamageFinder` and its sigmoid, from `photo`."""
    cells = graph.add("SpaceToDepth", graph.add("Sub", "photo", 0.5), blocksize=2)
    # SpaceToDepth orders by place, then channel; torch's pixel_unshuffle by channel, then place.
    order = np.arange(IN_A_CELL).reshape(3, 4).T.ravel()
    x = _relu(graph, graph.convolve("first", cells, order=order))
    levels = []
    for index in range(4):
        for part in range(2):
            name = f"encoder.{index}.{part}"
            if f"{name}.weight" in graph.weights:
                x = _relu(graph, graph.convolve(name, x, stride=2 if index and not part else 1))
        levels.append(x)
    x = levels.pop()
    for index, dilation in enumerate(DILATIONS):
        x = graph.add("Add", x, _relu(graph, graph.convolve(f"context.{index}", x, dilation=dilation)))
    for index in range(3):
        low = graph.enlarge(graph.convolve(f"narrow.{index}", x), "nearest")
        x = _relu(graph, graph.convolve(f"decoder.{index}", graph.add("Add", low, levels.pop())))
    logits = graph.add("DepthToSpace", graph.convolve("last", x), blocksize=2, mode="CRD")
    return graph.add("Sigmoid", logits)


def _relu(graph: Graph, x: str) -> str:
    return graph.add("Relu", x)


def folded(weights: Weights) -> dict[str, Array]:
    """The state dict with each batch norm folded into the convolution before it."""
    kept = {name: value for name, value in weights.items() if ".conv." not in name and ".norm." not in name}
    for name, kernel in weights.items():
        if not name.endswith(".conv.weight"):
            continue
        layer = name.removesuffix(".conv.weight")
        norm = {part: weights[f"{layer}.norm.{part}"] for part in ("weight", "bias", "running_mean", "running_var")}
        gain = norm["weight"] / np.sqrt(norm["running_var"] + EPS)
        kept[f"{layer}.weight"] = kernel * gain[:, None, None, None]
        kept[f"{layer}.bias"] = norm["bias"] - norm["running_mean"] * gain
    return kept
