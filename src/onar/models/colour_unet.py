"""ColourUNet: which colours a hole has, in cells of 8×8 pixels.

Half of the squared error of a fill is in its colours over some ten pixels, which take a wide view and few pixels to
tell. So a network of their own sees the photo as means of cells: a 256-pixel photo is 32×32 of them, and what is read
from one end of it to the other takes a few milliseconds. Few cells are wholly hole, and in all others a mean is known
for a part, so plain convolutions take the share that is known as a channel where the U-Net at full size has partial
ones. It is a U-Net of residual blocks (He et al. 2016, "Identity Mappings in Deep Residual Networks", activation
first) that corrects the pyramid fill of the cells.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from onar.models.pyramid_fill import pyramid_fill
from onar.weights.numbers import CELL, LEAST_SHARE

SEEN = 4 * 4 + 3
"""Channels that the network sees, see `describe_cells`."""


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, each after a GELU, beside a shortcut; the first may halve the sides.

    Args:
        in_channels: of what comes in.
        out_channels: of what goes out.
        stride: of the first convolution.
        hidden: channels between the two; 0 for those that go out.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, hidden: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, hidden or out_channels, 3, stride, 1)
        self.second = nn.Conv2d(hidden or out_channels, out_channels, 3, padding=1)
        same = in_channels == out_channels and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)
        self.stride = stride
        with torch.no_grad():  # blocks start near their shortcuts, which norms would see to elsewhere
            self.second.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """B×C×H×W in, B×C'×H×W or B×C'×H/2×W/2 out."""
        hidden = functional.gelu(self.first(functional.gelu(x)))
        # A strided 1×1 convolution, taken apart: with few channels and AVX2 alone, the gradients of oneDNN's own are
        # written past the end of their memory.
        seen = x[..., :: self.stride, :: self.stride]
        result: Tensor = self.shortcut(seen) + self.second(hidden)
        return result


class ColourUNet(nn.Module):
    """Tells the mean colours of cells, known or not.

    Args:
        channels: of the first level; the next three have 2, 10/3 and 14/3 as many.
    """

    def __init__(self, channels: int = 48) -> None:
        super().__init__()
        self.channels = channels
        widths = [channels, 2 * channels, 10 * channels // 3, 14 * channels // 3]
        self.first = nn.Conv2d(SEEN, channels, 3, padding=1)
        self.encoder = nn.ModuleList([ResidualBlock(channels, channels)])
        self.encoder.extend(ResidualBlock(one, two, stride=2) for one, two in pairwise(widths))
        # Narrow inside: at full width it would hold a quarter of all weights.
        self.middle = ResidualBlock(widths[-1], widths[-1], hidden=widths[1])
        self.joins = nn.ModuleList(nn.Conv2d(low + skip, skip, 3, padding=1) for skip, low in pairwise(widths))
        self.decoder = nn.ModuleList(ResidualBlock(width, width) for width in widths[:-1])
        self.last = nn.Conv2d(channels, 3, 3, padding=1)
        with torch.no_grad():  # an untrained network answers with the pyramid fill, nearly
            self.last.weight.mul_(0.1)
            self.last.bias.zero_()  # type: ignore[union-attr]

    def forward(self, photo: Tensor, known: Tensor, cell: int = CELL) -> Tensor:
        """Tell the colours.

        Args:
            photo: B×3×H×W in [0, 1], 0 in its holes; H and W are multiples of `COLOUR_MULTIPLE`.
            known: B×1×H×W, 1 = known, 0 = hole.
            cell: side of a cell in pixels. Photos of half the size with half of `CELL` are seen the same: training
                takes them, which costs a quarter.

        Returns:
            B×3×H/cell×W/cell, about in [0, 1].
        """
        quarters, fill = describe_cells(photo, known, cell)
        return self.correct(quarters, fill)

    def correct(self, quarters: Tensor, fill: Tensor) -> Tensor:
        """Tell the colours by what `describe_cells` returns."""
        x = self.first(torch.cat([quarters, fill - 0.5], 1))
        levels = []
        for block in self.encoder:
            x = block(x)
            levels.append(x)
        x = self.middle(levels.pop())
        # Written out, because TorchScript takes the modules of a list by such numbers alone.
        x = self.decoder[2](self.joins[2](_beside(x, levels[2])))
        x = self.decoder[1](self.joins[1](_beside(x, levels[1])))
        x = self.decoder[0](self.joins[0](_beside(x, levels[0])))
        colours: Tensor = fill + self.last(functional.gelu(x))
        return colours


def _beside(low: Tensor, skip: Tensor) -> Tensor:
    """Enlarged to its size, beside a level of the encoder."""
    return torch.cat([functional.interpolate(low, scale_factor=2.0, mode="nearest"), skip], 1)


def describe_cells(photo: Tensor, known: Tensor, cell: int) -> tuple[Tensor, Tensor]:
    """What the network sees.

    Args:
        photo: B×3×H×W in [0, 1], 0 in its holes.
        known: B×1×H×W.
        cell: side of a cell in pixels, an even number that divides H and W.

    Returns:
        For each of the four quarters of a cell what is known of it, B×16×H/cell×W/cell: the mean less 0.5, 0 where
        nothing is known, and the share known. And the pyramid fill of the cells, B×3×H/cell×W/cell.
    """
    # TorchScript knows autocast for one kind of device only.
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        return _describe_cells(photo, known, cell)
    else:
        with torch.autocast(photo.device.type, enabled=False):
            return _describe_cells(photo, known, cell)


def _describe_cells(photo: Tensor, known: Tensor, cell: int) -> tuple[Tensor, Tensor]:
    mean, share, is_known = known_means(photo, known, cell // 2)
    quarters = functional.pixel_unshuffle(torch.cat([(mean - 0.5) * is_known, share], 1), 2)
    mean, _, is_known = known_means(photo, known, cell)
    return quarters, pyramid_fill(mean, is_known)


def known_means(
    photo: Tensor, known: Tensor, side: int, least_share: float = LEAST_SHARE
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean of the known pixels in each square of so many pixels a side, the share they are, and 1 where there are any.

    A photo's values in holes are 0, and so are means of nothing.
    """
    share = functional.avg_pool2d(known, side)
    mean = functional.avg_pool2d(photo, side) / share.clamp(min=least_share)
    return mean, share, (share > 0).to(photo.dtype)
