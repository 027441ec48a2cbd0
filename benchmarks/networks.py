"""The U-Net with plain convolutions, the baseline of Onar's; inputs; forward and backward passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from onar import PConvUNet, random_mask
from onar.masks.holes import known_from_mask
from onar.models.batch_norm import BatchNorm
from onar.weights.bundled import bundled_photos

PHOTOS = bundled_photos()


def plain_convolution(layer: nn.Conv2d) -> nn.Conv2d:
    """A plain convolution with the shape of a partial one."""
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding")
    sizes: Any = {name: getattr(layer, name) for name in names}
    return nn.Conv2d(**sizes, bias=layer.bias is not None)


class PlainLevel(nn.Module):
    """Convolution, norm and activation of one level; compatible with the state dict of Onar's."""

    def __init__(self, level: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.conv = plain_convolution(level.conv)  # type: ignore[arg-type]
        norm = level.norm
        self.norm = BatchNorm(norm.num_features) if isinstance(norm, BatchNorm) else nn.Identity()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """The level's output for B×C×H×W."""
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y


class PlainUNet(nn.Module):
    """The same U-Net with `nn.Conv2d`: nearest upsampling, concatenation, convolution. It ignores the known map."""

    def __init__(self, generator: PConvUNet) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(PlainLevel(level, nn.ReLU(inplace=True)) for level in generator.encoder)
        self.decoder = nn.ModuleList(PlainLevel(level, level.activation) for level in generator.decoder)  # type: ignore[arg-type]

    def forward(self, photo: Tensor, known: Tensor) -> Tensor:
        """Completed photos, B×3×H×W in [0, 1]; height and width of the input are divisible by 2^depth."""
        skips = [photo]
        for level in self.encoder:
            skips.append(level(skips[-1]))
        x = skips.pop()
        for level in self.decoder:
            x = level(torch.cat([functional.interpolate(x, scale_factor=2, mode="nearest"), skips.pop()], dim=1))
        return torch.sigmoid(x)


def photo_with_holes(height: int, width: int, batch: int = 1) -> tuple[Tensor, Tensor]:
    """Random pixels (channels_last) and known maps with irregular holes."""
    rng = np.random.default_rng(0)
    known = np.stack([known_from_mask(random_mask(height, width, rng=rng)) for _ in range(batch)])
    photo = torch.from_numpy(rng.random((batch, height, width, 3), np.float32)).permute(0, 3, 1, 2)
    return photo, torch.from_numpy(known)


def forward_and_backward(
    compute: Callable[[], Tensor], inputs: Sequence[Tensor], precision: str = "fp32"
) -> dict[str, Callable[[], object]]:
    """The timed functions of a network or layer: forward, and forward and backward to the inputs.

    `precision` is "fp32" or "bf16", which is autocast.
    """

    def autocast() -> AbstractContextManager[object]:
        return torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()

    def forward() -> None:
        with torch.no_grad(), autocast():
            compute()

    def backward() -> None:
        with autocast():
            y = compute()
        torch.autograd.grad(y, inputs, torch.ones_like(y))

    return {"forward": forward, "forward + backward": backward}
