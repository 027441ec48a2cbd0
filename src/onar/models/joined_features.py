"""JoinedFeatures: feature maps that an image classifier has of the filled photo, for the levels of a decoder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from onar.models.lite_encoder import MAP_CHANNELS, LiteEncoder


class JoinedFeatures(nn.Module):
    """Feature maps of a `LiteEncoder`, each through a 1×1 convolution.

    The convolutions are zero at first, so that a network with them starts as the one without.

    Args:
        widths: channels of the decoder's maps at 1/2, 1/4, ... of the photo's sides.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        levels = min(len(widths), len(MAP_CHANNELS))
        self.encoder = LiteEncoder(levels)
        joins = [nn.Conv2d(MAP_CHANNELS[i], widths[i], 1) for i in range(levels)]
        for join in joins:
            for weight in join.parameters():
                nn.init.zeros_(weight)
        self.joins = nn.ModuleList(joins)

    def forward(self, fill: Tensor) -> list[Tensor]:
        """Filled photo B×3×H×W in [0, 1] -> a map for each level, finest first: B×C×H/2×W/2, ..."""
        maps: list[Tensor] = self.encoder(fill)
        joined: list[Tensor] = []
        for level, join in enumerate(self.joins):
            joined.append(join(maps[level]))
        return joined
