"""TextureBlend: a small U-Net that blends three fills: a generator's and two of patches copied from the photo.

Each fill is decomposed into a Laplacian pyramid, and each band is a weighted sum with weights per pixel, as in Burt &
Adelson 1983, "A Multiresolution Spline With Application to Image Mosaics". Colours and large shapes come mostly from
the generator, texture from the patches; those copied at half the scale follow larger shapes, and where both copies
agree they are more likely right. A mean of unrelated textures has less contrast than each, so each band has a gain, too
(Heitz & Neyret 2018, "High-Performance By-Example Noise using a Histogram-Preserving Blending Operator", section 3,
divide by the norm of the weights; here it is learned). A small residual at each band repairs seams.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from onar.weights.metadata import BLEND, FILLS

INPUT_CHANNELS = 14
"""Channels of the U-Net's input: the fills, their differences, the holes, and the share of holes near."""

BANDS = 5  # levels of the Laplacian pyramids
RESIDUAL_SCALE = 0.1  # scale of the network's own residual, so that training starts near none

FIRST_WEIGHTS = ((0.23, 0.02), (0.31, 0.1), (0.45, 0.1), (0.65, 0.1), (0.65, 0.15))
"""Initial weights of the generator's fill and of the coarse patches in each band, fine to coarse; patches have the
rest."""


class Layer(nn.Sequential):
    """3×3 convolution and LeakyReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(in_channels, out_channels, 3, stride, 1), nn.LeakyReLU(0.1, inplace=True))


class TextureBlend(nn.Module):
    """Blends three fills of the same holes.

    Args:
        base_channels: of the first level, which has half the photo's size; the deeper ones have more.

    >>> fills = [torch.rand(1, 3, 32, 48) for _ in range(3)]
    >>> TextureBlend(base_channels=4)(*fills, torch.zeros(1, 1, 32, 48)).shape
    torch.Size([1, 3, 32, 48])
    """

    def __init__(self, base_channels: int = 32) -> None:
        super().__init__()
        self.base_channels = base_channels
        widths = [base_channels, 3 * base_channels // 2, 2 * base_channels, 2 * base_channels]
        # the first level takes 2×2 pixels as channels: convolutions at full size cost the most and see the least.
        self.encoder = nn.ModuleList([Layer(4 * INPUT_CHANNELS, widths[0])])
        self.encoder.extend(nn.Sequential(Layer(one, two, stride=2), Layer(two, two)) for one, two in pairwise(widths))
        self.decoder = nn.ModuleList(Layer(low + skip, skip) for skip, low in pairwise(widths))
        # for each band two weights, a gain and three colours; four pixels of the finest are one of the first level.
        self.heads = nn.ModuleList(nn.Conv2d(width, 6, 3, padding=1) for width in widths)
        self.fine = nn.Sequential(Layer(widths[0], widths[0]), nn.Conv2d(widths[0], 4 * 6, 3, padding=1))
        self._start_near_fixed_weights()

    @property
    def architecture(self) -> dict[str, Any]:
        """Name and arguments, which travel with the weights."""
        return {"network": BLEND, "fills": FILLS, "base_channels": self.base_channels}

    @torch.no_grad()
    def _start_near_fixed_weights(self) -> None:
        last_layers = [self.fine[1], *self.heads]
        for layer, (network, coarse) in zip(last_layers, FIRST_WEIGHTS, strict=True):
            layer.weight.mul_(0.1)
            layer.bias.zero_()
            logits = (torch.tensor([network, coarse]) / (1 - network - coarse)).log()
            layer.bias.view(6, -1)[:2] = logits[:, None]

    def forward(self, network: Tensor, patches: Tensor, coarse_patches: Tensor, known: Tensor) -> Tensor:
        """Blend.

        Args:
            network: B×3×H×W in [0, 1], the photo with its holes filled by a generator; H and W are multiples of 16.
            patches: B×3×H×W in [0, 1], the photo with its holes filled by patches of it.
            coarse_patches: B×3×H×W in [0, 1], the same at half the scale, enlarged.
            known: B×1×H×W, 1 = known, 0 = hole.

        Returns:
            B×3×H×W, about in [0, 1]; only the pixels in holes are of use.
        """
        # Encoder.
        x = describe(network, patches, coarse_patches, known)  # B×14×H×W
        levels = [self.encoder[0](functional.pixel_unshuffle(x, 2))]  # B×C×H/2×W/2
        for level in list(self.encoder)[1:]:
            levels.append(level(levels[-1]))  # B×C'×H/4×W/4, and so on
        # Decoder.
        decoded = [levels.pop()]
        for layer in reversed(self.decoder):
            decoded.append(layer(torch.cat([enlarge(decoded[-1]), levels.pop()], 1)))  # ..., B×C×H/2×W/2
        # Weights, gain and residual of each band.
        heads = [head(level) for head, level in zip(self.heads, reversed(decoded), strict=True)]  # B×6×H/2×W/2, ...
        heads.insert(0, functional.pixel_shuffle(self.fine(decoded[-1]), 2))  # B×6×H×W
        return _blend([bands(fill) for fill in (network, coarse_patches, patches)], heads)  # B×3×H×W


def describe(network: Tensor, patches: Tensor, coarse_patches: Tensor, known: Tensor) -> Tensor:
    """The U-Net's input, B×14×H×W: the fills, their differences, the holes, and the share of holes near."""
    hole = 1 - known
    differences = [2 * (fill - patches).abs().mean(1, keepdim=True) for fill in (network, coarse_patches)]
    fills = [network - 0.5, patches - 0.5, coarse_patches - 0.5]
    return torch.cat([*fills, *differences, hole, holes_nearby(hole)], 1)


