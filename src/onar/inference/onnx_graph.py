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
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onar.array_fill import SMOOTHING_STEPS
from onar.errors import OnarError
from onar.inference import onnx_messages as messages
from onar.network_numbers import CELL, COLOUR_LEVELS, COLOUR_MULTIPLE, LEAST_SHARE

OPSET = 18
MOST_BYTES = 2**31 - 2**20  # of constants: Protocol Buffers end at 2 GB, and nodes take far less than 1 MB
IR_VERSION = 10  # of the file format; ONNX Runtime reads it from version 1.18
PYRAMID_LEVELS = 14  # for sides of up to 16,384 pixels; once a level is one pixel, further ones change nothing
BATCH_NORM_EPSILON = 1e-5  # the default of torch
UPSAMPLING_PHASES = np.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
"""Even and odd rows (or columns): which taps of a 3-tap kernel fall on the first and on the second source pixel."""
NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
LINEAR = {"mode": "linear"}

Array: TypeAlias = NDArray[np.float32]
Weights: TypeAlias = dict[str, Array]


class Graph:
    """Nodes and constants of a growing graph; a value is its name.

    Args:
        compact: constants that follow from smaller ones are left to whoever loads the file.
    """

    def __init__(self, *, compact: bool = False) -> None:
        self.compact = compact
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operator: str, *inputs: str | ArrayLike, **attributes: Any) -> str:
        """Add a node and return its output; inputs that are no names become constants, in float32 or int64."""
        names = [value if isinstance(value, str) else self.constant(np.asarray(value)) for value in inputs]
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(messages.node(operator, names, output, attributes))
        return output

    def finish(self, inputs: Mapping[str, int], completed: str, metadata: Mapping[str, str]) -> bytes:
        """The whole graph as the bytes of an ONNX file.

        Args:
            inputs: channels of each input by name.
            completed: the value to give out under that name, an image of three channels.
            metadata: what travels in the file.

        Raises:
            OnarError: the network is too large for the format.
        """
        if sum(len(constant.raw_data) for constant in self.constants) > MOST_BYTES:
            raise OnarError("the network is too large for an ONNX file, which holds 2 GB")
        model = messages.model(
            "completed",
            nodes=[*self.nodes, messages.node("Identity", [completed], "completed", {})],
            constants=self.constants,
            inputs=[messages.image_value(name, channels) for name, channels in inputs.items()],
            outputs=[messages.image_value("completed", 3)],
            metadata=metadata,
            opset=OPSET,
            ir_version=IR_VERSION,
        )
        content: bytes = model.SerializeToString()
        return content

    def convolve(self, weights: Weights, layer: str, x: str, stride: int = 1) -> str:
        """A 3×3 or 1×1 convolution with bias, by the names of its weights in the state dict."""
        kernel = weights[f"{layer}.weight"]
        side = kernel.shape[-1]
        window = {"kernel_shape": [side, side], "pads": [side // 2] * 4, "strides": [stride, stride]}
        return self.add("Conv", x, kernel, weights[f"{layer}.bias"], **window)

    def enlarge(self, x: str, interpolation: Mapping[str, str], factor: int = 2) -> str:
        """So many times the height and width."""
        return self.add("Resize", x, "", [1.0, 1.0, float(factor), float(factor)], **interpolation)

    def constant(self, value: NDArray[Any]) -> str:
        """A constant in float32 or int64."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(messages.tensor(name, value))
        return name


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
        A model of float32 tensors, NCHW in [0, 1], with any batch, height and width. `photo` may hold anything finite
        in its holes.

    Raises:
        OnarError: the network is too large for the format.
    """
    graph = Graph(compact=compact)
    completed = GRAPHS[architecture["generator"]](graph, weights, architecture, "photo", "known")
    inputs = {"photo": 3, "known": 1}
    return graph.finish(inputs, completed, {"architecture": json.dumps(architecture), **metadata})


# ---------------------------------------------------------------- PConvUNet


def pconv_unet(graph: Graph, weights: Weights, architecture: Mapping[str, Any], photo: str, known: str) -> str:
    """The graph of `PConvUNet`."""
    depth = architecture["depth"]
    colours = architecture.get("colour_channels")
    size = graph.add("Shape", known, start=2)
    missing = graph.add("Mod", graph.add("Neg", size), [max(2**depth, COLOUR_MULTIPLE if colours else 1)])
    padding = graph.add("Concat", [0] * 6, missing, axis=0)
    known = graph.add("Pad", known, padding)
    photo = graph.add("Mul", graph.add("Pad", photo, padding), known)
    completed = _complete(graph, weights, architecture, photo, known)
    if colours:
        completed = graph.add("Add", completed, _correct_colours(graph, weights, photo, known, completed))
    return _cut(graph, graph.add("Clip", completed, 0.0, 1.0), size)


def _complete(graph: Graph, weights: Weights, architecture: Mapping[str, Any], photo: str, known: str) -> str:
    """What the U-Net makes of a photo that is 0 in its holes; it may go beyond [0, 1]."""
    depth = architecture["depth"]
    if architecture.get("normalised"):
        return _complete_normalised(graph, weights, depth, photo, known)
    decoded = _u_net(graph, weights, depth, photo, known)
    if architecture["base_fill"] == "none":
        return graph.add("Sigmoid", decoded)
    fill = _fill_pyramid(graph, photo, known)
    hidden = graph.convolve(weights, "head.0", graph.add("Concat", decoded, fill, known, axis=1))
    correction = graph.convolve(weights, "head.2", graph.add("LeakyRelu", hidden, alpha=0.2))
    if window := architecture.get("correction_window"):
        correction = graph.add("Mul", correction, _hole_share(graph, known, window))
    return graph.add("Add", fill, correction)


def _complete_normalised(graph: Graph, weights: Weights, depth: int, photo: str, known: str) -> str:
    """What the U-Net answers in the numbers in which it sees colours, as colours again."""
    mean, std = (weights[f"colour_{name}"][:, None, None] for name in ("mean", "std"))
    seen = graph.add("Mul", graph.add("Div", graph.add("Sub", photo, mean), std), known)
    answer = _u_net(graph, weights, depth, seen, known)
    return graph.add("Add", graph.add("Mul", answer, std), mean)


def _u_net(graph: Graph, weights: Weights, depth: int, photo: str, known: str) -> str:
    """Encoder and decoder: photo (0 in its holes) and known in, the last level's output out, at the same size."""
    skips = [(photo, known)]
    for index in range(depth):
        skips.append(_encoder_level(graph, *_fold(weights, f"encoder.{index}"), *skips[-1]))
    low, channels = skips.pop(), len(weights[f"encoder.{depth - 1}.conv.weight"])
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


def _cut(graph: Graph, x: str, size: str) -> str:
    """The top left part of x; `size` is a height and a width."""
    return graph.add("Slice", x, [0, 0], size, [2, 3])


# ---------------------------------------------------------------- ColourUNet


def _correct_colours(graph: Graph, weights: Weights, photo: str, known: str, completed: str) -> str:
    """What to add to a completed photo for its colours; `photo` is 0 in its holes."""
    hole = graph.add("Sub", 1.0, known)
    means = _means(graph, graph.add("Add", photo, graph.add("Mul", completed, hole)), CELL)
    change = graph.add("Sub", _colour_u_net(graph, weights, photo, known), means)
    return graph.enlarge(graph.add("Mul", change, _means(graph, hole, CELL)), LINEAR, CELL)


def _colour_u_net(graph: Graph, weights: Weights, photo: str, known: str) -> str:
    """The graph of `ColourUNet`, whose weights are called colours."""
    quarter_means, share, is_known = _known_means(graph, photo, known, CELL // 2)
    quarters = graph.add("Mul", graph.add("Sub", quarter_means, 0.5), is_known)
    quarters = graph.add("SpaceToDepth", graph.add("Concat", quarters, share, axis=1), blocksize=2)
    cell_means, _, is_known = _known_means(graph, photo, known, CELL)
    fill = _fill_pyramid(graph, cell_means, is_known, PYRAMID_LEVELS - int(math.log2(CELL)))
    x = graph.add("Concat", quarters, graph.add("Sub", fill, 0.5), axis=1)
    # torch lists the quarters channel by channel, ONNX the channels quarter by quarter.
    order = [*np.arange(16).reshape(4, 4).T.ravel(), 16, 17, 18]
    window = {"kernel_shape": [3, 3], "pads": [1] * 4}
    x = graph.add("Conv", x, weights["colours.first.weight"][:, order], weights["colours.first.bias"], **window)
    levels = []
    for index in range(COLOUR_LEVELS):
        x = _residual_block(graph, weights, f"colours.encoder.{index}", x, stride=2 if index else 1)
        levels.append(x)
    x = _residual_block(graph, weights, "colours.middle", levels.pop())
    for index in reversed(range(COLOUR_LEVELS - 1)):
        joined = graph.add("Concat", graph.enlarge(x, NEAREST), levels.pop(), axis=1)
        x = graph.convolve(weights, f"colours.joins.{index}", joined)
        x = _residual_block(graph, weights, f"colours.decoder.{index}", x)
    return graph.add("Add", fill, graph.convolve(weights, "colours.last", _gelu(graph, x)))


def _residual_block(graph: Graph, weights: Weights, name: str, x: str, stride: int = 1) -> str:
    hidden = graph.convolve(weights, f"{name}.first", _gelu(graph, x), stride)
    shortcut = graph.convolve(weights, f"{name}.shortcut", x, stride) if f"{name}.shortcut.weight" in weights else x
    return graph.add("Add", shortcut, graph.convolve(weights, f"{name}.second", _gelu(graph, hidden)))


def _gelu(graph: Graph, x: str) -> str:
    """GELU, x · (1 + erf(x / √2)) / 2; the operator of that name is younger than `OPSET`."""
    share = graph.add("Add", graph.add("Erf", graph.add("Mul", x, math.sqrt(0.5))), 1.0)
    return graph.add("Mul", graph.add("Mul", x, 0.5), share)


def _known_means(graph: Graph, photo: str, known: str, side: int) -> tuple[str, str, str]:
    """Mean of the known pixels in each square, the share they are, and 1 where there are any."""
    share = _means(graph, known, side)
    mean = graph.add("Div", _means(graph, photo, side), graph.add("Max", share, LEAST_SHARE))
    return mean, share, graph.add("Sign", share)


def _means(graph: Graph, x: str, side: int) -> str:
    return graph.add("AveragePool", x, kernel_shape=[side, side], strides=[side, side])


# ---------------------------------------------------------------- pyramid fill


def pyramid_fill(graph: Graph, weights: Weights, architecture: Mapping[str, Any], photo: str, known: str) -> str:
    """The graph of `PyramidFill`, which has no weights."""
    return _fill_pyramid(graph, graph.add("Mul", photo, known), known)


def _fill_pyramid(graph: Graph, photo: str, known: str, count: int = PYRAMID_LEVELS) -> str:
    """`models.pyramid_fill` with a fixed number of levels; `photo` is 0 in its holes."""
    levels = [(photo, known)]
    for _ in range(count):
        levels.append(_halve(graph, *levels[-1]))
    photo, known = levels.pop()
    filled = graph.add("Add", photo, graph.add("Mul", graph.add("Sub", 1.0, known), 0.5))
    for photo, known in reversed(levels):
        hole = graph.add("Sub", 1.0, known)
        filled = _cut(graph, graph.enlarge(filled, LINEAR), graph.add("Shape", known, start=2))
        filled = graph.add("Add", photo, graph.add("Mul", hole, filled))
        for _ in range(SMOOTHING_STEPS):
            filled = graph.add("Add", photo, graph.add("Mul", hole, _neighbours(graph, filled)))
    return filled


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


GRAPHS: dict[str, Callable[[Graph, Weights, Mapping[str, Any], str, str], str]] = {
    "PConvUNet": pconv_unet,
    "PyramidFill": pyramid_fill,
}
"""How the graph of each generator that can be exported is built."""
