"""`PConvUNet` as an ONNX graph.

It computes what the network does in evaluation mode, in the form that costs least (docs/export.md has the
measurements): batch norm is folded into the kernels; nearest upsampling with its 3×3 convolution becomes four 2×2
convolutions of the small map, one for each phase of the output (docs/mathematics.md, "The decoder without upsampling
and without concatenation"); and a level is

    act(W x + bias · share) / share      with share = Σ / window, and 0 where share is 0

which equals act(W x / share + bias), because ReLU and LeakyReLU commute with positive factors, and is 0 in holes by
itself. Height, width and batch are free: padding, cropping and the sizes in the pyramid are part of the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from onar.models.graphs.colours import correct_colours
from onar.models.graphs.joined_features import join_features
from onar.models.graphs.pyramid import fill_pyramid, fill_unreached
from onar.models.wrapping import padding_step

if TYPE_CHECKING:
    from onar.models.graphs.graph import Graph  # which brings the package onnx

BATCH_NORM_EPSILON = 1e-5  # the default of torch
UPSAMPLING_PHASES = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], np.float32)
"""Even and odd rows (or columns): which taps of a 3-tap kernel fall on the first and on the second source pixel."""


def pconv_unet(graph: Graph, architecture: Mapping[str, Any], photo: str, known: str) -> str:
    """The graph of `PConvUNet`."""
    colours = architecture.get("colour_channels")
    size = graph.add("Shape", known, start=2)
    missing = graph.add("Mod", graph.add("Neg", size), [padding_step(architecture["depth"], bool(colours))])
    padding = graph.add("Concat", [0] * 6, missing, axis=0)
    known = graph.add("Pad", known, padding)
    photo = graph.hide_holes(graph.add("Pad", photo, padding), known)
    completed = _complete(graph, architecture, photo, known)
    if colours:
        completed = graph.add("Add", completed, correct_colours(graph, photo, known, completed))
    return graph.crop(graph.add("Clip", completed, 0.0, 1.0), size)


def _complete(graph: Graph, architecture: Mapping[str, Any], photo: str, known: str) -> str:
    """Complete a photo that is 0 in its holes; the result may exceed [0, 1]."""
    depth = architecture["depth"]
    if architecture.get("normalised"):
        return _complete_normalised(graph, depth, photo, known)
    if architecture["base_fill"] == "none":
        return graph.add("Sigmoid", _u_net(graph, depth, photo, known))
    fill = fill_pyramid(graph, photo, known)
    features = join_features(graph, fill, depth - 1) if architecture.get("pretrained_features") else []
    decoded = _u_net(graph, depth, photo, known, features=features)
    hidden = graph.convolve("head.0", graph.add("Concat", decoded, fill, known, axis=1))
    correction = graph.convolve("head.2", graph.add("LeakyRelu", hidden, alpha=0.2))
    if window := architecture.get("correction_window"):
        correction = graph.add("Mul", correction, _hole_share(graph, known, window))
    return graph.add("Add", fill, correction)


def _complete_normalised(graph: Graph, depth: int, photo: str, known: str) -> str:
    """Normalise the photo, complete it, and undo the normalisation."""
    mean, std = (graph.add("Reshape", graph.weight(f"colour_{name}"), [-1, 1, 1]) for name in ("mean", "std"))
    normalised = graph.add("Mul", graph.add("Div", graph.add("Sub", photo, mean), std), known)
    decoded = _u_net(graph, depth, normalised, known, fills=False)
    return graph.add("Add", graph.add("Mul", decoded, std), mean)


def _u_net(
    graph: Graph, depth: int, photo: str, known: str, *, fills: bool = True, features: Sequence[str] = ()
) -> str:
    """Encoder and decoder: photo (0 in its holes) and known in, the last level's output out, at the same size.

    With `fills`, unreached cells of the innermost map are filled; `features` are those of `JoinedFeatures`.
    """
    skips = [(photo, known)]
    for index in range(depth):
        skips.append(_encoder_level(graph, f"encoder.{index}", *skips[-1]))
    low, channels = skips.pop(), len(graph.weights[f"encoder.{depth - 1}.conv.weight"])
    if fills:
        low = fill_unreached(graph, *low, known, depth)
    for index in range(depth):
        slope = 0.2 if index < depth - 1 else 1.0
        x, is_known = _decoder_level(graph, f"decoder.{index}", channels, low, skips.pop(), slope)
        if 0 < len(skips) <= len(features):
            x = graph.add("Add", x, graph.add("Mul", features[len(skips) - 1], is_known))
        low = x, is_known
        channels = len(graph.weights[f"decoder.{index}.conv.weight"])
    return low[0]


def _fold(graph: Graph, level: str) -> tuple[str, str]:
    """Kernel and bias, C×1×1, of a level with its batch norm, which follows the ratio just as a bias does."""
    kernel = graph.weight(f"{level}.conv.weight")
    if f"{level}.norm.weight" not in graph.weights:
        return kernel, graph.add("Reshape", graph.weight(f"{level}.conv.bias"), [-1, 1, 1])
    weight, bias, mean, variance = (
        graph.weight(f"{level}.norm.{name}") for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = graph.add("Div", weight, graph.add("Sqrt", graph.add("Add", variance, BATCH_NORM_EPSILON)))
    shift = graph.add("Sub", bias, graph.add("Mul", mean, scale))
    kernel = graph.add("Mul", kernel, graph.add("Reshape", scale, [-1, 1, 1, 1]))
    return kernel, graph.add("Reshape", shift, [-1, 1, 1])


def _encoder_level(graph: Graph, level: str, x: str, known: str) -> tuple[str, str]:
    kernel, bias = _fold(graph, level)
    size = graph.weights[f"{level}.conv.weight"].shape[-1]
    window = {"kernel_shape": [size, size], "pads": [size // 2] * 4, "strides": [2, 2]}
    share = graph.add("AveragePool", known, count_include_pad=1, **window)
    return _finish_level(graph, graph.add("Conv", x, kernel, **window), share, bias, slope=0.0)


def _decoder_level(
    graph: Graph, level: str, low_channels: int, low: tuple[str, str], skip: tuple[str, str], slope: float
) -> tuple[str, str]:
    """Convolve concat[up(low), skip], both given with their known maps, with the two parts of the level's kernel."""
    kernel, bias = _fold(graph, level)
    out_channels, channels = graph.weights[f"{level}.conv.weight"].shape[:2]
    low_kernel = graph.add("Slice", kernel, [0], [low_channels], [1])
    skip_kernel = graph.add("Slice", kernel, [low_channels], [channels], [1])
    window = {"kernel_shape": [3, 3], "pads": [1] * 4}
    upsampled = _convolve_upsampled(graph, low[0], low_kernel, (out_channels, low_channels))
    y = graph.add("Add", upsampled, graph.add("Conv", skip[0], skip_kernel, **window))
    shares = [
        graph.add("Mul", graph.add("AveragePool", known, count_include_pad=1, **window), count / channels)
        for known, count in ((graph.enlarge(low[1], "nearest"), low_channels), (skip[1], channels - low_channels))
    ]
    return _finish_level(graph, y, graph.add("Add", *shares), bias, slope)


