"""INT8: static quantisation of the convolutions of an ONNX file by ONNX Runtime, calibrated on photos.

Everything else stays in float32: the known maps, the ratios and the pyramid fill are exact, and cheap.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

Inputs: TypeAlias = dict[str, NDArray[Any]]


def quantise(path: Path, examples: Iterable[Inputs]) -> None:
    """Replace an ONNX file by one with its convolutions in INT8, calibrated on examples: inputs by name.

    Weights get a scale for each output channel, and 7 bits: processors without dot products of bytes (VNNI) add pairs
    of products in 16 bits, which can overflow with 8 bits.
    """
    with TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(path, prepared, skip_symbolic_shape=True)  # folds batch norm into the kernels
        quantize_static(
            prepared,
            path,
            _Examples(examples),
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


class _Examples(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, examples: Iterable[Inputs]) -> None:
        self._examples = iter(examples)

    def get_next(self) -> Inputs | None:
        return next(self._examples, None)
