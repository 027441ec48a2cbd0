"""The pyramid fill: a hole filled from ever coarser averages of what is known around it, with nothing to learn.

Known pixels are averaged down a pyramid with the mask rule of the partial convolution (the mean of the known
pixels among 2×2; known if any of them is). On the way back up, holes take the bilinearly interpolated coarser
level and are smoothed by a few Jacobi steps. It is a partial convolution with fixed kernels: exact at known
pixels, differentiable, exportable. The idea is the pull-push of Gortler et al. 1996, "The Lumigraph", section 3.4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from onar.fills.pyramid import SMOOTHING_STEPS
from onar.models.partial_conv import hide_holes

SOURCE_SHARE = 0.25  # cells are sources of `fill_unreached` when their known share exceeds this part of the largest


def pyramid_fill(photo: Tensor, known: Tensor, smoothing_steps: int = SMOOTHING_STEPS) -> Tensor:
    """Fill the holes of a photo.

    Args:
        photo: B×C×H×W in [0, 1], any size; what its holes contain does not matter, be it NaN.
        known: B×1×H×W, 1 = known, 0 = hole.
        smoothing_steps: Jacobi steps at each level.

    Returns:
        B×C×H×W in the photo's type; known pixels are the photo's own. With nothing known at all: mid-grey.

    >>> pyramid_fill(torch.full((1, 3, 4, 4), 0.25), torch.eye(4)[None, None])[0, 0, 0, 3]
    tensor(0.2500)
    """
    # TorchScript knows autocast for one kind of device only.
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        return _fill(photo, known.to(photo.dtype), smoothing_steps)
    else:
        with torch.autocast(photo.device.type, enabled=False):
            return _fill(photo, known.to(photo.dtype), smoothing_steps)


def _fill(photo: Tensor, known: Tensor, smoothing_steps: int) -> Tensor:
    """Down to one pixel, and up again."""
    photo = hide_holes(photo, known)
    levels = [(photo, known)]
    while photo.shape[-2] > 1 or photo.shape[-1] > 1:
        photo, known = _halve(photo, known)
        levels.append((photo, known))
    filled = photo + 0.5 * (1 - known)
    for photo, known in levels[-2::-1]:
        larger = functional.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False)
        filled = photo + (1 - known) * larger[..., : photo.shape[-2], : photo.shape[-1]]
        for _ in range(smoothing_steps):
            filled = photo + (1 - known) * _neighbours(filled)
    return filled


def fill_unreached(
    x: Tensor, known: Tensor, known_pixels: Tensor, source_share: float = SOURCE_SHARE
) -> tuple[Tensor, Tensor]:
    """Fill the cells of a network's innermost map that nothing known reaches with means of the cells around them.

    Otherwise the decoder's known maps have an edge, and there the ratios of all levels multiply. The fill is
    `pyramid_fill` without smoothing, from the cells with a known share that is large enough: where a ratio scales up a
    few pixels, values are extreme.

    Args:
        x: B×C×H×W, any size, 0 in cells that are not known.
        known: B×1×H×W, 1 = known.
        known_pixels: B×1×kH×kW, the photo's; a cell lies round the corner of k×k pixels, 2k wide.
        source_share: see `SOURCE_SHARE`.

    Returns:
        x, and a known map of ones. Cells that were known stay bit for bit; a picture without any stays 0 and unknown.
    """
    side = known_pixels.shape[-1] // known.shape[-1]
    share = functional.pad(functional.avg_pool2d(known_pixels, side), (1, 0, 1, 0))
    share = functional.avg_pool2d(share, 2, stride=1)
    largest = share.amax((2, 3), keepdim=True)
    anything = (largest > 0).to(known.dtype)
    filled = pyramid_fill(x, share > source_share * largest, smoothing_steps=0)
    return x + ((1 - known) * anything).to(x.dtype) * filled, anything.expand_as(known)


def _halve(photo: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Average the known pixels of each 2×2 block; an odd side is padded with hole."""
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
    """`pyramid_fill` with the call of a generator; it has no parameters.

    >>> PyramidFill()(torch.rand(1, 3, 7, 5), torch.ones(1, 1, 7, 5)).shape
    torch.Size([1, 3, 7, 5])
    """

    __jit_unused_properties__ = ("architecture",)

    def forward(self, photo: Tensor, known: Tensor) -> Tensor:
        """Fill the holes of `photo`, B×C×H×W in [0, 1]; see `pyramid_fill`."""
        return pyramid_fill(photo, known)

    @property
    def architecture(self) -> dict[str, int | str]:
        """Name and arguments in `GENERATORS`."""
        return {"generator": "PyramidFill"}
