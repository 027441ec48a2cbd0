"""Partial convolution: a convolution that looks only at known pixels.

Implements Liu et al. 2018, "Image Inpainting for Irregular Holes Using Partial Convolutions", section 3.1:
x' = W(x * known) * window / sum(known) + b where a window holds anything known, and 0 elsewhere; a window with
anything known is known in the next layer.

All channels of a branch share one B×1×H×W known map, so sum(known) over a window is the branch's channel
count times a one-channel box filter. A layer over concatenated branches needs one box filter for each branch,
and no concatenation: a convolution over concat[a, b] is the sum of the convolutions over a and b.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

PHASE_TAPS = (((1.0, 1.0, 0.0), (0.0, 0.0, 1.0)), ((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)))
"""Taps of a 3-tap kernel that add up to each tap of a 2-tap one: phase × 2 × 3, see `phase_kernel`."""

SMALL_PICTURE = 256  # pixels of a batch before upsampling, below which the decoder convolves as in the textbook


def hide_holes(x: Tensor, known: Tensor) -> Tensor:
    """Make holes 0, also where they hold NaN or infinity, which a product would leave.

    Args:
        x: B×C×H×W.
        known: B×1×H×W in the type of `x`, 1 = known, 0 = hole.
    """
    return x.masked_fill(known == 0, 0.0) * known


def window_sum(known: Tensor, kernel_size: tuple[int, int], **geometry: Any) -> Tensor:
    """Count the known pixels under each position of a kernel.

    Args:
        known: B×1×H×W, 1 = known, 0 = hole.
        kernel_size: height and width of the window.
        **geometry: `stride`, `padding` and `dilation` as `torch.nn.functional.conv2d` takes them.

    Returns:
        B×1×H'×W', float32 in any autocast state: half precision cannot hold the ratio built on it.
    """
    with torch.autocast(known.device.type, enabled=False):
        return functional.conv2d(_wide(known), _wide(known).new_ones(1, 1, *kernel_size), **geometry)


def _wide(known: Tensor) -> Tensor:
    return known if known.dtype == torch.float64 else known.float()


def renormalise_(y: Tensor, total: Tensor, window: int, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Scale a convolution of known pixels up to a full window, then add the bias; all of it in place.

    Args:
        y: B×C×H×W, the convolution of known pixels, without bias; it becomes the result.
        total: B×1×H×W, known values under each window, all input channels counted.
        window: what `total` is where everything is known: input channels × kernel height × kernel width.
        bias: C values, or none.

    Returns:
        The result (exactly 0 where a window knows nothing) and its known map, B×1×H×W.
    """
    anything_known = total > 0
    known_out = anything_known.to(total.dtype)
    # where + clamp instead of a small epsilon: 1e-8 is 0 in half precision, and inf * 0 is NaN.
    ratio = torch.where(anything_known, window / total.clamp(min=1), 0)
    y = y.mul_(ratio.to(y.dtype))
    if bias is not None:
        # not y + bias * known_out: where y is channels_last that product is not, and adding it takes ten times as long.
        y = y.addcmul_(bias.view(1, -1, 1, 1).to(y.dtype), known_out.to(y.dtype))
    return y, known_out


