"""A growing ONNX graph: the nodes, constants and weights that the graphs of networks are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

from onar.errors import OnarError
from onar.weights.files import CONSTANT

OPSET = 18
IR_VERSION = 10  # of the file format; ONNX Runtime reads it from version 1.18
MAX_BYTES = 2**31 - 2**20  # of constants: Protocol Buffers end at 2 GB, and nodes take far less than 1 MB
INTERPOLATIONS = {
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "linear": {"mode": "linear"},
}

Array: TypeAlias = NDArray[np.float32]
Weights: TypeAlias = Mapping[str, Array]  # A state dict as arrays


class Graph:
    """Nodes and constants of a growing graph; a value is its name.

    Weights lie in the file under their names in the state dict, so that the network can be read back from it; what is
    computed from them alone is constant-folded when the file is loaded.

    Args:
        weights: the state dict of the network.
        half: store weights in float16, half as large; the graph casts them to float32.

    >>> graph = Graph({})
    >>> completed = graph.add("Mul", "photo", 0.5)
    >>> content = graph.finish({"photo": 3}, completed, metadata={"training_size": "64"})
    """

    def __init__(self, weights: Weights, *, half: bool = False) -> None:
        self.weights = weights
        self._half = half
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._floats: dict[str, str] = {}

    def add(self, operator: str, *inputs: str | ArrayLike, **attributes: Any) -> str:
        """Add a node and return its output; inputs that are no names become constants, in float32 or int64."""
        names = [value if isinstance(value, str) else self._constant(np.asarray(value)) for value in inputs]
        output = str(len(self._nodes))
        self._nodes.append(helper.make_node(operator, names, [output], **attributes))
        return output

    def weight(self, name: str) -> str:
        """A weight by its name in the state dict, as float32; raises `KeyError`."""
        if name not in self._floats:
            self._store(name, np.ascontiguousarray(self.weights[name], np.float16 if self._half else np.float32))
            self._floats[name] = self.add("Cast", name, to=onnx.TensorProto.FLOAT) if self._half else name
        return self._floats[name]

    def finish(
        self,
        inputs: Mapping[str, int],
        completed: str,
        metadata: Mapping[str, str],
        channels: int = 3,
        output: str = "completed",
    ) -> bytes:
        """The whole graph as an ONNX file, with `metadata` as its `metadata_props` and `completed` as its output.

        `inputs` are channels by name. Raises `OnarError` when the network is too large for the format.
        """
        if sum(len(constant.raw_data) for constant in self._constants.values()) > MAX_BYTES:
            raise OnarError("the network is too large for an ONNX file, which holds 2 GB")
        self._nodes.append(helper.make_node("Identity", [completed], [output]))
        images = [_image(name, count) for name, count in inputs.items()]
        constants = list(self._constants.values())
        graph = helper.make_graph(self._nodes, output, images, [_image(output, channels)], constants)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, producer_name="onar", opset_imports=opset, ir_version=IR_VERSION)
        helper.set_model_props(model, dict(sorted(metadata.items())))
        content: bytes = model.SerializeToString()
        return content

    def convolve(self, layer: str, x: str, stride: int = 1, order: ArrayLike | None = None, dilation: int = 1) -> str:
        """A 3×3 or 1×1 convolution with bias, by the names of its weights in the state dict.

        `order` gives the number of the input channel that each channel of `x` is for the kernel.
        """
        kernel, side = self.weight(f"{layer}.weight"), self.weights[f"{layer}.weight"].shape[-1]
        if order is not None:
            kernel = self.add("Gather", kernel, order, axis=1)
        window = {
            "kernel_shape": [side, side],
            "pads": [side // 2 * dilation] * 4,
            "strides": [stride, stride],
            "dilations": [dilation, dilation],
        }
        return self.add("Conv", x, kernel, self.weight(f"{layer}.bias"), **window)

    def hide_holes(self, x: str, known: str) -> str:
        """Make holes 0, also where they hold NaN, which a product would leave."""
        return self.add("Mul", self.add("Where", self.add("Greater", known, 0.0), x, 0.0), known)

    def enlarge(self, x: str, interpolation: str, factor: int = 2) -> str:
        """Multiply height and width by the factor; `interpolation` is "nearest" or "linear"."""
        return self.add("Resize", x, "", [1.0, 1.0, float(factor), float(factor)], **INTERPOLATIONS[interpolation])

    def crop(self, x: str, size: str) -> str:
        """The top left part of x; `size` is a height and a width."""
        return self.add("Slice", x, [0, 0], size, [2, 3])

    def _constant(self, value: NDArray[Any]) -> str:
        value = np.ascontiguousarray(value, np.float32 if value.dtype.kind == "f" else np.int64)
        key = value.dtype.char, value.shape, value.tobytes()
        if key not in self._names:
            self._names[key] = f"{CONSTANT}{len(self._names)}"
            self._store(self._names[key], value)
        return self._names[key]

    def _store(self, name: str, value: NDArray[Any]) -> None:
        self._constants[name] = numpy_helper.from_array(value, name)


def _image(name: str, channels: int) -> onnx.ValueInfoProto:
    """An input or output: float32 of free batch, height and width."""
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", channels, "height", "width"])
