"""Settings of an export, as a frozen dataclass; see `onar.settings.training` for their use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from onar.settings.checks import Settings
from onar.settings.networks import NetworkOption
from onar.settings.ranges import NonNegativeInt
from onar.weights.bundled import BUNDLED


@dataclass(frozen=True, kw_only=True)
class ExportConfig(Settings):
    """Weights that are exported, and the format.

    >>> ExportConfig(output="model.onnx", average_with="smooth.pth").average_share
    0.2
    """

    topic: ClassVar[str] = "Export"

    output: Path
    """File, such as model.onnx or model.safetensors, or folder of the page."""
    weights: str = BUNDLED
    """A .pth, .safetensors or .onnx file, or "pyramid"; by default the bundled weights. A .safetensors file of
    `onar blend` becomes an .onnx file, too."""
    network: NetworkOption = "auto"
    """Kind of network in an .onnx file of another program, which becomes the page alone; see `onar complete`."""
    format: Literal["onnx", "safetensors", "web"] | None = None
    """web for the page; otherwise the ending of the file decides."""
    average_with: Path | None = None
    """Weights to average with, such as those that were fine-tuned (network interpolation): a network with much texture
    becomes smoother and more cautious."""
    average_share: Annotated[float, Ge(0), Le(1)] = 0.2
    """Share of `average_with` in the weighted mean."""
    correction_window: NonNegativeInt | None = None
    """For a network with `base_fill` pyramid: weight its correction by the share of holes in a window of this odd side
    in pixels, such as 21. Thin holes and seams stay near the pyramid fill, which is hard to improve there. 0: full
    weight everywhere."""
    half: bool = False
    """Save the weights of an .onnx file in half precision, half as large."""
    int8: bool = False
    """Quantise convolutions to 8-bit integers: a smaller, faster file. The loss of PSNR is measured and printed."""
    calibration: Path | None = None
    """Folder of photos for `int8` to be calibrated and measured on, like those to be completed; by default the bundled
    photos."""
    blend: Path | None = None
    """For the page, weights that blend the network's fill with the copied texture: a file from `onar blend`; by default
    the bundled ones."""
