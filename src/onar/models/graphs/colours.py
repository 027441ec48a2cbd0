"""`ColourUNet.correction` as an ONNX graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from onar.models.colour_unet import CELL, LEVELS, MIN_SHARE
from onar.models.graphs.pyramid import PYRAMID_LEVELS, fill_pyramid

if TYPE_CHECKING:
    from onar.models.graphs.graph import Graph  # which brings the package onnx


def correct_colours(graph: Graph, photo: str, known: str, completed: str) -> str:
    """Difference to a completed photo that moves its colours to the predicted ones; `photo` is 0 in its holes."""
    hole = graph.add("Sub", 1.0, known)
    means = _means(graph, graph.add("Add", photo, graph.add("Mul", completed, hole)), CELL)
    change = graph.add("Sub", _colour_u_net(graph, photo, known), means)
    return graph.enlarge(graph.add("Mul", change, _means(graph, hole, CELL)), "linear", CELL)


def _colour_u_net(graph: Graph, photo: str, known: str) -> str:
    """The graph of `ColourUNet`, whose weights are named colours."""
    quarter_means, share, is_known = _known_means(graph, photo, known, CELL // 2)
    quarters = graph.add("Mul", graph.add("Sub", quarter_means, 0.5), is_known)
    quarters = graph.add("SpaceToDepth", graph.add("Concat", quarters, share, axis=1), blocksize=2)
    cell_means, _, is_known = _known_means(graph, photo, known, CELL)
    fill = fill_pyramid(graph, cell_means, is_known, PYRAMID_LEVELS - int(math.log2(CELL)))
    x = graph.add("Concat", quarters, graph.add("Sub", fill, 0.5), axis=1)
    # torch lists the quarters channel by channel, ONNX the channels quarter by quarter.
    order = [*np.arange(16).reshape(4, 4).T.ravel(), 16, 17, 18]
    x = graph.convolve("colours.first", x, order=order)
    levels = []
    for index in range(LEVELS):
        x = _residual_block(graph, f"colours.encoder.{index}", x, stride=2 if index else 1)
        levels.append(x)
    x = _residual_block(graph, "colours.middle", levels.pop())
    for index in reversed(range(LEVELS - 1)):
        joined = graph.add("Concat", graph.enlarge(x, "nearest"), levels.pop(), axis=1)
        x = graph.convolve(f"colours.joins.{index}", joined)
        x = _residual_block(graph, f"colours.decoder.{index}", x)
    return graph.add("Add", fill, graph.convolve("colours.last", _gelu(graph, x)))


def _residual_block(graph: Graph, name: str, x: str, stride: int = 1) -> str:
    hidden = graph.convolve(f"{name}.first", _gelu(graph, x), stride)
    shortcut = graph.convolve(f"{name}.shortcut", x, stride) if f"{name}.shortcut.weight" in graph.weights else x
    return graph.add("Add", shortcut, graph.convolve(f"{name}.second", _gelu(graph, hidden)))


def _gelu(graph: Graph, x: str) -> str:
    """GELU, x · (1 + erf(x / √2)) / 2; the operator of that name is younger than `OPSET`."""
    share = graph.add("Add", graph.add("Erf", graph.add("Mul", x, math.sqrt(0.5))), 1.0)
    return graph.add("Mul", graph.add("Mul", x, 0.5), share)


def _known_means(graph: Graph, photo: str, known: str, side: int) -> tuple[str, str, str]:
    """Mean of the known pixels in each square, the share they are, and 1 where there are any."""
    share = _means(graph, known, side)
    mean = graph.add("Div", _means(graph, photo, side), graph.add("Max", share, MIN_SHARE))
    return mean, share, graph.add("Sign", share)


def _means(graph: Graph, x: str, side: int) -> str:
    return graph.add("AveragePool", x, kernel_shape=[side, side], strides=[side, side])
