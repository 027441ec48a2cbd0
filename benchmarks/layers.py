"""Every layer of the generator: `PartialConv2d` against `nn.Conv2d` and against the layer of torch-pconv."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from torch_pconv import PConv2d

from benchmarks.networks import forward_and_backward, plain_convolution
from benchmarks.table import Table, milliseconds
from benchmarks.timing import interleave
from onar import PartialConv2d, PConvUNet
from onar.models.partial_conv import UpPartialConv2d

SIZE = 512
DIRECTIONS = ("forward", "forward + backward")
NOTE = (
    "The layers of the default generator for one photo of 512 × 512 pixels, in fp32, channels_last; a fifth of each "
    "known map is hole. D is a decoder level: there the other two upsample and concatenate first. torch-pconv takes "
    "one known map for all channels, so it computes less than a decoder level needs. Times are medians in ms, ratios "
    "are medians of the ratios of single turns: below 1, partial convolution costs less than plain convolution; "
    "above 1, torch-pconv costs more than Onar."
)


def measure() -> list[Table]:
    """One row for each layer, encoder first."""
    torch.manual_seed(0)
    generator = PConvUNet().to(memory_format=torch.channels_last)
    down = [SIZE >> level for level in range(generator.depth)]
    layers = [layer for layer in generator.modules() if isinstance(layer, PartialConv2d)]
    header = ["layer", "pixels"]
    for direction in DIRECTIONS:
        header += [f"{direction}: plain", "partial", "partial / plain", "torch-pconv / partial"]
    rows = [_row(layer, size) for layer, size in zip(layers, down + down[::-1], strict=True)]
    return [Table("Layers", NOTE, header, rows)]


def _row(layer: PartialConv2d, size: int) -> list[str]:
    """Time one layer on an input of size × size pixels; for a decoder level, its larger input."""
    if isinstance(layer, UpPartialConv2d):
        functions, name = _decoder_functions(layer, size), f"D {layer.kernel_size[0]}×{layer.kernel_size[1]}"
    else:
        functions, name = _encoder_functions(layer, size), f"{layer.kernel_size[0]}×{layer.kernel_size[1]}"
    cells = [f"{name}, {layer.in_channels} → {layer.out_channels}", str(size)]
    for direction in DIRECTIONS:
        times = interleave({name: both[direction] for name, both in functions.items()})
        plain, ours, other = times["plain"], times["partial"], times["torch-pconv"]
        cells += [milliseconds(plain.median), milliseconds(ours.median)]
        cells += [f"{ours.ratio(plain):.2f}", f"{other.ratio(ours):.2f}"]
    return cells


Functions = dict[str, dict[str, Callable[[], object]]]


def _encoder_functions(layer: PartialConv2d, size: int) -> Functions:
    x, known = _input(layer.in_channels, size), _known(size)
    plain, other = _others(layer)
    return {
        "plain": forward_and_backward(lambda: plain(x), _differentiable(plain, x)),
        "partial": forward_and_backward(lambda: layer(x, known)[0], _differentiable(layer, x)),
        "torch-pconv": forward_and_backward(lambda: other(x, known[:, 0])[0], _differentiable(other, x)),
    }


def _decoder_functions(layer: UpPartialConv2d, size: int) -> Functions:
    skip_channels = 3 if size == SIZE else layer.out_channels
    low, skip = _input(layer.in_channels - skip_channels, size // 2), _input(skip_channels, size)
    known_low, known = _known(size // 2), _known(size)
    plain, other = _others(layer)

    def textbook() -> Tensor:
        return torch.cat([functional.interpolate(low, scale_factor=2, mode="nearest"), skip], dim=1)

    def ours() -> Tensor:
        y: Tensor = layer((low, skip), (known_low, known))[0]
        return y

    return {
        "plain": forward_and_backward(lambda: plain(textbook()), _differentiable(plain, low, skip)),
        "partial": forward_and_backward(ours, _differentiable(layer, low, skip)),
        "torch-pconv": forward_and_backward(
            lambda: other(textbook(), known[:, 0])[0], _differentiable(other, low, skip)
        ),
    }


def _others(layer: PartialConv2d) -> tuple[torch.nn.Module, torch.nn.Module]:
    """A plain convolution and a layer of torch-pconv with the shape of a layer."""
    plain = plain_convolution(layer)
    shape = (layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
    other = PConv2d(*shape, bias=layer.bias is not None)
    return plain.to(memory_format=torch.channels_last), other.to(memory_format=torch.channels_last)


def _input(channels: int, size: int) -> Tensor:
    """1×C×size×size; photos, which have three channels, need no gradient."""
    x = torch.rand(1, channels, size, size).to(memory_format=torch.channels_last)
    return x.requires_grad_(channels > 3)


def _known(size: int) -> Tensor:
    return (torch.rand(1, 1, size, size) > 0.2).float()


def _differentiable(layer: torch.nn.Module, *inputs: Tensor) -> list[Tensor]:
    """Parameters and inputs that need gradients."""
    return [tensor for tensor in (*layer.parameters(), *inputs) if tensor.requires_grad]
