"""Discriminators: 4×4 convolutions with LeakyReLU 0.2 that distinguish photos from composites.

The global one reduces the whole photo to one prediction; the local one judges overlapping 70-pixel patches
(PatchGAN: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks", appendix 6.1.2).
Neither normalises: batch statistics would couple the real and the fake half of a batch.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

VARIANTS = ("global", "local")


class Discriminator(nn.Module):
    """PatchGAN discriminator.

    Args:
        img_size: side of the photos in pixels, or (height, width). The global variant has as many stride-2 stages
            as it takes to reduce the shorter side to one prediction: 9 for 512.
        base_channels: channels of the first stage; further stages have 2, 4 and at most 8 times as many.
        variant: "global" or "local".
        channels: of the photos.

    Raises:
        ValueError: `variant` is not one of `VARIANTS`.

    >>> import torch
    >>> Discriminator(64, base_channels=4)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 1, 1, 1])
    """

    def __init__(
        self,
        img_size: int | tuple[int, int] = 512,
        base_channels: int = 64,
        variant: str = "global",
        *,
        channels: int = 3,
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {variant!r}")
        shorter = img_size if isinstance(img_size, int) else min(img_size)
        strides = [2] * (shorter.bit_length() - 1) if variant == "global" else [2, 2, 2, 1, 1]
        widths = [channels, *(base_channels * min(2**stage, 8) for stage in range(len(strides) - 1)), 1]
        layers: list[nn.Module] = []
        for (in_channels, out_channels), stride in zip(pairwise(widths), strides, strict=True):
            conv = nn.Conv2d(in_channels, out_channels, 4, stride=stride, padding=1)
            # without normalisation, torch's default weights would shrink the signal at every stage.
            nn.init.kaiming_normal_(conv.weight, a=0.2)
            layers += [conv, nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, photo: Tensor) -> Tensor:
        """B×C×H×W in [0, 1] -> logits, B×1×h×w: 1×1 for a square photo and the global variant."""
        logits: Tensor = self.layers(photo * 2 - 1)
        return logits
