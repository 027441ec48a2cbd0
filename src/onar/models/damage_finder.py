"""DamageFinder: a small U-Net that finds damage, the probability of each pixel to be scratch or dust.

It must be cheap, as it looks at whole photos: the pixels of 2×2 become channels, so the widest level has a quarter of
the photo's pixels, and dilated convolutions (Yu & Koltun 2016, "Multi-Scale Context Aggregation by Dilated
Convolutions") at a sixteenth of the resolution see 300 pixels far: whether a line goes on as a wire or ends as a
scratch.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from onar.models.batch_norm import BatchNorm

FINDER_MULTIPLE = 16
"""Heights and widths are multiples of it."""
CHANNELS = 2  # scratches and dust
WIDTHS = (32, 48, 64, 80)  # channels at 1/2, 1/4, 1/8 and 1/16 of the resolution
DILATIONS = (1, 2, 4, 2)  # of the residual convolutions at the lowest resolution
RARE = -4.0  # first logit: few pixels are damaged


class ConvNormReLU(nn.Module):
    """A convolution without bias, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride, dilation, dilation, bias=False)
        self.norm = BatchNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """B×C×H×W -> B×C'×H/stride×W/stride."""
        return functional.relu(self.norm(self.conv(x)))


class DamageFinder(nn.Module):
    """Finds scratches and dust.

    Args:
        widths: channels at 1/2, 1/4, 1/8 and 1/16 of the resolution.

    >>> import torch
    >>> DamageFinder().eval()(torch.rand(1, 3, 32, 48)).shape
    torch.Size([1, 2, 32, 48])
    """

    def __init__(self, widths: tuple[int, int, int, int] = WIDTHS) -> None:
        super().__init__()
        self.widths = widths
        half, quarter, eighth, sixteenth = widths
        self.first = ConvNormReLU(12, half)
        self.encoder = nn.ModuleList(
            [
                nn.Sequential(ConvNormReLU(half, half)),
                nn.Sequential(ConvNormReLU(half, quarter, stride=2), ConvNormReLU(quarter, quarter)),
                nn.Sequential(ConvNormReLU(quarter, eighth, stride=2), ConvNormReLU(eighth, eighth)),
                nn.Sequential(ConvNormReLU(eighth, sixteenth, stride=2)),
            ]
        )
        self.context = nn.ModuleList(ConvNormReLU(sixteenth, sixteenth, dilation=dilation) for dilation in DILATIONS)
        self.narrow = nn.ModuleList(
            nn.Conv2d(low, high, 1) for low, high in ((sixteenth, eighth), (eighth, quarter), (quarter, half))
        )
        self.decoder = nn.ModuleList(ConvNormReLU(width, width) for width in (eighth, quarter, half))
        self.last = nn.Conv2d(half, 4 * CHANNELS, 3, padding=1)
        nn.init.constant_(self.last.bias, RARE)  # type: ignore[arg-type]

    def forward(self, photo: Tensor) -> Tensor:
        """Logits.

        Args:
            photo: B×3×H×W, RGB in [0, 1]; H and W are multiples of `FINDER_MULTIPLE`.

        Returns:
            B×2×H×W, scratches and dust; their sigmoids are probabilities.
        """
        x = self.first(functional.pixel_unshuffle(photo - 0.5, 2))  # B×32×H/2×W/2
        levels = []
        for block in self.encoder:
            x = block(x)  # B×C×H/2^level×W/2^level
            levels.append(x)
        x = levels.pop()  # B×80×H/16×W/16
        for layer in self.context:
            x = x + layer(x)
        for narrow, layer in zip(self.narrow, self.decoder, strict=True):
            x = functional.interpolate(narrow(x), scale_factor=2.0, mode="nearest") + levels.pop()
            x = layer(x)
        return functional.pixel_shuffle(self.last(x), 2)  # B×2×H×W
