"""Parts that options of `PConvUNet` add around the U-Net: normalised colours, pyramid fill, colour predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from onar.models.colour_unet import COLOUR_MULTIPLE, ColourUNet
from onar.models.pyramid_correction import PyramidCorrection

BASE_FILLS = ("none", "pyramid")


class Wrapping(nn.Module):
    """Input and output of a U-Net, by its options; `PConvUNet` describes them.

    A base class and no part of the network, because the names of weights are those of version 1.0.0.
    """

    if TYPE_CHECKING:  # TorchScript does not know the name of the type
        colour_mean: Tensor
        colour_std: Tensor
    __constants__ = ("normalised",)

    def wrap(
        self, channels: int, base_fill: str, correction_window: int, *, normalised: bool, colour_channels: int
    ) -> None:
        """Add the parts that the options ask for; raises `ValueError` when they contradict each other."""
        if base_fill not in BASE_FILLS:
            raise ValueError(f"base_fill must be one of {', '.join(BASE_FILLS)}, not {base_fill!r}")
        if correction_window and base_fill == "none":
            raise ValueError("correction_window needs a network with base_fill pyramid")
        if normalised and base_fill != "none":
            raise ValueError("normalised is for networks with base_fill none: the pyramid fill is in [0, 1]")
        if colour_channels and channels != 3:
            raise ValueError(f"colour_channels need photos in colour, of 3 channels, not {channels}")
        self.base_fill, self.normalised, self.colour_channels = base_fill, normalised, colour_channels
        self.head = PyramidCorrection(channels, correction_window) if base_fill == "pyramid" else None
        if normalised:
            self.register_buffer("colour_mean", torch.zeros(channels))
            self.register_buffer("colour_std", torch.ones(channels))
        self.colours = ColourUNet(colour_channels) if colour_channels else None

    def enter(self, photo: Tensor, known: Tensor) -> Tensor:
        """The U-Net's input, B×C×H×W, of a photo; both are 0 in holes."""
        if not self.normalised:
            return photo
        return (photo - self.colour_mean[:, None, None]) / self.colour_std[:, None, None] * known

    def leave(self, decoded: Tensor, photo: Tensor, known: Tensor) -> Tensor:
        """The completed photo, B×C×H×W, of the U-Net's output; it may exceed [0, 1]."""
        if self.normalised:
            completed = decoded * self.colour_std[:, None, None] + self.colour_mean[:, None, None]
        elif self.head is None:
            completed = torch.sigmoid(decoded)
        else:
            completed = self.head(decoded, photo, known)
        if self.colours is not None:
            completed = completed + self.colours.correction(photo, known, completed)
        return completed


def padding_step(depth: int, has_colours: bool) -> int:
    """Side in pixels to whose multiples a `PConvUNet` pads photos."""
    return max(1 << depth, COLOUR_MULTIPLE if has_colours else 1)
