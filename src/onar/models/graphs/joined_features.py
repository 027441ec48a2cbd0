"""`JoinedFeatures` as an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onar.models.lite_encoder import BLOCKS, MAP_AFTER, MAP_DEVIATIONS, STEM_CHANNELS, BlockShape, same_padding

if TYPE_CHECKING:
    from onar.models.graphs.graph import Graph  # which brings the package onnx


def join_features(graph: Graph, fill: str, levels: int) -> list[str]:
    """The maps of `JoinedFeatures`, whose weights are named features, finest first."""
    scaled = graph.add("Mul", graph.add("Add", fill, -127 / 255), 255 / 128)
    x = _relu6(graph, _convolve(graph, "features.encoder.stem", scaled, BlockShape(STEM_CHANNELS, 3, 2)))
    joined, channels = [], STEM_CHANNELS
    for level, (start, end) in enumerate(zip((0, *MAP_AFTER), MAP_AFTER[:levels], strict=False)):
        for place, shape in enumerate(BLOCKS[start:end]):
            x = _block(graph, f"features.encoder.stages.{level}.{place}", x, channels, shape)
            channels = shape.channels
        joined.append(graph.convolve(f"features.joins.{level}", graph.add("Mul", x, 1 / MAP_DEVIATIONS[level])))
    return joined


def _block(graph: Graph, name: str, x: str, channels: int, shape: BlockShape) -> str:
    """The graph of `InvertedResidual`."""
    hidden = _relu6(graph, graph.convolve(f"{name}.expand", x)) if shape.expansion > 1 else x
    hidden = _relu6(graph, _convolve(graph, f"{name}.depthwise", hidden, shape, group=channels * shape.expansion))
    result = graph.convolve(f"{name}.project", hidden)
    return graph.add("Add", result, x) if shape.stride == 1 and shape.channels == channels else result


def _convolve(graph: Graph, layer: str, x: str, shape: BlockShape, group: int = 1) -> str:
    """A convolution with the padding of TensorFlow's SAME."""
    left, right, top, bottom = same_padding(shape.kernel_size, shape.stride)
    window = {"kernel_shape": [shape.kernel_size] * 2, "strides": [shape.stride] * 2}
    kernel, bias = graph.weight(f"{layer}.weight"), graph.weight(f"{layer}.bias")
    return graph.add("Conv", x, kernel, bias, pads=[top, left, bottom, right], group=group, **window)


def _relu6(graph: Graph, x: str) -> str:
    return graph.add("Clip", x, 0.0, 6.0)
