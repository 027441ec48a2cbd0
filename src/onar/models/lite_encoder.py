"""LiteEncoder: the convolutions of EfficientNet-Lite0 (Tan & Le 2019, "EfficientNet"), an image classifier.

Its feature maps describe to a generator the content of a photo. The Lite variants have ReLU6 and no
squeeze-and-excitation; batch norm is folded into the convolutions. Weights of ImageNet are those of
`onar.metrics.feature_networks`.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

STEM_CHANNELS = 32


class BlockShape(NamedTuple):
    """An inverted residual block: output channels, kernel size, stride, and hidden channels for each input channel."""

    channels: int
    kernel_size: int
    stride: int = 1
    expansion: int = 6


BLOCKS = (
    *(BlockShape(16, 3, expansion=1), BlockShape(24, 3, 2), BlockShape(24, 3)),
    *(BlockShape(40, 5, 2), BlockShape(40, 5)),
    *(BlockShape(80, 3, 2), BlockShape(80, 3), BlockShape(80, 3)),
    *(BlockShape(112, 5), BlockShape(112, 5), BlockShape(112, 5)),
    *(BlockShape(192, 5, 2), BlockShape(192, 5), BlockShape(192, 5), BlockShape(192, 5), BlockShape(320, 3)),
)
MAP_AFTER = (0, 3, 5, 11, 16)
"""Blocks before each feature map: after the stem, and before every further stride."""

MAP_CHANNELS = (STEM_CHANNELS, *(BLOCKS[count - 1].channels for count in MAP_AFTER[1:]))
"""Channels of the maps at 1/2, 1/4, ... of the photo's sides."""

MAP_DEVIATIONS = (1.8, 9.0, 7.7, 6.6, 2.9)
"""Standard deviation of each map on photos, by which it is divided."""


class InvertedResidual(nn.Module):
    """1×1 expansion, depthwise convolution and 1×1 projection, with a shortcut where the shape stays."""

    def __init__(self, in_channels: int, shape: BlockShape) -> None:
        super().__init__()
        hidden = in_channels * shape.expansion
        self.expand = nn.Conv2d(in_channels, hidden, 1) if shape.expansion > 1 else nn.Identity()
        self.expands = shape.expansion > 1
        self.depthwise = nn.Conv2d(hidden, hidden, shape.kernel_size, shape.stride, groups=hidden)
        self.project = nn.Conv2d(hidden, shape.channels, 1)
        self.padding = same_padding(shape.kernel_size, shape.stride)
        self.adds = shape.stride == 1 and in_channels == shape.channels

    def forward(self, x: Tensor) -> Tensor:
        """B×C×H×W -> B×C'×H/stride×W/stride."""
        hidden = functional.relu6(self.expand(x)) if self.expands else x
        hidden = functional.relu6(self.depthwise(functional.pad(hidden, self.padding)))
        result: Tensor = self.project(hidden)
        return result + x if self.adds else result


class LiteEncoder(nn.Module):
    """Feature maps of a photo.

    Args:
        levels: number of the maps, at 1/2, 1/4, ... of the sides; at most as many as `MAP_CHANNELS`.

    >>> import torch
    >>> [one.shape[1] for one in LiteEncoder(levels=3)(torch.rand(1, 3, 32, 32))]
    [32, 24, 40]
    """

    def __init__(self, levels: int = len(MAP_CHANNELS)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM_CHANNELS, 3, 2)
        self.padding, self.deviations = same_padding(3, 2), list(MAP_DEVIATIONS)
        channels = [STEM_CHANNELS, *(shape.channels for shape in BLOCKS)]
        blocks = [InvertedResidual(channels[i], shape) for i, shape in enumerate(BLOCKS)]
        ends = MAP_AFTER[:levels]
        self.block_count = ends[-1]
        self.stages = nn.ModuleList(
            nn.Sequential(*blocks[start:end]) for start, end in zip((0, *ends[:-1]), ends, strict=True)
        )

    def forward(self, photo: Tensor) -> list[Tensor]:
        """Photo B×3×H×W in [0, 1], sides multiples of 2^levels -> the maps, each with deviations near 1."""
        x = functional.pad((photo * 255 - 127) / 128, self.padding)
        x = functional.relu6(self.stem(x))
        maps: list[Tensor] = []
        for level, stage in enumerate(self.stages):
            x = stage(x)
            maps.append(x / self.deviations[level])
        return maps


def same_padding(kernel_size: int, stride: int) -> list[int]:
    """Left, right, top and bottom padding of TensorFlow's SAME, for sides that the stride divides.

    >>> same_padding(5, 2)
    [1, 2, 1, 2]
    """
    total = kernel_size - stride
    return 2 * [total // 2, total - total // 2]
