"""`models.pyramid_fill` as ONNX graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from onar.fills.pyramid import SMOOTHING_STEPS
from onar.models.pyramid_fill import SOURCE_SHARE

if TYPE_CHECKING:
    from onar.models.graphs.graph import Graph  # which brings the package onnx

PYRAMID_LEVELS = 14  # for sides of up to 16,384 pixels; once a level is one pixel, further ones change nothing


def fill_pyramid(
    graph: Graph, photo: str, known: str, count: int = PYRAMID_LEVELS, smoothing_steps: int = SMOOTHING_STEPS
) -> str:
    """`models.pyramid_fill` with a fixed number of levels; `photo` is 0 in its holes."""
    levels = [(photo, known)]
    for _ in range(count):
        levels.append(_halve(graph, *levels[-1]))
    photo, known = levels.pop()
    filled = graph.add("Add", photo, graph.add("Mul", graph.add("Sub", 1.0, known), 0.5))
    for photo, known in reversed(levels):
        hole = graph.add("Sub", 1.0, known)
        filled = graph.crop(graph.enlarge(filled, "linear"), graph.add("Shape", known, start=2))
        filled = graph.add("Add", photo, graph.add("Mul", hole, filled))
        for _ in range(smoothing_steps):
            filled = graph.add("Add", photo, graph.add("Mul", hole, _neighbours(graph, filled)))
    return filled


def pyramid_fill(graph: Graph, architecture: Mapping[str, Any], photo: str, known: str) -> str:
    """The graph of `PyramidFill`."""
    return fill_pyramid(graph, graph.hide_holes(photo, known), known)


def fill_unreached(graph: Graph, x: str, known: str, known_pixels: str, depth: int) -> tuple[str, str]:
    """`models.pyramid_fill.fill_unreached` for the innermost map of a network of that depth."""
    side = 1 << depth
    share = graph.add("AveragePool", known_pixels, kernel_shape=[side, side], strides=[side, side])
    share = graph.add("AveragePool", share, kernel_shape=[2, 2], pads=[1, 1, 0, 0], count_include_pad=1)
    largest = graph.add("GlobalMaxPool", share)
    sources = graph.add("Sign", graph.add("Relu", graph.add("Sub", share, graph.add("Mul", largest, SOURCE_SHARE))))
    levels = max(0, PYRAMID_LEVELS - depth)
    filled = fill_pyramid(graph, graph.add("Mul", x, sources), sources, levels, smoothing_steps=0)
    anything = graph.add("Sign", largest)
    hole = graph.add("Mul", graph.add("Sub", 1.0, known), anything)
    return graph.add("Add", x, graph.add("Mul", hole, filled)), graph.add("Max", known, anything)


def _halve(graph: Graph, photo: str, known: str) -> tuple[str, str]:
    """Average the known pixels of each 2×2 block; at an odd edge the blocks are smaller, which the ratio undoes."""
    blocks = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}
    share = graph.add("AveragePool", known, **blocks)
    mean = graph.add("Div", graph.add("AveragePool", photo, **blocks), graph.add("Max", share, 0.25))
    return mean, graph.add("Sign", share)


def _neighbours(graph: Graph, x: str) -> str:
    """Weighted mean of the eight neighbours, weights 1 2 1 / 2 0 2 / 1 2 1 over 12, edges replicated.

    Two 2×2 means one after the other weigh 1 2 1 / 2 4 2 / 1 2 1 over 16.
    """
    blurred = graph.add("Pad", x, [0, 0, 1, 1, 0, 0, 1, 1], mode="edge")
    for _ in range(2):
        blurred = graph.add("AveragePool", blurred, kernel_shape=[2, 2])
    return graph.add("Sub", graph.add("Mul", blurred, 4 / 3), graph.add("Mul", x, 1 / 3))
