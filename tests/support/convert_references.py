"""The U-Nets of other programs by their published definitions, in plain PyTorch, to compare converted ones with.

Each is called as its program calls it: photos in the program's own numbers, and one known map for each channel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNELS = (7, 5, 5)


def widths(base_channels: int, depth: int) -> list[int]:
    return [3, *(base_channels * min(2**level, 8) for level in range(depth))]


class RatioOfKnownValues(nn.Module):
    """PartialConv of naoto0804's net.py: W(x · known) / sum(known) + b, and a kernel of ones that sums."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, bias: bool) -> None:
        super().__init__()
        self.input_conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=bias)
        self.mask_conv = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False)
        nn.init.ones_(self.mask_conv.weight)

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        total = self.mask_conv(known)
        bias = 0 if self.input_conv.bias is None else self.input_conv.bias[:, None, None]
        y = (self.input_conv(x * known) - bias) / total.clamp(min=1) + bias
        return y * (total > 0), (total > 0).to(x.dtype)


class RatioOfWindow(nn.Conv2d):
    """PartialConv2d of NVIDIA's partialconv2d.py with multi_channel, and PConv of MMagic: the paper's ratio."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, bias: bool) -> None:
        super().__init__(inside, outside, kernel, stride, kernel // 2, bias=bias)

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        total = F.conv2d(known, torch.ones_like(self.weight), stride=self.stride, padding=self.padding)
        once = total.clamp(0, 1)
        ratio = self.weight[0].numel() / (total + 1e-8) * once
        bias = 0 if self.bias is None else self.bias[:, None, None]
        return ((super().forward(x * known) - bias) * ratio + bias) * once, once


class RatioOfWindowKept(RatioOfWindow):
    """The same as MMagic has it, with the tensor of ones among its state."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, bias: bool) -> None:
        super().__init__(inside, outside, kernel, stride, bias)
        self.register_buffer("weight_mask_updater", torch.ones(outside, inside, kernel, kernel))


class Level(nn.Module):
    """Partial convolution, batch norm unless it is an outermost level, activation."""

    def __init__(self, conv: nn.Module, channels: int | None, slope: float) -> None:
        super().__init__()
        self.conv = conv
        if channels is not None:
            self.bn = nn.BatchNorm2d(channels)
        self.slope = slope

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        y, known = self.conv(x, known)
        if hasattr(self, "bn"):
            y = self.bn(y)
        return F.leaky_relu(y, self.slope), known


def build_levels(
    conv: type[nn.Module], base_channels: int, depth: int, biases: str
) -> tuple[dict[int, Level], dict[int, Level]]:
    """Encoder and decoder levels, numbered from the outside in.

    `biases` says which convolutions have one: "last", "without norm" (the first and the last), or "all".
    """
    channels, kernels = widths(base_channels, depth), [*KERNELS, *[3] * depth]
    encoder, decoder = {}, {}
    for i in range(depth):
        outermost = i == 0
        first_bias = biases == "all" or (outermost and biases == "without norm")
        encoder[i + 1] = Level(
            conv(channels[i], channels[i + 1], kernels[i], 2, first_bias), None if outermost else channels[i + 1], 0.0
        )
        decoder[i + 1] = Level(
            conv(channels[i + 1] + channels[i], channels[i], 3, 1, outermost or biases == "all"),
            None if outermost else channels[i],
            1.0 if outermost else 0.2,
        )
    return encoder, decoder


def run_levels(encoder: list[Level], decoder: list[Level], x: Tensor, known: Tensor) -> Tensor:
    """Through the encoder and back: nearest upsampling, then concat[low, skip], values and known maps alike."""
    skips = [(x, known)]
    for level in encoder:
        skips.append(level(*skips[-1]))
    y, known = skips.pop()
    for level in decoder:
        skip, known_skip = skips.pop()
        y = torch.cat([F.interpolate(y, scale_factor=2, mode="nearest"), skip], dim=1)
        known = torch.cat([F.interpolate(known, scale_factor=2, mode="nearest"), known_skip], dim=1)
        y, known = level(y, known)
    return y


class FlatUNet(nn.Module):
    """Levels called enc_1 ... enc_N and dec_N ... dec_1, as in naoto0804's net.py."""

    def __init__(self, conv: type[nn.Module], base_channels: int, depth: int, biases: str) -> None:
        super().__init__()
        self.depth = depth
        encoder, decoder = build_levels(conv, base_channels, depth, biases)
        for number in range(1, depth + 1):
            self.add_module(f"enc_{number}", encoder[number])
            self.add_module(f"dec_{number}", decoder[number])

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        numbers = range(1, self.depth + 1)
        encoder = [self.get_submodule(f"enc_{number}") for number in numbers]
        decoder = [self.get_submodule(f"dec_{number}") for number in reversed(numbers)]
        return run_levels(encoder, decoder, x, known)


class EncoderDecoder(nn.Module):
    """PConvEncoderDecoder of MMagic: encoder.enc1 ... and decoder.decN ..."""

    def __init__(self, base_channels: int, depth: int) -> None:
        super().__init__()
        encoder, decoder = build_levels(RatioOfWindowKept, base_channels, depth, "without norm")
        self.depth = depth
        self.encoder = nn.ModuleDict({f"enc{number}": level for number, level in encoder.items()})
        self.decoder = nn.ModuleDict({f"dec{number}": level for number, level in reversed(decoder.items())})

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        return run_levels(list(self.encoder.values()), list(self.decoder.values()), x, known)


def randomise(network: nn.Module, photo: Tensor, known: Tensor, deviation: float) -> None:
    """Random weights, affine terms and batch statistics; the last level's answer has the given standard deviation.

    The statistics are near those of a photo, because behind random ones nothing would be left of the photo.
    """
    kernels = {name: value for name, value in network.named_parameters() if value.ndim == 4 and "mask_conv" not in name}
    for name, value in network.named_parameters():
        if value.ndim == 1:
            nn.init.uniform_(value, -0.3, 0.3)
            value.data += 1 if name.endswith("bn.weight") else 0
    for name, value in kernels.items():
        nn.init.kaiming_normal_(value)
        if "input_conv" in name:  # as after a training: without the window in the ratio, kernels are larger
            value.data *= value[0].numel() / 4
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean
    last = next(value for name, value in kernels.items() if name.split(".conv")[0].endswith(("dec1", "dec_1")))
    with torch.no_grad():
        network.train()(photo, known)
        for name, value in network.named_buffers():
            if "running_" in name:
                value.mul_(torch.rand_like(value) + 0.5)
        last.mul_(deviation / network.eval()(photo, known).std())
