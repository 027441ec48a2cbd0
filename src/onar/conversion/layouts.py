"""Layouts of the U-Net of Liu et al. 2018 in other programs, and the conversion of their state dicts to `PConvUNet`.

The programs share the network: encoder kernels 7, 5, 5, 3, ..., nearest upsampling before concat[low, skip], batch norm
except in the first and the last level, ReLU and LeakyReLU 0.2, no sigmoid. They differ in names, in the ratio of the
partial convolution, in the order of colour channels, and in the normalisation of the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from onar.errors import OnarError
from onar.models import PConvUNet
from onar.models.generators import MAX_DEPTH

BATCH_NORM_EPSILON = 1e-5  # the default of torch, which all of them keep
NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)


COLOURS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "symmetric": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
"""Normalisation of a network's input, by red, green and blue: mean and standard deviation, subtracted and divided by.
Those of ImageNet; -1 to 1; 0 to 1."""


@dataclass(frozen=True)
class Layout:
    """Names of a program's tensors, and its differences from `PConvUNet`."""

    title: str  # in messages
    encoder: str  # name of an encoder level, counted from 1 from the outside in
    decoder: str  # name of the decoder level whose output has the size of that encoder level's input
    convolution: str  # name of the convolution in a level
    ones: str  # name of the tensor of ones that counts known values, in a level
    counts_window: bool  # the ratio is window / known values, as in the paper; without it, it is 1 / known values
    colours: str | None  # key of `COLOURS`; None where it cannot be inferred
    blue_first: bool = False  # the order of colour channels is blue, green, red
    beside: tuple[str, ...] = ()  # prefixes of tensors that only training uses


LAYOUTS = (
    # https://github.com/naoto0804/pytorch-inpainting-with-partial-conv: net.py (PartialConv, PConvUNet), opt.py
    Layout(
        title="naoto0804/pytorch-inpainting-with-partial-conv",
        encoder="enc_{}",
        decoder="dec_{}",
        convolution="conv.input_conv",
        ones="conv.mask_conv.weight",
        counts_window=False,
        colours="imagenet",
    ),
    # https://github.com/open-mmlab/mmagic: mmagic/models/editors/pconv, configs/_base_/models/base_pconv.py; photos are
    # read with channel_order "bgr" and reach the network in it
    Layout(
        title="MMagic (MMEditing)",
        encoder="encoder.enc{}",
        decoder="decoder.dec{}",
        convolution="conv",
        ones="conv.weight_mask_updater",
        counts_window=True,
        colours="symmetric",
        blue_first=True,
        beside=("loss_percep.", "data_preprocessor."),
    ),
    # https://github.com/NVIDIA/partialconv: models/partialconv2d.py. The layer is published, the U-Net is not: its
    # levels are named as in the first layout, and the numbers of its colours are not said.
    Layout(
        title="layers of NVIDIA/partialconv",
        encoder="enc_{}",
        decoder="dec_{}",
        convolution="conv",
        ones="conv.weight_maskUpdater",
        counts_window=True,
        colours=None,
    ),
)


def recognise(state: dict[Any, Any]) -> tuple[Layout, str] | None:
    """Infer the layout of a state dict, and the prefix of its names, such as "module.", from that of its first kernel.

    None when it is in none of `LAYOUTS`.
    """
    for layout in LAYOUTS:
        first = f"{layout.encoder.format(1)}.{layout.convolution}.weight"
        for name in state:
            if isinstance(name, str) and (name == first or name.endswith(f".{first}")):
                return layout, name.removesuffix(first)
    return None


def convert_state(state: dict[Any, Any], layout: Layout, prefix: str, colours: str) -> tuple[PConvUNet, list[str]]:
    """Convert a state dict to a generator that computes the same in evaluation mode.

    Returns:
        The generator, and a line for each kind of tensor that is skipped.

    Raises:
        OnarError: a tensor is unknown, missing, or of a wrong shape or kind; the message begins with its name.
    """
    beside = [name for name in state if isinstance(name, str) and name.startswith(layout.beside)]
    tensors = _Tensors({name: value for name, value in state.items() if name not in beside}, prefix)
    base_channels, depth = _measure(tensors, layout)
    with torch.device("meta"):  # names and shapes without memory, which a wrong file may ask for more of than there is
        generator = PConvUNet(base_channels, depth, normalised=True)
    weights: dict[str, Tensor] = {}
    levels = {f"encoder.{level}": layout.encoder.format(level + 1) for level in range(depth)}
    levels |= {f"decoder.{level}": layout.decoder.format(depth - level) for level in range(depth)}
    for ours, theirs in levels.items():
        level = _Level(tensors, layout, theirs, generator.get_submodule(ours).state_dict())
        weights |= {f"{ours}.{name}": value for name, value in level.convert().items()}
    for name in tensors.left:
        raise OnarError(f"{name} is unknown: it belongs to another network")
    if layout.blue_first:
        _exchange_red_and_blue(weights, depth)
    weights |= dict(zip(("colour_mean", "colour_std"), map(torch.tensor, COLOURS[colours]), strict=True))
    single = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    generator.load_state_dict(single, assign=True)
    skipped = {"of ones, which count known values": tensors.ones, "that only training uses": len(beside)}
    return generator.eval(), [f"skipped: {count} tensors {kind}" for kind, count in skipped.items() if count]


