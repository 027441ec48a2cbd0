"""The generators as ONNX graphs, built from their weights.

A graph computes exactly what its generator does in evaluation mode, in the form that costs least (docs/export.md has
the measurements): batch norm is folded into the kernels; nearest upsampling with its 3×3 convolution becomes four 2×2
convolutions of the small map, one for each phase of the output (docs/mathematics.md, "The decoder without upsampling
and without concatenation"); and a level is

    act(W x + bias · share) / share      with share = Σ / window, and 0 where share is 0

which equals act(W x / share + bias), because ReLU and LeakyReLU commute with positive factors, and is 0 in holes by
itself. Height, width and batch are free: padding, cropping and the sizes in the pyramid are part of the graph.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from onar.inference.colour_graph import correct_colours
from onar.inference.onnx_graph import NEAREST, Array, Graph, Weights
from onar.inference.pyramid_graph import fill_pyramid, fill_unreached
from onar.weights.files import channels_of
from onar.weights.numbers import padding_step

BATCH_NORM_EPSILON = 1e-5  # the default of torch
UPSAMPLING_PHASES = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
"""Even and odd rows (or columns): which taps of a 3-tap kernel fall on the first and on the second source pixel."""


def build_model(
    architecture: Mapping[str, Any], weights: Weights, metadata: Mapping[str, str], *, compact: bool = False
) -> bytes:
    """Build the model (photo, known) -> completed of a generator in `GRAPHS`, as the bytes of an ONNX file.

    Args:
        architecture: the generator's, as it travels with the weights.
        weights: the generator's state dict, as float arrays.
        metadata: what travels in the file beside the architecture.
        compact: see `Graph`; not for files that are quantised, which takes kernels that are there.

    Returns:
        A model of float32 tensors, NCHW in [0, 1], with any batch, height and width. `photo` may hold anything in
        its holes.

    Raises:
        OnarError: the network is too large for the format.
    """
    graph = Graph(compact=compact)
    completed = GRAPHS[architecture["generator"]](graph, weights, architecture, "photo", "known")
    channels = channels_of(architecture)
    inputs = {"photo": channels, "known": 1}
    return graph.finish(inputs, completed, {"architecture": json.dumps(architecture), **metadata}, channels)


def pconv_unet(graph: Graph, weights: Weights, architecture: Mapping[str, Any], photo: str, known: str) -> str:
    """The graph of `PConvUNet`."""
    depth = architecture["depth"]
    colours = architecture.get("colour_channels")
    size = graph.add("Shape", known, start=2)
    missing = graph.add("Mod", graph.add("Neg", size), [padding_step(depth, bool(colours))])
    padding = graph.add("Concat", [0] * 6, missing, axis=0)
    known = graph.add("Pad", known, padding)
    photo = graph.hide_holes(graph.add("Pad", photo, padding), known)
    completed = _complete(graph, weights, architecture, photo, known)
    if colours:
        completed = graph.add("Add", completed, correct_colours(graph, weights, photo, known, completed))
    return graph.cut(graph.add("Clip", completed, 0.0, 1.0), size)


def _complete(graph: Graph, weights: Weights, architecture: Mapping[str, Any], photo: str, known: str) -> str:
    """What the U-Net makes of a photo that is 0 in its holes; it may go beyond [0, 1]."""
    depth = architecture["depth"]
    if architecture.get("normalised"):
        return _complete_normalised(graph, weights, depth, photo, known)
    decoded = _u_net(graph, weights, depth, photo, known)
    if architecture["base_fill"] == "none":
        return graph.add("Sigmoid", decoded)
    fill = fill_pyramid(graph, photo, known)
    hidden = graph.convolve(weights, "head.0", graph.add("Concat", decoded, fill, known, axis=1))
    correction = graph.convolve(weights, "head.2", graph.add("LeakyRelu", hidden, alpha=0.2))
    if window := architecture.get("correction_window"):
        correction = graph.add("Mul", correction, _hole_share(graph, known, window))
    return graph.add("Add", fill, correction)


def _complete_normalised(graph: Graph, weights: Weights, depth: int, photo: str, known: str) -> str:
    """What the U-Net answers in the numbers in which it sees colours, as colours again."""
    mean, std = (weights[f"colour_{name}"][:, None, None] for name in ("mean", "std"))
    seen = graph.add("Mul", graph.add("Div", graph.add("Sub", photo, mean), std), known)
    answer = _u_net(graph, weights, depth, seen, known, fills=False)
    return graph.add("Add", graph.add("Mul", answer, std), mean)


def _u_net(graph: Graph, weights: Weights, depth: int, photo: str, known: str, *, fills: bool = True) -> str:
    """Encoder and decoder: photo (0 in its holes) and known in, the last level's output out, at the same size.

    With `fills`, cells between the two that nothing known reaches are filled.
    """
    skips = [(photo, known)]
    for index in range(depth):
        skips.append(_encoder_level(graph, *_fold(weights, f"encoder.{index}"), *skips[-1]))
    low, channels = skips.pop(), len(weights[f"encoder.{depth - 1}.conv.weight"])
    if fills:
        low = fill_unreached(graph, *low, known, depth)
    for index in range(depth):
        kernel, bias = _fold(weights, f"decoder.{index}")
        kernels = kernel[:, :channels], kernel[:, channels:]
        low = _decoder_level(graph, kernels, bias, low, skips.pop(), slope=0.2 if index < depth - 1 else 1.0)
        channels = len(kernel)
    return low[0]


def _fold(weights: Weights, level: str) -> tuple[Array, Array]:
    """Kernel and bias of a level with its batch norm, which follows the ratio just as a bias does."""
    kernel = weights[f"{level}.conv.weight"]
    if f"{level}.norm.weight" not in weights:
        return kernel, weights[f"{level}.conv.bias"]
    scale = weights[f"{level}.norm.weight"] / np.sqrt(weights[f"{level}.norm.running_var"] + BATCH_NORM_EPSILON)
    shift = weights[f"{level}.norm.bias"] - weights[f"{level}.norm.running_mean"] * scale
    return kernel * scale[:, None, None, None], shift


def _encoder_level(graph: Graph, kernel: Array, bias: Array, x: str, known: str) -> tuple[str, str]:
    size = kernel.shape[-1]
    window = {"kernel_shape": [size, size], "pads": [size // 2] * 4, "strides": [2, 2]}
    share = graph.add("AveragePool", known, count_include_pad=1, **window)
    return _finish_level(graph, graph.add("Conv", x, kernel, **window), share, bias, slope=0.0)


def _decoder_level(
    graph: Graph, kernels: tuple[Array, Array], bias: Array, low: tuple[str, str], skip: tuple[str, str], slope: float
) -> tuple[str, str]:
    """Convolve concat[up(low), skip], both given with their known maps, with the two parts of the level's kernel."""
    window = {"kernel_shape": [3, 3], "pads": [1] * 4}
    parts = _convolve_upsampled(graph, low[0], kernels[0]), graph.add("Conv", skip[0], kernels[1], **window)
    channels = sum(kernel.shape[1] for kernel in kernels)
    shares = [
        graph.add("Mul", graph.add("AveragePool", known, count_include_pad=1, **window), kernel.shape[1] / channels)
        for known, kernel in zip((graph.enlarge(low[1], NEAREST), skip[1]), kernels, strict=True)
    ]
    return _finish_level(graph, graph.add("Add", *parts), graph.add("Add", *shares), bias, slope)


