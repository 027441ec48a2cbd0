"""Partial convolution: a convolution that looks only at known pixels.

Implements Liu et al. 2018, "Image Inpainting for Irregular Holes Using Partial Convolutions", section 3.1:
x' = W(x * known) * window / sum(known) + b where a window holds anything known, and 0 elsewhere; a window with
anything known is known in the next layer.

All channels of a branch share one B x 1 x H x W known map, so sum(known) over a window is the branch's channel
count times a one-channel box filter. A layer over concatenated branches needs one box filter for each branch,
and no concatenation: a convolution over concat[a, b] is the sum of the convolutions over a and b.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def window_sum(known: Tensor, kernel_size: tuple[int, int], **geometry: Any) -> Tensor:
    """Count the known pixels under each position of a kernel.

    Args:
        known: B x 1 x H x W, 1 = known, 0 = hole.
        kernel_size: height and width of the window.
        **geometry: `stride`, `padding` and `dilation` as `torch.nn.functional.conv2d` takes them.

    Returns:
        B x 1 x H' x W', float32 whatever the autocast state: half precision cannot hold the ratio built on it.
    """
    with torch.autocast(known.device.type, enabled=False):
        known = known if known.dtype == torch.float64 else known.float()
        return functional.conv2d(known, known.new_ones(1, 1, *kernel_size), **geometry)


def renormalise(y: Tensor, total: Tensor, window: int, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Scale a convolution of known pixels up to a full window, then add the bias.

    Args:
        y: B x C x H x W, the convolution of known pixels, without bias.
        total: B x 1 x H x W, known values under each window, all input channels counted.
        window: what `total` is where everything is known: input channels x kernel height x kernel width.
        bias: C values, or none.

    Returns:
        The result (exactly 0 where a window knows nothing) and its known map, B x 1 x H x W.
    """
    known_out = total > 0
    # where + clamp instead of a small epsilon: 1e-8 is 0 in half precision, and inf * 0 is NaN.
    ratio = torch.where(known_out, window / total.clamp(min=1), 0)
    y = y * ratio.to(y.dtype)
    if bias is not None:
        y = y + bias.view(1, -1, 1, 1).to(y.dtype) * known_out
    return y, known_out.to(total.dtype)


class PartialConv2d(nn.Conv2d):
    """Partial convolution with the arguments and parameters of `torch.nn.Conv2d`.

    With zero padding the outside of the photo counts as hole, so borders are renormalised too. The state dict is
    that of `Conv2d`; no mask kernels are stored, and no state is kept between calls.
    """

    def forward(  # type: ignore[override]
        self, x: Tensor | tuple[Tensor, ...], known: Tensor | tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """Convolve the known pixels.

        Args:
            x: B x C x H x W, or a tuple of such branches that stands for their concatenation along C.
            known: B x 1 x H x W, 1 = known, 0 = hole; a tuple of as many when `x` is one.

        Returns:
            y, B x C' x H' x W', and its known map, B x 1 x H' x W'.

        Raises:
            ValueError: branches do not add up to `in_channels`, or there are several and `groups` is not 1.
        """
        branches = x if isinstance(x, tuple) else (x,)
        knowns = known if isinstance(known, tuple) else (known,)
        self._check(branches, knowns)
        return self.convolve(tuple(b * k.to(b.dtype) for b, k in zip(branches, knowns, strict=True)), knowns)

    def convolve(self, branches: tuple[Tensor, ...], knowns: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """`forward` for branches that are already 0 in their holes."""
        weights = self._split_weight([branch.shape[1] for branch in branches])
        parts = [self._conv_forward(branch, weight, None) for branch, weight in zip(branches, weights, strict=True)]
        totals = [
            branch.shape[1] // self.groups * self._window_sum(known)
            for branch, known in zip(branches, knowns, strict=True)
        ]
        return renormalise(reduce(add, parts), reduce(add, totals), self.window, self.bias)

    @property
    def window(self) -> int:
        """Values under one window: input channels x kernel height x kernel width."""
        return self.weight[0].numel()

    def _split_weight(self, channels: list[int]) -> tuple[Tensor, ...]:
        """The kernel, cut by input channels into one part for each branch."""
        return (self.weight,) if len(channels) == 1 else torch.split(self.weight, channels, dim=1)

    def _window_sum(self, known: Tensor) -> Tensor:
        size = (self.kernel_size[0], self.kernel_size[1])
        if self.padding_mode != "zeros":
            known = functional.pad(known, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            return window_sum(known, size, stride=self.stride, dilation=self.dilation)
        return window_sum(known, size, stride=self.stride, padding=self.padding, dilation=self.dilation)

    def _check(self, branches: tuple[Tensor, ...], knowns: tuple[Tensor, ...]) -> None:
        channels = [branch.shape[1] for branch in branches]
        if len(knowns) != len(branches) or sum(channels) != self.in_channels:
            raise ValueError(
                f"expected {self.in_channels} channels with one known map for each branch, "
                f"not branches of {channels} channels with {len(knowns)} known maps"
            )
        if any(known.shape[1] != 1 for known in knowns):
            raise ValueError("known must be B x 1 x H x W: all channels of a branch share one known map")
        if self.groups != 1 and len(branches) > 1:
            raise ValueError("a grouped convolution takes one branch: concatenate first")


class UpPartialConv2d(PartialConv2d):
    """3x3 partial convolution over concat[up(low), skip], with up the nearest upsampling by 2.

    Neither the upsampled nor the concatenated tensor is made. Nearest upsampling followed by a 3x3 convolution w
    is one transposed convolution of `low` (stride 2, padding 1) with the 4x4 kernel A w A^T, where A adds up the
    taps that fall on the same source pixel: four multiplications for each output pixel in place of nine. The
    parameter stays the ordinary (low + skip) -> out 3x3 kernel.
    """

    def __init__(self, low_channels: int, skip_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(low_channels + skip_channels, out_channels, 3, padding=1, bias=bias)

    def convolve(self, branches: tuple[Tensor, ...], knowns: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Convolve (low, skip), B x C1 x H x W and B x C2 x 2H x 2W, both already 0 in their holes."""
        (low, skip), (known_low, known_skip) = branches, knowns
        weight_low, weight_skip = self._split_weight([low.shape[1], skip.shape[1]])
        y = functional.conv_transpose2d(low, upsampling_kernel(weight_low), stride=2, padding=1)
        y = y + functional.conv2d(skip, weight_skip, padding=1)
        known_up = functional.interpolate(known_low, scale_factor=2, mode="nearest")
        total = low.shape[1] * self._window_sum(known_up) + skip.shape[1] * self._window_sum(known_skip)
        return renormalise(y, total, self.window, self.bias)


def upsampling_kernel(weight: Tensor) -> Tensor:
    """Turn a 3x3 kernel applied after nearest x2 upsampling into one for a transposed convolution.

    Args:
        weight: C_out x C_in x 3 x 3.

    Returns:
        C_in x C_out x 4 x 4, for `conv_transpose2d` with stride 2 and padding 1.
    """
    taps = weight.new_tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    return torch.einsum("ai,bj,ocij->coab", taps, taps, weight)
