"""TextureBlend: a small U-Net that makes one fill of two, a network's and one copied from the photo.

The two are blended as Burt & Adelson 1983 ("A Multiresolution Spline With Application to Image Mosaics") blend
photos: their difference is taken apart into bands, from fine to coarse, and each band counts with a weight of its own,
here one for each pixel of the band. Colours and large shapes are mostly the network's, texture is mostly copied. At
each band the network may also add a little of its own, which repairs seams.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

BANDS = 5
"""Bands of the difference; each next one has half the size."""

OWN_SHARE = 0.1
"""Scale of what the network adds of its own, so that it starts near nothing."""

FIRST_WEIGHTS = (0.23, 0.31, 0.45, 0.69, 0.77)
"""How much of the difference to the network's fill counts in each band before training, fine to coarse."""


class Layer(nn.Sequential):
    """3×3 convolution and LeakyReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(in_channels, out_channels, 3, stride, 1), nn.LeakyReLU(0.1, inplace=True))


class TextureBlend(nn.Module):
    """Blends two fills of the same holes.

    Args:
        base_channels: of the first level, which has half the photo's size; the deeper ones have more.
    """

    multiple = 2 ** (BANDS - 1)
    """Height and width of what comes in are multiples of it."""

    def __init__(self, base_channels: int = 32) -> None:
        super().__init__()
        self.base_channels = base_channels
        widths = [base_channels, 3 * base_channels // 2, 2 * base_channels, 2 * base_channels]
        # The first level sees 2×2 pixels as channels: convolutions at full size would cost the most and see the least.
        self.encoder = nn.ModuleList([Layer(4 * 9, widths[0])])
        self.encoder.extend(nn.Sequential(Layer(one, two, stride=2), Layer(two, two)) for one, two in pairwise(widths))
        self.decoder = nn.ModuleList(Layer(low + skip, skip) for skip, low in pairwise(widths))
        # A weight and three colours for each band; four pixels of the finest are one of the first level.
        self.heads = nn.ModuleList(nn.Conv2d(width, 4, 3, padding=1) for width in widths)
        self.fine = nn.Sequential(Layer(widths[0], widths[0]), nn.Conv2d(widths[0], 16, 3, padding=1))
        self._start_near_fixed_weights()

    @property
    def architecture(self) -> dict[str, Any]:
        """Name and arguments, as a weights file says them."""
        return {"network": "TextureBlend", "base_channels": self.base_channels}

    @torch.no_grad()
    def _start_near_fixed_weights(self) -> None:
        last_layers = [self.fine[1], *self.heads]
        for layer, weight in zip(last_layers, FIRST_WEIGHTS, strict=True):
            layer.weight.mul_(0.1)
            layer.bias.zero_()
            layer.bias[: len(layer.bias) // 4] = torch.logit(torch.tensor(weight))

    def forward(self, led: Tensor, copied: Tensor, known: Tensor) -> Tensor:
        """Blend.

        Args:
            led: B×3×H×W in [0, 1], the photo with its holes filled by a network; H and W multiples of `multiple`.
            copied: B×3×H×W in [0, 1], the photo with its holes filled by patches of it.
            known: B×1×H×W, 1 = known, 0 = hole.

        Returns:
            B×3×H×W, about in [0, 1]; only what lies in the holes counts.
        """
        difference = led - copied
        levels = [self.encoder[0](functional.pixel_unshuffle(describe(led, copied, known), 2))]
        for level in list(self.encoder)[1:]:
            levels.append(level(levels[-1]))
        decoded = [levels.pop()]
        for layer in reversed(self.decoder):
            decoded.append(layer(torch.cat([enlarge(decoded[-1]), levels.pop()], 1)))
        heads = [head(level) for head, level in zip(self.heads, reversed(decoded), strict=True)]
        heads.insert(0, functional.pixel_shuffle(self.fine(decoded[-1]), 2))
        return copied + _weigh(bands(difference), heads)


def describe(led: Tensor, copied: Tensor, known: Tensor) -> Tensor:
    """What the network sees, B×9×H×W: both fills, how far they are apart, the holes, and how deep they are."""
    hole = 1 - known
    apart = (led - copied).abs().mean(1, keepdim=True)
    share = functional.avg_pool2d(functional.avg_pool2d(hole, 8), 5, 1, 2, count_include_pad=False)
    depth = functional.interpolate(share, scale_factor=8, mode="bilinear", align_corners=False)
    return torch.cat([led - 0.5, copied - 0.5, 2 * apart, hole, depth], 1)


def bands(image: Tensor) -> list[Tensor]:
    """Take B×C×H×W apart into `BANDS` bands, fine to coarse, each of half the size; enlarged they add up to it."""
    sizes = [image]
    for _ in range(BANDS - 1):
        sizes.append(functional.avg_pool2d(sizes[-1], 2))
    return [one - enlarge(two) for one, two in pairwise(sizes)] + [sizes[-1]]


def enlarge(x: Tensor) -> Tensor:
    """Twice the height and width, linear in between."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _weigh(parts: list[Tensor], heads: list[Tensor]) -> Tensor:
    """Add up bands, fine to coarse, each by the weight and with the colours that its head says."""
    total: Tensor | None = None
    for part, head in zip(reversed(parts), reversed(heads), strict=True):
        band = torch.sigmoid(head[:, :1]) * part + OWN_SHARE * head[:, 1:]
        total = band if total is None else enlarge(total) + band
    assert total is not None
    return total
