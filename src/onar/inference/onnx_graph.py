"""A growing ONNX graph: the nodes and constants that the graphs of networks are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onar.errors import OnarError
from onar.inference import onnx_messages as messages

OPSET = 18
MOST_BYTES = 2**31 - 2**20  # of constants: Protocol Buffers end at 2 GB, and nodes take far less than 1 MB
IR_VERSION = 10  # of the file format; ONNX Runtime reads it from version 1.18
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

    def finish(
        self, inputs: Mapping[str, int], completed: str, metadata: Mapping[str, str], channels: int = 3
    ) -> bytes:
        """The whole graph as the bytes of an ONNX file.

        Args:
            inputs: channels of each input by name.
            completed: the value to give out under that name, an image.
            metadata: what travels in the file.
            channels: of `completed`.

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
            outputs=[messages.image_value("completed", channels)],
            metadata=metadata,
            opset=OPSET,
            ir_version=IR_VERSION,
        )
        content: bytes = model.SerializeToString()
        return content

    def convolve(self, weights: Weights, layer: str, x: str, stride: int = 1) -> str:
        """A 3×3 or 1×1 convolution with bias, by the names of its weights in the state dict.

        Raises:
            ValueError: the bias is of another number of channels, which ONNX Runtime has not always looked at.
        """
        kernel, bias = weights[f"{layer}.weight"], weights[f"{layer}.bias"]
        if bias.shape != kernel.shape[:1]:
            raise ValueError(f"{layer}.bias has shape {bias.shape}, not {kernel.shape[:1]}")
        side = kernel.shape[-1]
        window = {"kernel_shape": [side, side], "pads": [side // 2] * 4, "strides": [stride, stride]}
        return self.add("Conv", x, kernel, bias, **window)

    def hide_holes(self, x: str, known: str) -> str:
        """Make holes 0, whatever lies there: a product would leave NaN."""
        return self.add("Mul", self.add("Where", self.add("Greater", known, 0.0), x, 0.0), known)

    def enlarge(self, x: str, interpolation: Mapping[str, str], factor: int = 2) -> str:
        """So many times the height and width."""
        return self.add("Resize", x, "", [1.0, 1.0, float(factor), float(factor)], **interpolation)

    def cut(self, x: str, size: str) -> str:
        """The top left part of x; `size` is a height and a width."""
        return self.add("Slice", x, [0, 0], size, [2, 3])

    def constant(self, value: NDArray[Any]) -> str:
        """A constant in float32 or int64."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(messages.tensor(name, value))
        return name
