"""The pyramid fill: a hole filled from ever coarser averages of what is known around it, with nothing to learn.

Known pixels are averaged down a pyramid with the mask rule of the partial convolution (the mean of the known
pixels among 2x2; known if any of them is). On the way back up, holes take the bilinearly interpolated coarser
level and are smoothed by a few Jacobi steps. It is a partial convolution with fixed kernels: exact at known
pixels, differentiable, exportable. The idea is the pull-push of Gortler et al. 1996, "The Lumigraph", section 3.4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from onar.array_fill import SMOOTHING_STEPS


def pyramid_fill(photo: Tensor, known: Tensor) -> Tensor:
    """Fill the holes of a photo.

    Args:
        photo: B x C x H x W in [0, 1], any size; values in holes do not matter as long as they are finite.
        known: B x 1 x H x W, 1 = known, 0 = hole.

    Returns:
        B x C x H x W in float32; known pixels are the photo's own. With nothing known at all: mid-grey.
    """
    with torch.autocast(photo.device.type, enabled=False):
        known = known.to(photo.dtype)
        return _fill(photo * known, known)


def _fill(photo: Tensor, known: Tensor) -> Tensor:
    """Fill one level; `photo` is 0 in its holes."""
    height, width = photo.shape[-2:]
    if height == 1 and width == 1:
        return photo + 0.5 * (1 - known)
    coarse = _fill(*_halve(photo, known))
    filled = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    filled = photo + (1 - known) * filled[..., :height, :width]
    for _ in range(SMOOTHING_STEPS):
        filled = photo + (1 - known) * _neighbours(filled)
    return filled


def _halve(photo: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Average the known pixels of each 2x2 block; an odd side is padded with hole."""
    padding = (0, photo.shape[-1] % 2, 0, photo.shape[-2] % 2)
    photo, known = functional.pad(photo, padding), functional.pad(known, padding)
    share = functional.avg_pool2d(known, 2)
    # A block knows 0, 1/4, ... of its pixels, so the clamp only meets blocks that know nothing.
    return functional.avg_pool2d(photo, 2) / share.clamp(min=0.25), (share > 0).to(photo.dtype)


def _neighbours(x: Tensor) -> Tensor:
    """Weighted mean of the eight neighbours, weights 1 2 1 / 2 0 2 / 1 2 1 over 12, edges replicated."""
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:] - 4 * x) / 12


class PyramidFill(nn.Module):
    """`pyramid_fill` with the call of a generator; it has no parameters."""

    def forward(self, photo: Tensor, known: Tensor) -> Tensor:
        """Fill the holes of `photo`, B x C x H x W in [0, 1]; see `pyramid_fill`."""
        return pyramid_fill(photo, known)

    @property
    def architecture(self) -> dict[str, int | str]:
        """What `GENERATORS` needs to build this network again."""
        return {"generator": "PyramidFill"}
