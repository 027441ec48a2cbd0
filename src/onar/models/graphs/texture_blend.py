"""`TextureBlend` as an ONNX graph."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from onar.models.texture_blend import BANDS, INPUT_CHANNELS, RESIDUAL_SCALE

if TYPE_CHECKING:
    from onar.models.graphs.graph import Graph  # which brings the package onnx

HALVED = {"kernel_shape": [2, 2], "strides": [2, 2]}


INPUTS = {"network": 3, "patches": 3, "coarse_patches": 3, "known": 1}  # names and channels of the graph's inputs


def texture_blend(graph: Graph) -> str:
    """The graph of `TextureBlend`, `INPUTS` -> blended; height and width are multiples of 16."""
    differences = [graph.add("Sub", fill, "patches") for fill in ("network", "coarse_patches")]
    heads = _heads(graph, _describe(graph, differences))
    fills = [_bands(graph, fill) for fill in ("network", "coarse_patches", "patches")]
    total = ""
    for *parts, head in reversed(list(zip(*fills, heads, strict=True))):
        band = _mix(graph, parts, graph.add("Slice", head, [0], [2], [1]))
        if total:
            gain = graph.add("Mul", graph.add("Sigmoid", graph.add("Slice", head, [2], [3], [1])), 2.0)
            band = graph.add("Mul", gain, band)
        band = graph.add("Add", band, graph.add("Mul", graph.add("Slice", head, [3], [6], [1]), RESIDUAL_SCALE))
        total = graph.add("Add", graph.enlarge(total, "linear"), band) if total else band
    return total


def _mix(graph: Graph, parts: list[str], logits: str) -> str:
    """Weighted sum of the parts; the last one's logit is 0, the others' are B×2×h×w."""
    weights = graph.add("Softmax", graph.add("Pad", logits, [0, 0, 0, 0, 0, 1, 0, 0]), axis=1)
    shares = [
        graph.add("Mul", graph.add("Slice", weights, [index], [index + 1], [1]), part)
        for index, part in enumerate(parts)
    ]
    return graph.add("Sum", *shares)


def _describe(graph: Graph, differences: list[str]) -> str:
    """See `onar.models.texture_blend.describe`."""
    hole = graph.add("Sub", 1.0, "known")
    apart = [
        graph.add("Mul", graph.add("ReduceMean", graph.add("Abs", one), [1], keepdims=1), 2.0) for one in differences
    ]
    shares = [graph.add("AveragePool", hole, kernel_shape=[8, 8], strides=[8, 8])]
    for _ in range(4):
        shares.append(graph.add("AveragePool", shares[-1], kernel_shape=[5, 5], pads=[2] * 4))
    near_and_far = graph.add("Concat", shares[1], shares[4], axis=1)
    depth = graph.enlarge(near_and_far, "linear", 8)
    fills = (graph.add("Sub", fill, 0.5) for fill in ("network", "patches", "coarse_patches"))
    return graph.add("Concat", *fills, *apart, hole, depth, axis=1)


def _heads(graph: Graph, described: str) -> list[str]:
    """Weights, gain and residual of each band, fine to coarse: B×6×h×w."""

    def layer(name: str, x: str, stride: int = 1) -> str:
        return graph.add("LeakyRelu", graph.convolve(f"{name}.0", x, stride), alpha=0.1)

    depth = sum(name.startswith("heads.") for name in graph.weights) // 2
    # SpaceToDepth orders by place, then channel; torch's pixel_unshuffle by channel, then place.
    order = np.arange(4 * INPUT_CHANNELS).reshape(INPUT_CHANNELS, 4).T.ravel()
    first = graph.convolve("encoder.0.0", graph.add("SpaceToDepth", described, blocksize=2), order=order)
    levels = [graph.add("LeakyRelu", first, alpha=0.1)]
    for index in range(1, depth):
        levels.append(layer(f"encoder.{index}.1", layer(f"encoder.{index}.0", levels[-1], stride=2)))
    decoded = [levels[-1]]
    for index in reversed(range(depth - 1)):
        both = graph.add("Concat", graph.enlarge(decoded[-1], "linear"), levels[index], axis=1)
        decoded.append(layer(f"decoder.{index}", both))
    heads = [graph.convolve(f"heads.{index}", level) for index, level in enumerate(reversed(decoded))]
    fine = graph.convolve("fine.1", layer("fine.0", decoded[-1]))
    return [graph.add("DepthToSpace", fine, blocksize=2, mode="CRD"), *heads]


def _bands(graph: Graph, image: str) -> list[str]:
    """See `onar.models.texture_blend.bands`."""
    sizes = [image]
    for _ in range(BANDS - 1):
        sizes.append(graph.add("AveragePool", sizes[-1], **HALVED))
    return [*(graph.add("Sub", one, graph.enlarge(two, "linear")) for one, two in pairwise(sizes)), sizes[-1]]