def holes_nearby(hole: Tensor) -> Tensor:
    """Share of holes near each pixel, B×2×H×W in [0, 1]: within about 20 pixels, and within about 70."""
    shares = [functional.avg_pool2d(hole, 8)]
    for _ in range(4):
        shares.append(functional.avg_pool2d(shares[-1], 5, 1, 2, count_include_pad=False))
    near_and_far = torch.cat([shares[1], shares[4]], 1)
    return functional.interpolate(near_and_far, scale_factor=8, mode="bilinear", align_corners=False)


def bands(image: Tensor) -> list[Tensor]:
    """Laplacian pyramid of B×C×H×W, fine to coarse, each band of half the size; enlarged they add up to the image.

    >>> [tuple(band.shape[2:]) for band in bands(torch.rand(1, 3, 32, 48))]
    [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
    """
    sizes = [image]
    for _ in range(BANDS - 1):
        sizes.append(functional.avg_pool2d(sizes[-1], 2))
    return [one - enlarge(two) for one, two in pairwise(sizes)] + [sizes[-1]]


def enlarge(x: Tensor) -> Tensor:
    """Twice the height and width, linear in between."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _blend(fills: list[list[Tensor]], heads: list[Tensor]) -> Tensor:
    """Collapse the weighted bands, coarse to fine.

    Args:
        fills: bands of the generator's fill, of the coarse patches and of the patches, fine to coarse.
        heads: for each band B×6×h×w: logits of the first two weights, the third's being 0; of the gain; the residual.
    """
    total: Tensor | None = None
    for index in reversed(range(BANDS)):
        head = heads[index]
        logits = functional.pad(head[:, :2], (0, 0, 0, 0, 0, 1))
        weights = functional.softmax(logits, 1)[:, :, None]
        band = (weights * torch.stack([fill[index] for fill in fills], 1)).sum(1)
        if total is not None:
            band = 2 * torch.sigmoid(head[:, 2:3]) * band
        band = band + RESIDUAL_SCALE * head[:, 3:]
        total = band if total is None else enlarge(total) + band
    assert total is not None
    return total