def _convolve_upsampled(graph: Graph, low: str, kernel: Array) -> str:
    """A 3×3 convolution of nearest-upsampled `low`: a 2×2 convolution of `low` for each phase, interleaved."""
    phases, flat = [], kernel.reshape(-1, 9)
    shape = (*kernel.shape[:2], 2, 2)
    named = graph.constant(flat) if graph.compact else ""
    for top, rows in enumerate(UPSAMPLING_PHASES):
        for left, columns in enumerate(UPSAMPLING_PHASES):
            sums = np.kron(rows, columns).T.astype(kernel.dtype)
            taps = (
                graph.add("Reshape", graph.add("MatMul", named, sums), shape) if named else (flat @ sums).reshape(shape)
            )
            phases.append(graph.add("Conv", low, taps, kernel_shape=[2, 2], pads=[1 - top, 1 - left, top, left]))
    return graph.add("DepthToSpace", graph.add("Concat", *phases, axis=1), blocksize=2, mode="DCR")


def _finish_level(graph: Graph, y: str, share: str, bias: Array, slope: float) -> tuple[str, str]:
    """Bias, activation and ratio.

    Args:
        graph: grows.
        y: B×C×H×W, a convolution of known pixels, without bias.
        share: B×1×H×W, known values under each window as a share of all.
        bias: C values.
        slope: of the activation below 0: 0 for ReLU, 1 for none.

    Returns:
        The level's output, 0 in its holes, and its known map.
    """
    y = graph.add("Add", y, graph.add("Mul", share, bias[:, None, None]))
    y = graph.add("LeakyRelu", y, alpha=slope)
    known = graph.add("Sign", share)
    return graph.add("Mul", y, graph.add("Div", known, graph.add("Max", share, 1e-6))), known


def _hole_share(graph: Graph, known: str, window: int) -> str:
    """Share of holes in a square window round each pixel; outside the photo is a hole."""
    row = {"kernel_shape": [1, window], "pads": [0, window // 2] * 2, "count_include_pad": 1}
    column = {"kernel_shape": [window, 1], "pads": [window // 2, 0] * 2, "count_include_pad": 1}
    return graph.add("Sub", 1.0, graph.add("AveragePool", graph.add("AveragePool", known, **row), **column))


def pyramid_fill(graph: Graph, weights: Weights, architecture: Mapping[str, Any], photo: str, known: str) -> str:
    """The graph of `PyramidFill`, which has no weights."""
    return fill_pyramid(graph, graph.hide_holes(photo, known), known)


GRAPHS: dict[str, Callable[[Graph, Weights, Mapping[str, Any], str, str], str]] = {
    "PConvUNet": pconv_unet,
    "PyramidFill": pyramid_fill,
}
"""How the graph of each generator that can be exported is built."""
