"""ColourUNet: low-resolution colour predictor, one colour for each cell of 8×8 pixels.

Half of a fill's squared error is in colours that change over ten pixels or more; they need a large receptive field and
little resolution. So a separate network sees means of cells: a 256-pixel photo is 32×32 of them, which takes a few
milliseconds. Few cells are wholly hole, so plain convolutions with the known share as a channel replace the partial
ones. It is a U-Net of residual blocks (He et al. 2016, "Identity Mappings in Deep Residual Networks", activation
first) that corrects the pyramid fill of the cells.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from onar.models.pyramid_fill import pyramid_fill

CELL = 8  # side of a cell in pixels
LEVELS = 4  # of the U-Net; each halves the sides
COLOUR_MULTIPLE = CELL << (LEVELS - 1)  # heights and widths are multiples of it
MIN_SHARE = 1e-3  # less than the share of one known pixel in a cell; it keeps divisions from 0
INPUT_CHANNELS = 4 * 4 + 3  # channels of the network's input, see `describe_cells`


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions after GELUs, with a shortcut. The first may halve sides; `hidden`: channels between."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, hidden: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, hidden or out_channels, 3, stride, 1)
        self.second = nn.Conv2d(hidden or out_channels, out_channels, 3, padding=1)
        same = in_channels == out_channels and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)
        self.stride = stride
        with torch.no_grad():  # blocks start near their shortcuts, as there are no norms
            self.second.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """B×C×H×W -> B×C'×H/stride×W/stride."""
        hidden = functional.gelu(self.first(functional.gelu(x)))  # B×hidden×H/stride×W/stride
        # the stride apart from its 1×1 convolution: with few channels and AVX2 alone, oneDNN writes the gradients of
        # the two in one past the end of their memory.
        strided = x[..., :: self.stride, :: self.stride]  # B×C×H/stride×W/stride
        result: Tensor = self.shortcut(strided) + self.second(hidden)  # B×C'×H/stride×W/stride
        return result


class ColourUNet(nn.Module):
    """Predicts the mean colours of all cells.

    Args:
        channels: of the first level; the next three have 2, 10/3 and 14/3 as many.

    >>> network = ColourUNet(channels=6)
    >>> network(torch.rand(1, 3, 64, 128), torch.ones(1, 1, 64, 128)).shape
    torch.Size([1, 3, 8, 16])
    """

    def __init__(self, channels: int = 48) -> None:
        super().__init__()
        self.channels = channels
        widths = [channels, 2 * channels, 10 * channels // 3, 14 * channels // 3]
        self.first = nn.Conv2d(INPUT_CHANNELS, channels, 3, padding=1)
        self.encoder = nn.ModuleList([ResidualBlock(channels, channels)])
        self.encoder.extend(ResidualBlock(one, two, stride=2) for one, two in pairwise(widths))
        # narrow inside: at full width it would hold a quarter of all weights.
        self.middle = ResidualBlock(widths[-1], widths[-1], hidden=widths[1])
        self.joins = nn.ModuleList(nn.Conv2d(low + skip, skip, 3, padding=1) for skip, low in pairwise(widths))
        self.decoder = nn.ModuleList(ResidualBlock(width, width) for width in widths[:-1])
        self.last = nn.Conv2d(channels, 3, 3, padding=1)
        with torch.no_grad():  # training starts near the pyramid fill
            self.last.weight.mul_(0.1)
            self.last.bias.zero_()  # type: ignore[union-attr]

    def forward(self, photo: Tensor, known: Tensor, cell: int = CELL) -> Tensor:
        """Predict the colours.

        Args:
            photo: B×3×H×W in [0, 1], 0 in its holes; H and W are multiples of `COLOUR_MULTIPLE`.
            known: B×1×H×W, 1 = known, 0 = hole.
            cell: side of a cell in pixels. Photos of half the size with half of `CELL` look the same: training uses
                them at a quarter of the cost.

        Returns:
            B×3×H/cell×W/cell, about in [0, 1].
        """
        quarters, fill = describe_cells(photo, known, cell)  # B×16×h×w, B×3×h×w
        return self.correct(quarters, fill)

    def correct(self, quarters: Tensor, fill: Tensor) -> Tensor:
        """Predict the colours, B×3×h×w, from the two results of `describe_cells`."""
        x = self.first(torch.cat([quarters, fill - 0.5], 1))  # B×C×h×w
        levels = []
        for block in self.encoder:
            x = block(x)  # B×C'×h/2^level×w/2^level
            levels.append(x)
        x = self.middle(levels.pop())  # B×14C/3×h/8×w/8
        # written out, because TorchScript indexes a list of modules by constants only.
        x = self.decoder[2](self.joins[2](_enlarge_and_join(x, levels[2])))  # B×10C/3×h/4×w/4
        x = self.decoder[1](self.joins[1](_enlarge_and_join(x, levels[1])))  # B×2C×h/2×w/2
        x = self.decoder[0](self.joins[0](_enlarge_and_join(x, levels[0])))  # B×C×h×w
        colours: Tensor = fill + self.last(functional.gelu(x))  # B×3×h×w
        return colours

    def correction(self, photo: Tensor, known: Tensor, completed: Tensor, cell: int = CELL) -> Tensor:
        """Difference to a completed photo, B×3×H×W, that moves the means of cells to the predicted colours.

        Each moves by the share of its cell that is hole.
        """
        means = functional.avg_pool2d(torch.where(known > 0, photo, completed.float()), cell)  # B×3×H/cell×W/cell
        hole_share = 1 - functional.avg_pool2d(known, cell)  # B×1×H/cell×W/cell
        change = hole_share * (self.forward(photo, known).float() - means)
        return functional.interpolate(change, scale_factor=float(cell), mode="bilinear", align_corners=False)


def _enlarge_and_join(low: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([functional.interpolate(low, scale_factor=2.0, mode="nearest"), skip], 1)


def describe_cells(photo: Tensor, known: Tensor, cell: int) -> tuple[Tensor, Tensor]:
    """The network's input.

    Args:
        photo: B×3×H×W in [0, 1], 0 in its holes.
        known: B×1×H×W.
        cell: side of a cell in pixels, an even number that divides H and W.

    Returns:
        The known part of each cell's four quarters, B×16×H/cell×W/cell: the mean less 0.5, 0 where nothing is known,
        and the known share. And the pyramid fill of the cells, B×3×H/cell×W/cell.
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


def known_means(photo: Tensor, known: Tensor, side: int, min_share: float = MIN_SHARE) -> tuple[Tensor, Tensor, Tensor]:
    """Mean of the known pixels in each square of that side, their share, and 1 where there are any.

    A photo's values in holes are 0, and so is the mean of no pixels.
    """
    share = functional.avg_pool2d(known, side)
    mean = functional.avg_pool2d(photo, side) / share.clamp(min=min_share)
    return mean, share, (share > 0).to(photo.dtype)