def _convolve_upsampled(graph: Graph, low: str, kernel: str, shape: tuple[int, int]) -> str:
    """A 3×3 convolution of nearest-upsampled `low`: a 2×2 convolution of `low` for each phase, interleaved.

    The kernel's `shape` is its numbers of channels.
    """
    phases, taps = [], graph.add("Reshape", kernel, [-1, 9])
    for top, rows in enumerate(UPSAMPLING_PHASES):
        for left, columns in enumerate(UPSAMPLING_PHASES):
            sums = graph.add("Reshape", graph.add("MatMul", taps, np.kron(rows, columns).T), [*shape, 2, 2])
            phases.append(graph.add("Conv", low, sums, kernel_shape=[2, 2], pads=[1 - top, 1 - left, top, left]))
    return graph.add("DepthToSpace", graph.add("Concat", *phases, axis=1), blocksize=2, mode="DCR")


def _finish_level(graph: Graph, y: str, share: str, bias: str, slope: float) -> tuple[str, str]:
    """Bias, activation and ratio.

    Args:
        graph: grows.
        y: B×C×H×W, a convolution of known pixels, without bias.
        share: B×1×H×W, known values under each window as a share of all.
        bias: C×1×1.
        slope: of the activation below 0: 0 for ReLU, 1 for none.

    Returns:
        The level's output, 0 in its holes, and its known map.
    """
    y = graph.add("Add", y, graph.add("Mul", share, bias))
    y = graph.add("LeakyRelu", y, alpha=slope)
    known = graph.add("Sign", share)
    return graph.add("Mul", y, graph.add("Div", known, graph.add("Max", share, 1e-6))), known


def _hole_share(graph: Graph, known: str, window: int) -> str:
    """Share of holes in a square window around each pixel; outside the photo is a hole."""
    row = {"kernel_shape": [1, window], "pads": [0, window // 2] * 2, "count_include_pad": 1}
    column = {"kernel_shape": [window, 1], "pads": [window // 2, 0] * 2, "count_include_pad": 1}
    return graph.add("Sub", 1.0, graph.add("AveragePool", graph.add("AveragePool", known, **row), **column))
