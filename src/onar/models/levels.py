"""The levels of `PConvUNet`: partial convolution, batch norm, activation (Liu et al. 2018, section 3.2, appendix)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from onar.models.batch_norm import BatchNorm
from onar.models.partial_conv import PartialConv2d, UpPartialConv2d


class EncoderLevel(nn.Module):
    """Stride-2 partial convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, normalise: bool) -> None:
        super().__init__()
        self.conv = PartialConv2d(
            in_channels, out_channels, kernel_size, stride=2, padding=kernel_size // 2, bias=not normalise
        )
        self.normalises = normalise
        self.norm = BatchNorm(out_channels) if normalise else nn.Identity()
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """B×C×H×W, 0 in its holes -> B×C'×H/2×W/2, again 0 in its holes, and its known map."""
        y, known = self.conv.convolve([x], [known])  # B×C'×H/2×W/2, B×1×H/2×W/2
        if self.normalises:  # batch norm shifts holes, so they become 0 again
            y = self.norm(y).mul_(known.to(y.dtype))
        return functional.relu(y, inplace=True), known


class DecoderLevel(nn.Module):
    """Partial convolution over concat[up(low), skip]; batch norm and LeakyReLU except in the last level."""

    def __init__(self, low_channels: int, skip_channels: int, out_channels: int, *, last: bool) -> None:
        super().__init__()
        self.conv = UpPartialConv2d(low_channels, skip_channels, out_channels, bias=last)
        self.normalises = not last
        self.norm = nn.Identity() if last else BatchNorm(out_channels)
        self.activation = nn.Identity() if last else nn.LeakyReLU(0.2, inplace=True)
        if not last:  # the last level keeps torch's smaller weights: an untrained network answers grey, not noise
            nn.init.kaiming_normal_(self.conv.weight, a=0.2)

    def forward(self, low: Tensor, known_low: Tensor, skip: Tensor, known_skip: Tensor) -> tuple[Tensor, Tensor]:
        """B×C1×H×W and B×C2×2H×2W, both 0 in their holes -> B×C'×2H×2W and its known map."""
        y, known = self.conv.convolve([low, skip], [known_low, known_skip])  # B×C'×2H×2W, B×1×2H×2W
        if self.normalises:
            y = self.norm(y).mul_(known.to(y.dtype))
        return self.activation(y), known