class PartialConv2d(nn.Conv2d):
    """Partial convolution with the arguments and parameters of `torch.nn.Conv2d`.

    With zero padding the outside of the photo counts as hole, so borders are renormalised too. The state dict is
    that of `Conv2d`; no mask kernels are stored, and no state is kept between calls.

    >>> layer = PartialConv2d(3, 64, 7, stride=2, padding=3)
    >>> y, known = layer(torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32))
    >>> y.shape, known.shape
    (torch.Size([1, 64, 16, 16]), torch.Size([1, 1, 16, 16]))
    """

    @torch.jit.unused
    def forward(  # type: ignore[override]
        self, x: Tensor | tuple[Tensor, ...], known: Tensor | tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """Convolve the known pixels.

        Args:
            x: B×C×H×W, or a tuple of such branches that stands for their concatenation along C; what holes hold
                does not matter, be it NaN.
            known: B×1×H×W, 1 = known, 0 = hole; a tuple of as many when `x` is one.

        Returns:
            y, B×C'×H'×W', and its known map, B×1×H'×W'.

        Raises:
            ValueError: branches do not add up to `in_channels`, or there are several and `groups` is not 1.
        """
        branches = x if isinstance(x, tuple) else (x,)
        knowns = known if isinstance(known, tuple) else (known,)
        self._check(branches, knowns)
        return self.convolve(
            [hide_holes(b, k.to(b.dtype)) for b, k in zip(branches, knowns, strict=True)], list(knowns)
        )

    def convolve(self, branches: list[Tensor], knowns: list[Tensor]) -> tuple[Tensor, Tensor]:
        """`forward` for branches that are already 0 in their holes."""
        weights = self._split_weight([branch.shape[1] for branch in branches])
        y = self._conv_forward(branches[0], weights[0], None)
        total = branches[0].shape[1] // self.groups * self._window_sum(knowns[0])
        for index in range(1, len(branches)):
            y += self._conv_forward(branches[index], weights[index], None)
            total = total + branches[index].shape[1] // self.groups * self._window_sum(knowns[index])
        return renormalise_(y, total, self._window(), self.bias)

    def _window(self) -> int:
        """Values under one window: input channels × kernel height × kernel width."""
        return self.weight[0].numel()

    def _split_weight(self, channels: list[int]) -> list[Tensor]:
        """The kernel, cut by input channels into one part for each branch."""
        return [self.weight] if len(channels) == 1 else list(torch.split(self.weight, channels, dim=1))

    def _window_sum(self, known: Tensor) -> Tensor:
        # TorchScript knows autocast for one kind of device only, and no free arguments.
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            known = _wide(known)
            kernel = known.new_ones(1, 1, self.kernel_size[0], self.kernel_size[1])
            return functional.conv2d(known, kernel, None, self.stride, self.padding, self.dilation)
        else:
            return self._window_sum_in_float32(known)

    @torch.jit.unused
    def _window_sum_in_float32(self, known: Tensor) -> Tensor:
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
            raise ValueError("known must be B×1×H×W: all channels of a branch share one known map")
        if self.groups != 1 and len(branches) > 1:
            raise ValueError("a grouped convolution takes one branch: concatenate first")


class UpPartialConv2d(PartialConv2d):
    """3×3 partial convolution over concat[up(low), skip], with up the nearest upsampling by 2.

    Except in small pictures, neither the upsampled nor the concatenated tensor is made. Each output pixel sees only
    2×2 pixels of `low`, so four 2×2 convolutions of `low`, one for each position in a block of 2×2 output pixels, do
    the work of the 3×3 convolution of up(low): four multiplications for each output pixel instead of nine. The
    parameter stays the ordinary (low + skip) -> out 3×3 kernel.
    """

    if TYPE_CHECKING:  # TorchScript does not know the name of the type
        phase_taps: Tensor

    def __init__(self, low_channels: int, skip_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(low_channels + skip_channels, out_channels, 3, padding=1, bias=bias)
        # a buffer, because making it in each pass would let a GPU wait for the copy.
        self.register_buffer("phase_taps", torch.tensor(PHASE_TAPS), persistent=False)

    def convolve(self, branches: list[Tensor], knowns: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Convolve (low, skip), B×C1×H×W and B×C2×2H×2W, both already 0 in their holes."""
        low, skip = branches
        known_low, known_skip = knowns
        y = self._convolve_textbook(low, skip) if _is_small(low) else self._convolve_phases(low, skip)
        known_up = functional.interpolate(known_low, scale_factor=2.0, mode="nearest")
        total = low.shape[1] * self._window_sum(known_up) + skip.shape[1] * self._window_sum(known_skip)
        return renormalise_(y, total, self._window(), self.bias)

    def _convolve_textbook(self, low: Tensor, skip: Tensor) -> Tensor:
        up = functional.interpolate(low, scale_factor=2.0, mode="nearest")
        return functional.conv2d(torch.cat([up, skip], dim=1), self.weight, padding=1)

    def _convolve_phases(self, low: Tensor, skip: Tensor) -> Tensor:
        weight_low, weight_skip = self._split_weight([low.shape[1], skip.shape[1]])
        blocks = functional.conv2d(low, phase_kernel(weight_low, self.phase_taps), padding=1)
        # blocks start one pixel above and left of the picture, and end one below and right of it.
        y = functional.pad(functional.pixel_shuffle(blocks, 2), (-1, -1, -1, -1))
        return y.add_(functional.conv2d(skip, weight_skip, padding=1))


def _is_small(low: Tensor, pixels: int = SMALL_PICTURE) -> bool:
    """Whether a batch is so small that making the phase kernel costs more than it saves. The result is the same."""
    return low.shape[0] * low.shape[2] * low.shape[3] < pixels


def phase_kernel(weight: Tensor, taps: Tensor) -> Tensor:
    """Turn a 3×3 kernel applied after nearest x2 upsampling into four 2×2 kernels applied before it.

    In one dimension, with kernel (w0, w1, w2) and up(h)[2i] = up(h)[2i+1] = h[i], the output pixels 2i-1 and 2i both
    see h[i-1] and h[i] and no others. Their 2-tap kernels are (w0 + w1, w2) and (w0, w1 + w2).

    C_out×C_in×3×3 -> 4·C_out×C_in×2×2, in the order of `pixel_shuffle`; `taps` are `PHASE_TAPS` on the same device.
    """
    taps = taps.to(weight.dtype)
    return torch.einsum("asi,btj,ocij->oabcst", [taps, taps, weight]).flatten(0, 2)
