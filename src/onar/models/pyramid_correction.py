"""The learned correction of the pyramid fill, at full resolution (docs/mathematics.md)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from onar.models.pyramid_fill import pyramid_fill

HEAD_CHANNELS = 16  # channels of the decoder's output and between the two convolutions


class PyramidCorrection(nn.Sequential):
    """Pyramid fill plus a correction: two 3×3 convolutions over the decoder's output, the fill and the known map.

    The last convolution is zero at first, so that training starts from the fill.

    Args:
        channels: of the photos.
        window: side in pixels of the window whose hole share scales the correction, an odd number; 0: no scaling.

    Raises:
        ValueError: `window` is neither 0 nor odd.

    >>> correction = PyramidCorrection(channels=3)
    >>> correction(torch.rand(1, 16, 8, 8), torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8)).shape
    torch.Size([1, 3, 8, 8])
    """

    def __init__(self, channels: int, window: int = 0) -> None:
        if window and (window < 0 or window % 2 == 0):
            raise ValueError(f"correction_window must be 0 or an odd number of pixels, not {window}")
        last = nn.Conv2d(HEAD_CHANNELS, channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        first = nn.Conv2d(HEAD_CHANNELS + channels + 1, HEAD_CHANNELS, 3, padding=1)
        super().__init__(first, nn.LeakyReLU(0.2, inplace=True), last)
        self.window = window

    def forward(self, decoded: Tensor, photo: Tensor, known: Tensor) -> Tensor:  # type: ignore[override]
        """Complete a photo, B×C×H×W, from the decoder's output, B×16×H×W; it may exceed [0, 1]."""
        fill = pyramid_fill(photo, known)  # B×C×H×W
        x = torch.cat([decoded, fill.to(decoded.dtype), known.to(decoded.dtype)], dim=1)  # B×(16 + C + 1)×H×W
        for layer in self:
            x = layer(x)  # B×16×H×W, then B×C×H×W
        if self.window:
            x = x * hole_share(known, self.window)
        corrected: Tensor = fill + x
        return corrected


def hole_share(known: Tensor, window: int) -> Tensor:
    """Share of holes in a square window around each pixel, B×1×H×W; outside the photo is a hole.

    >>> hole_share(torch.ones(1, 1, 3, 3), 3)[0, 0, 1, 1]
    tensor(0.)
    """
    rows = functional.avg_pool2d(known, (1, window), stride=1, padding=(0, window // 2))
    return 1 - functional.avg_pool2d(rows, (window, 1), stride=1, padding=(window // 2, 0))