@dataclass
class _Tensors:
    """The tensors of a state dict that are not used yet, by their full names, and the skipped tensors of ones."""

    left: dict[Any, Any]
    prefix: str
    ones: int = 0

    def has(self, name: str) -> bool:
        return self.prefix + name in self.left

    def take(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """A tensor in double precision; raises `OnarError` when it is missing or has another shape."""
        whole = self.prefix + name
        if whole not in self.left:
            raise OnarError(f"{whole} is missing")
        value = self.left.pop(whole)
        if not isinstance(value, Tensor):
            raise OnarError(f"{whole} is a {type(value).__name__}, not a tensor")
        if value.dtype not in NUMBERS or value.layout != torch.strided:
            raise OnarError(f"{whole} holds {value.dtype} in {value.layout}, not plain numbers")
        if tuple(value.shape) != shape:
            raise OnarError(f"{whole} is {tuple(value.shape)}, not {shape}")
        return value.detach().double()

    def take_ones(self, name: str, shape: tuple[int, ...]) -> None:
        """Take an optional tensor of ones; raises `OnarError` when it has other values."""
        if not self.has(name):
            return
        if not bool((self.take(name, shape) == 1).all()):
            raise OnarError(f"{self.prefix + name} is not all ones: it counts known values in another way")
        self.ones += 1


def _measure(tensors: _Tensors, layout: Layout) -> tuple[int, int]:
    """Infer base channels and depth from the kernels of the encoder."""
    depth = 0
    while depth < MAX_DEPTH and tensors.has(f"{layout.encoder.format(depth + 1)}.{layout.convolution}.weight"):
        depth += 1
    first = f"{tensors.prefix}{layout.encoder.format(1)}.{layout.convolution}.weight"
    shape = getattr(tensors.left[first], "shape", None)
    if shape is None or len(shape) != 4:
        raise OnarError(f"{first} is no kernel of four dimensions")
    return int(shape[0]), depth


@dataclass(frozen=True)
class _Level:
    """One level of theirs, and what ours expects."""

    tensors: _Tensors
    layout: Layout
    name: str
    expected: dict[str, Tensor]

    def convert(self) -> dict[str, Tensor]:
        """Our tensors of the level, by their names in it."""
        kernel = self._take(f"{self.layout.convolution}.weight", "conv.weight")
        out_channels, window = kernel.shape[0], kernel[0].numel()
        self.tensors.take_ones(f"{self.name}.{self.layout.ones}", tuple(kernel.shape))
        bias = torch.zeros(out_channels, dtype=torch.float64)
        if self.tensors.has(f"{self.name}.{self.layout.convolution}.bias"):
            bias = self.tensors.take(f"{self.name}.{self.layout.convolution}.bias", (out_channels,))
        factor = torch.ones_like(bias) if self.layout.counts_window else torch.full_like(bias, 1 / window)
        if "norm.weight" in self.expected:
            return self._convert_normalised(kernel, bias, factor)
        return {"conv.weight": kernel * factor[:, None, None, None], "conv.bias": bias}

    def _convert_normalised(self, kernel: Tensor, bias: Tensor, factor: Tensor) -> dict[str, Tensor]:
        """Fold the bias, and a factor on the convolution, into the batch norm.

        A small factor in the kernel would leave half precision nothing of it. It goes into the statistics, and these
        are scaled to a variance of 1 together with the kernel, so that their squares fit, too.
        """
        norm = {name: self._take(f"bn.{name}", f"norm.{name}") for name in ("weight", "bias", "running_mean")}
        variance = self._take("bn.running_var", "norm.running_var")
        if self.tensors.has(f"{self.name}.bn.num_batches_tracked"):  # PyTorch has it since 0.4.1
            batches = self.tensors.take(f"{self.name}.bn.num_batches_tracked", ())
        else:
            batches = torch.zeros(())
        norm["running_mean"] = norm["running_mean"] - bias
        if not self.layout.counts_window:
            deviation = (variance + BATCH_NORM_EPSILON).sqrt()
            kernel = kernel * (factor / deviation)[:, None, None, None]
            norm["running_mean"] = norm["running_mean"] / deviation
            variance = torch.full_like(variance, 1 - BATCH_NORM_EPSILON)
        return {
            "conv.weight": kernel,
            **{f"norm.{name}": value for name, value in norm.items()},
            "norm.running_var": variance,
            "norm.num_batches_tracked": batches.long(),
        }

    def _take(self, theirs: str, ours: str) -> Tensor:
        return self.tensors.take(f"{self.name}.{theirs}", tuple(self.expected[ours].shape))


def _exchange_red_and_blue(weights: dict[str, Tensor], depth: int) -> None:
    """Reverse the colour channels in the input of the first level, and in the input and output of the last one."""
    first, last = "encoder.0.conv.weight", f"decoder.{depth - 1}.conv"
    weights[first] = weights[first].flip(1)
    low, photo = weights[f"{last}.weight"][:, :-3], weights[f"{last}.weight"][:, -3:]
    weights[f"{last}.weight"] = torch.cat([low, photo.flip(1)], dim=1).flip(0)
    weights[f"{last}.bias"] = weights[f"{last}.bias"].flip(0)
