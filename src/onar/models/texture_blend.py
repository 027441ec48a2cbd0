"""TextureBlend: a small U-Net that makes one fill of three, a network's and two copied from the photo.

They are blended as Burt & Adelson 1983 ("A Multiresolution Spline With Application to Image Mosaics") blend photos:
each is taken apart into bands, from fine to coarse, and each band counts with a weight of its own, here one for each
pixel of the band. Colours and large shapes are mostly the network's, texture is mostly copied; what was copied at half
the scale follows larger shapes, and where both copies agree they are more likely right. A mean of textures that have
nothing in common has less contrast than each, so each band has a gain, too (Heitz & Neyret 2018, "High-Performance
By-Example Noise using a Histogram-Preserving Blending Operator", section 3, divide by the norm of the weights; here it
is learned). At each band the network may also add a little of its own, which repairs seams.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from onar.weights.numbers import BANDS, DESCRIBED, FILLS, OWN_SHARE, blend_widths

FIRST_WEIGHTS = ((0.23, 0.02), (0.31, 0.1), (0.45, 0.1), (0.65, 0.1), (0.65, 0.15))
"""How much the network's fill and the coarse copy count in each band before training, fine to coarse; the rest is the
copy's."""


class Layer(nn.Sequential):
    """3×3 convolution and LeakyReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(in_channels, out_channels, 3, stride, 1), nn.LeakyReLU(0.1, inplace=True))


class TextureBlend(nn.Module):
    """Blends three fills of the same holes.

    Args:
        base_channels: of the first level, which has half the photo's size; the deeper ones have more.
    """

    def __init__(self, base_channels: int = 32) -> None:
        super().__init__()
        self.base_channels = base_channels
        widths = blend_widths(base_channels)
        # The first level sees 2×2 pixels as channels: convolutions at full size would cost the most and see the least.
        self.encoder = nn.ModuleList([Layer(4 * DESCRIBED, widths[0])])
        self.encoder.extend(nn.Sequential(Layer(one, two, stride=2), Layer(two, two)) for one, two in pairwise(widths))
        self.decoder = nn.ModuleList(Layer(low + skip, skip) for skip, low in pairwise(widths))
        # For each band two weights, a gain and three colours; four pixels of the finest are one of the first level.
        self.heads = nn.ModuleList(nn.Conv2d(width, 6, 3, padding=1) for width in widths)
        self.fine = nn.Sequential(Layer(widths[0], widths[0]), nn.Conv2d(widths[0], 4 * 6, 3, padding=1))
        self._start_near_fixed_weights()

    @property
    def architecture(self) -> dict[str, Any]:
        """Name and arguments, as a weights file says them."""
        return {"network": "TextureBlend", "fills": FILLS, "base_channels": self.base_channels}

    @torch.no_grad()
    def _start_near_fixed_weights(self) -> None:
        last_layers = [self.fine[1], *self.heads]
        for layer, (led, coarse) in zip(last_layers, FIRST_WEIGHTS, strict=True):
            layer.weight.mul_(0.1)
            layer.bias.zero_()
            logits = (torch.tensor([led, coarse]) / (1 - led - coarse)).log()
            layer.bias.view(6, -1)[:2] = logits[:, None]

    def forward(self, led: Tensor, copied: Tensor, coarse: Tensor, known: Tensor) -> Tensor:
        """Blend.

        Args:
            led: B×3×H×W in [0, 1], the photo with its holes filled by a network; H and W multiples of `BLEND_MULTIPLE`.
            copied: B×3×H×W in [0, 1], the photo with its holes filled by patches of it.
            coarse: B×3×H×W in [0, 1], the same at half the scale, enlarged.
            known: B×1×H×W, 1 = known, 0 = hole.

        Returns:
            B×3×H×W, about in [0, 1]; only what lies in the holes counts.
        """
        levels = [self.encoder[0](functional.pixel_unshuffle(describe(led, copied, coarse, known), 2))]
        for level in list(self.encoder)[1:]:
            levels.append(level(levels[-1]))
        decoded = [levels.pop()]
        for layer in reversed(self.decoder):
            decoded.append(layer(torch.cat([enlarge(decoded[-1]), levels.pop()], 1)))
        heads = [head(level) for head, level in zip(self.heads, reversed(decoded), strict=True)]
        heads.insert(0, functional.pixel_shuffle(self.fine(decoded[-1]), 2))
        return _weigh([bands(fill) for fill in (led, coarse, copied)], heads)


def describe(led: Tensor, copied: Tensor, coarse: Tensor, known: Tensor) -> Tensor:
    """What the network sees, B×14×H×W: the fills, how far they are apart, the holes, and how deep they are."""
    hole = 1 - known
    apart = [2 * (fill - copied).abs().mean(1, keepdim=True) for fill in (led, coarse)]
    return torch.cat([led - 0.5, copied - 0.5, coarse - 0.5, *apart, hole, holes_nearby(hole)], 1)


def holes_nearby(hole: Tensor) -> Tensor:
    """The share of hole near each pixel, B×2×H×W in [0, 1]: within some 20 pixels, and within some 70."""
    shares = [functional.avg_pool2d(hole, 8)]
    for _ in range(4):
        shares.append(functional.avg_pool2d(shares[-1], 5, 1, 2, count_include_pad=False))
    near_and_far = torch.cat([shares[1], shares[4]], 1)
    return functional.interpolate(near_and_far, scale_factor=8, mode="bilinear", align_corners=False)


def bands(image: Tensor) -> list[Tensor]:
    """Take B×C×H×W apart into `BANDS` bands, fine to coarse, each of half the size; enlarged they add up to it."""
    sizes = [image]
    for _ in range(BANDS - 1):
        sizes.append(functional.avg_pool2d(sizes[-1], 2))
    return [one - enlarge(two) for one, two in pairwise(sizes)] + [sizes[-1]]


def enlarge(x: Tensor) -> Tensor:
    """Twice the height and width, linear in between."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _weigh(fills: list[list[Tensor]], heads: list[Tensor]) -> Tensor:
    """Add up the bands of the fills, as the heads say.

    Args:
        fills: bands of the network's fill, of the coarse copy and of the copy, fine to coarse.
        heads: for each band B×6×h×w: the logarithms of two weights over the copy's, a gain, and the colours.
    """
    total: Tensor | None = None
    for index in reversed(range(BANDS)):
        head = heads[index]
        logits = functional.pad(head[:, :2], (0, 0, 0, 0, 0, 1))
        weights = functional.softmax(logits, 1)[:, :, None]
        band = (weights * torch.stack([fill[index] for fill in fills], 1)).sum(1)
        if total is not None:
            band = 2 * torch.sigmoid(head[:, 2:3]) * band
        band = band + OWN_SHARE * head[:, 3:]
        total = band if total is None else enlarge(total) + band
    assert total is not None
    return total
