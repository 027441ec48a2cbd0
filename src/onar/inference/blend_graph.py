"""`TextureBlend` as an ONNX graph, built from its weights: what it computes, step by step."""

from __future__ import annotations

from itertools import pairwise

from onar.inference.onnx_graph import LINEAR, Graph, Weights
from onar.weights.numbers import BANDS, OWN_SHARE

HALVED = {"kernel_shape": [2, 2], "strides": [2, 2]}


def build_blend(weights: Weights) -> bytes:
    """Build the model (led, copied, coarse, known) -> completed of a `TextureBlend`, as the bytes of an ONNX file.

    Args:
        weights: its state dict, as float arrays.

    Returns:
        A model of float32 tensors, NCHW in [0, 1], with any batch, and height and width that are multiples of 16.
    """
    graph = Graph()
    differences = [graph.add("Sub", fill, "copied") for fill in ("led", "coarse")]
    heads = _heads(graph, weights, _describe(graph, differences))
    fills = [_bands(graph, fill) for fill in ("led", "coarse", "copied")]
    total = ""
    for *parts, head in reversed(list(zip(*fills, heads, strict=True))):
        band = _mix(graph, parts, graph.add("Slice", head, [0], [2], [1]))
        if total:
            gain = graph.add("Mul", graph.add("Sigmoid", graph.add("Slice", head, [2], [3], [1])), 2.0)
            band = graph.add("Mul", gain, band)
        band = graph.add("Add", band, graph.add("Mul", graph.add("Slice", head, [3], [6], [1]), OWN_SHARE))
        total = graph.add("Add", graph.enlarge(total, LINEAR), band) if total else band
    return graph.finish({"led": 3, "copied": 3, "coarse": 3, "known": 1}, total, {})


def _mix(graph: Graph, parts: list[str], logits: str) -> str:
    """The sum of the parts by their weights; the last one's logit is 0, the others' are B×2×h×w."""
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
    depth = graph.enlarge(near_and_far, LINEAR, 8)
    fills = (graph.add("Sub", fill, 0.5) for fill in ("led", "copied", "coarse"))
    return graph.add("Concat", *fills, *apart, hole, depth, axis=1)


def _heads(graph: Graph, weights: Weights, described: str) -> list[str]:
    """What the U-Net says for each band, fine to coarse: B×6×h×w."""

    def layer(name: str, x: str, stride: int = 1) -> str:
        return graph.add("LeakyRelu", graph.convolve(weights, f"{name}.0", x, stride), alpha=0.1)

    depth = sum(name.startswith("heads.") for name in weights) // 2
    # SpaceToDepth puts the place before the channel, torch's pixel_unshuffle the channel before the place.
    first = weights["encoder.0.0.weight"]
    reordered = first.reshape(len(first), -1, 4, 3, 3).swapaxes(1, 2).reshape(first.shape)
    weights = weights | {"encoder.0.0.weight": reordered}
    levels = [layer("encoder.0", graph.add("SpaceToDepth", described, blocksize=2))]
    for index in range(1, depth):
        levels.append(layer(f"encoder.{index}.1", layer(f"encoder.{index}.0", levels[-1], stride=2)))
    decoded = [levels[-1]]
    for index in reversed(range(depth - 1)):
        both = graph.add("Concat", graph.enlarge(decoded[-1], LINEAR), levels[index], axis=1)
        decoded.append(layer(f"decoder.{index}", both))
    heads = [graph.convolve(weights, f"heads.{index}", level) for index, level in enumerate(reversed(decoded))]
    fine = graph.convolve(weights, "fine.1", layer("fine.0", decoded[-1]))
    return [graph.add("DepthToSpace", fine, blocksize=2, mode="CRD"), *heads]


def _bands(graph: Graph, image: str) -> list[str]:
    """See `onar.models.texture_blend.bands`."""
    sizes = [image]
    for _ in range(BANDS - 1):
        sizes.append(graph.add("AveragePool", sizes[-1], **HALVED))
    return [*(graph.add("Sub", one, graph.enlarge(two, LINEAR)) for one, two in pairwise(sizes)), sizes[-1]]
