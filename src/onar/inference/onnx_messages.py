"""The messages of an ONNX file, as far as Onar writes them.

The `onnx` package would bring them too, but is 31 MB large, and filling a hole needs nothing else of it: here they are
declared to Protocol Buffers, which ONNX Runtime brings. Names, numbers and types are those of the standard
(github.com/onnx/onnx, `onnx/onnx.proto`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

_PACKAGE = "onnx"
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
    "float": _FIELD.TYPE_FLOAT,
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
}
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "ModelProto": {
        "ir_version": (1, "int64"),
        "producer_name": (2, "string"),
        "graph": (7, "GraphProto"),
        "opset_import": (8, "OperatorSetIdProto*"),
        "metadata_props": (14, "StringStringEntryProto*"),
    },
    "OperatorSetIdProto": {"domain": (1, "string"), "version": (2, "int64")},
    "StringStringEntryProto": {"key": (1, "string"), "value": (2, "string")},
    "GraphProto": {
        "node": (1, "NodeProto*"),
        "name": (2, "string"),
        "initializer": (5, "TensorProto*"),
        "input": (11, "ValueInfoProto*"),
        "output": (12, "ValueInfoProto*"),
    },
    "NodeProto": {
        "input": (1, "string*"),
        "output": (2, "string*"),
        "name": (3, "string"),
        "op_type": (4, "string"),
        "attribute": (5, "AttributeProto*"),
    },
    "AttributeProto": {
        "name": (1, "string"),
        "f": (2, "float"),
        "i": (3, "int64"),
        "s": (4, "bytes"),
        "ints": (8, "int64*"),
        "type": (20, "int32"),
    },
    "TensorProto": {
        "dims": (1, "int64*"),
        "data_type": (2, "int32"),
        "name": (8, "string"),
        "raw_data": (9, "bytes"),
    },
    "ValueInfoProto": {"name": (1, "string"), "type": (2, "TypeProto")},
    "TypeProto": {"tensor_type": (1, "TensorTypeProto")},
    "TensorTypeProto": {"elem_type": (1, "int32"), "shape": (2, "TensorShapeProto")},
    "TensorShapeProto": {"dim": (1, "DimensionProto*")},
    "DimensionProto": {"dim_value": (1, "int64"), "dim_param": (2, "string")},
}
"""Fields of each message: number and type, with a star where there may be several."""

_TENSOR_TYPES = {"f": (1, "<f4"), "i": (7, "<i8")}
"""Of numpy kinds: number of the element type, and how elements are stored."""

_HALF = 10
"""Number of the element type float16."""


def _declare() -> dict[str, Any]:
    """The message classes by name, in a pool of their own: the `onnx` package declares the same names."""
    file = descriptor_pb2.FileDescriptorProto(name="onar/onnx.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            several, kind = kind.endswith("*"), kind.rstrip("*")
            added = message.field.add(name=field, number=number)
            added.label = _FIELD.LABEL_REPEATED if several else _FIELD.LABEL_OPTIONAL
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type, added.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


_CLASSES = _declare()


def node(operator: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Any]) -> Any:
    """A NodeProto with one output, named after it; attributes are a number, a text, or several integers each."""
    made = _CLASSES["NodeProto"](op_type=operator, input=inputs, output=[output], name=output)
    for name, value in attributes.items():
        attribute = made.attribute.add(name=name)
        if isinstance(value, float):
            attribute.f, attribute.type = value, 1
        elif isinstance(value, int):
            attribute.i, attribute.type = value, 2
        elif isinstance(value, str):
            attribute.s, attribute.type = value.encode(), 3
        else:
            attribute.ints.extend(value)
            attribute.type = 7
    return made


def tensor(name: str, value: NDArray[Any]) -> Any:
    """A TensorProto: floats as float32, integers as int64."""
    number, stored = _TENSOR_TYPES[value.dtype.kind]
    content = np.ascontiguousarray(value, stored).tobytes()
    return _CLASSES["TensorProto"](name=name, dims=value.shape, data_type=number, raw_data=content)


def image_value(name: str, channels: int) -> Any:
    """A ValueInfoProto of float32, with free batch, height and width."""
    made = _CLASSES["ValueInfoProto"](name=name)
    made.type.tensor_type.elem_type = _TENSOR_TYPES["f"][0]
    for size in ("batch", channels, "height", "width"):
        dimension = made.type.tensor_type.shape.dim.add()
        if isinstance(size, str):
            dimension.dim_param = size
        else:
            dimension.dim_value = size
    return made


def model(
    name: str,
    *,
    nodes: Sequence[Any],
    constants: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    metadata: Mapping[str, str],
    opset: int,
    ir_version: int,
) -> Any:
    """A ModelProto of one graph, in operators of the standard's `opset`."""
    made = _CLASSES["ModelProto"](ir_version=ir_version, producer_name="onar")
    made.opset_import.add(domain="", version=opset)
    made.graph.CopyFrom(
        _CLASSES["GraphProto"](name=name, node=nodes, initializer=constants, input=inputs, output=outputs)
    )
    for key, value in metadata.items():
        made.metadata_props.add(key=key, value=value)
    return made


def in_half_precision(content: bytes, least: int = 1024) -> bytes:
    """The same file with its constants in float16, which the graph makes float32: half the size, the same inputs.

    Args:
        content: an ONNX file as `model` makes it.
        least: bytes of a constant from which on it is worth it.
    """
    made = _CLASSES["ModelProto"].FromString(content)
    casts = []
    for constant in made.graph.initializer:
        if constant.data_type != _TENSOR_TYPES["f"][0] or len(constant.raw_data) < least:
            continue
        values = np.frombuffer(constant.raw_data, _TENSOR_TYPES["f"][1])
        constant.raw_data, constant.data_type = values.astype("<f2").tobytes(), _HALF
        casts.append(node("Cast", [f"{constant.name}_half"], constant.name, {"to": _TENSOR_TYPES["f"][0]}))
        constant.name += "_half"
    nodes = [*casts, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    smaller: bytes = made.SerializeToString()
    return smaller
