"""PConvUNet: the partial-convolution U-Net of Liu et al. 2018 (section 3.2 and appendix), the generator.

Encoder: partial convolutions 7, 5, 5, 3, 3, ... with stride 2, batch norm (not in the first level) and ReLU.
Decoder: nearest upsampling, concatenation with the encoder's level of that size (last, the masked photo itself),
3x3 partial convolution, batch norm and LeakyReLU 0.2 (neither in the last level). Between the two, cells of the
innermost map that nothing known reaches are filled from those that something known does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from onar.models.colour_unet import ColourUNet
from onar.models.partial_conv import PartialConv2d, UpPartialConv2d, hide_holes
from onar.models.pyramid_fill import fill_unreached, pyramid_fill
from onar.system.processes import process_count, sum_over_processes
from onar.weights.numbers import CELL, padding_step

ENCODER_KERNELS = (7, 5, 5)  # first levels; every further level has 3
HEAD_CHANNELS = 16
BASE_FILLS = ("none", "pyramid")


class BatchNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes that train together.

    Where they hold one value per channel, it takes the running statistics. The innermost level of a 256-pixel photo
    is one pixel, and the last batch of an epoch may be one photo: the statistics of that one value say nothing, and
    torch refuses them.
    """

    def forward(self, input: Tensor) -> Tensor:
        """B×C×H×W in, the same out."""
        # Scripted networks are for evaluation.
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        else:
            return self._normalise(input)

    @torch.jit.unused
    def _normalise(self, input: Tensor) -> Tensor:
        if self.training and process_count() > 1:
            return self._normalise_together(input)
        if self.training and input.numel() == input.shape[1]:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(input)

    @torch.jit.unused
    def _normalise_together(self, input: Tensor) -> Tensor:
        """What `nn.SyncBatchNorm` does on GPUs only; in float32, and on any device."""
        x = input.float()
        sums = sum_over_processes(torch.cat([x.sum((0, 2, 3)), x.new_tensor([x[:, 0].numel()])]))
        mean, count = sums[:-1] / sums[-1], sums[-1]
        centred = x - mean[:, None, None]
        variance = sum_over_processes(centred.square().sum((0, 2, 3))) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of a batch; the variance is the unbiased one."""
        running_mean, running_variance, batches = self.buffers()
        assert self.momentum is not None
        running_mean.lerp_(mean, self.momentum)
        running_variance.lerp_(variance, self.momentum)
        batches += 1


class EncoderLevel(nn.Module):
    """Stride-2 partial convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, normalise: bool) -> None:
        super().__init__()
        self.conv = PartialConv2d(
            in_channels, out_channels, kernel_size, stride=2, padding=kernel_size // 2, bias=not normalise
        )
        self.normalises = normalise
        self.norm = BatchNorm(out_channels) if normalise else nn.Identity()
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """B x C x H x W, 0 in its holes -> B x C' x H/2 x W/2, again 0 in its holes, and its known map."""
        y, known = self.conv.convolve([x], [known])
        if self.normalises:  # batch norm shifts holes, so they become 0 again
            y = self.norm(y).mul_(known.to(y.dtype))
        return functional.relu(y, inplace=True), known


class DecoderLevel(nn.Module):
    """Partial convolution over concat[up(low), skip]; batch norm and LeakyReLU except in the last level."""

    def __init__(self, low_channels: int, skip_channels: int, out_channels: int, *, last: bool) -> None:
        super().__init__()
        self.conv = UpPartialConv2d(low_channels, skip_channels, out_channels, bias=last)
        self.normalises = not last
        self.norm = nn.Identity() if last else BatchNorm(out_channels)
        self.activation = nn.Identity() if last else nn.LeakyReLU(0.2, inplace=True)
        if not last:  # the last level keeps torch's smaller weights: an untrained network says grey, not noise
            nn.init.kaiming_normal_(self.conv.weight, a=0.2)

    def forward(self, low: Tensor, known_low: Tensor, skip: Tensor, known_skip: Tensor) -> tuple[Tensor, Tensor]:
        """B x C1 x H x W and B x C2 x 2H x 2W, both 0 in their holes -> B x C' x 2H x 2W and its known map."""
        y, known = self.conv.convolve([low, skip], [known_low, known_skip])
        if self.normalises:
            y = self.norm(y).mul_(known.to(y.dtype))
        return self.activation(y), known


class PConvUNet(nn.Module):
    """Partial-convolution U-Net that completes a photo.

    Args:
        base_channels: channels of the first level; further levels have 2, 4 and at most 8 times as many.
        depth: levels, each halving the photo. The default is the paper's network for 512 x 512.
        base_fill: "none" is that network. "pyramid" returns the pyramid fill plus a learned correction: a head of
            two 3x3 convolutions over the decoder's output, the fill and the known map at full resolution, its last
            layer zero at first, so that training starts from the fill.
        correction_window: with the pyramid, the correction counts by the share of holes in a window of so many pixels
            a side round each pixel, an odd number: along the seam and in thin holes the fill is hard to better. 0: it
            counts in full everywhere. No weights depend on it, so it can be chosen after training.
        normalised: the network sees (photo - colour_mean) / colour_std and answers in the same numbers, as other
            programs' do; without it it sees the photo and answers through a sigmoid. Both are buffers with a value
            for each channel, 0 and 1 at first. They are part of the state dict, because weights mean nothing without
            their own. Cells of the innermost map that nothing known reaches stay 0, as in those programs.
        colour_channels: with them, a `ColourUNet` of so many channels corrects the colours of what was completed:
            the mean of a cell moves to what it tells by the share of the cell that is hole. It is trained for itself,
            by `onar colours`. 0: there is none.
        channels: of the photos: 3 for colours, 1 for grey.

    `torch.jit.script` takes it for evaluation: a scripted network always normalises by its running statistics.

    Attributes:
        gradient_checkpointing: while training, keep only what enters each level and compute the rest again for the
            gradients (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").

    Raises:
        ValueError: `base_fill` is not one of `BASE_FILLS`, or `correction_window` is even or without a pyramid, or
            `normalised` is with one, or `colour_channels` without three channels.
    """

    if TYPE_CHECKING:  # TorchScript does not know the name of the type
        colour_mean: Tensor
        colour_std: Tensor
    __constants__ = ("normalised",)
    __jit_unused_properties__ = ("_out_channels", "architecture", "correction_window")

    def __init__(
        self,
        base_channels: int = 64,
        depth: int = 8,
        base_fill: str = "none",
        correction_window: int = 0,
        *,
        normalised: bool = False,
        colour_channels: int = 0,
        channels: int = 3,
    ) -> None:
        super().__init__()
        if base_fill not in BASE_FILLS:
            raise ValueError(f"base_fill must be one of {', '.join(BASE_FILLS)}, not {base_fill!r}")
        if normalised and base_fill != "none":
            raise ValueError("normalised is for networks with base_fill none: the pyramid fill is in [0, 1]")
        if colour_channels and channels != 3:
            raise ValueError(f"colour_channels need photos in colour, of 3 channels, not {channels}")
        self.base_channels, self.depth, self.base_fill, self.channels = base_channels, depth, base_fill, channels
        self.correction_window = correction_window
        widths = [channels, *(base_channels * min(2**level, 8) for level in range(depth))]
        kernels = [*ENCODER_KERNELS, *([3] * depth)]
        self.encoder = nn.ModuleList(
            EncoderLevel(widths[i], widths[i + 1], kernels[i], normalise=i > 0) for i in range(depth)
        )
        self.decoder = nn.ModuleList(
            DecoderLevel(widths[i + 1], widths[i], widths[i] if i else self._out_channels, last=i == 0)
            for i in reversed(range(depth))
        )
        self.head = self._build_head() if base_fill == "pyramid" else None
        self.normalised = normalised
        if normalised:
            self.register_buffer("colour_mean", torch.zeros(channels))
            self.register_buffer("colour_std", torch.ones(channels))
        self.colour_channels = colour_channels
        self.colours = ColourUNet(colour_channels) if colour_channels else None
        self._step = padding_step(depth, colour_channels > 0)
        self.encoder_norm_frozen = False
        self.gradient_checkpointing = False

    @property
    def _out_channels(self) -> int:
        return self.channels if self.base_fill == "none" else HEAD_CHANNELS

    def _build_head(self) -> nn.Sequential:
        last = nn.Conv2d(HEAD_CHANNELS, self.channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        first = nn.Conv2d(HEAD_CHANNELS + self.channels + 1, HEAD_CHANNELS, 3, padding=1)
        return nn.Sequential(first, nn.LeakyReLU(0.2, inplace=True), last)

    @property
    def correction_window(self) -> int:
        """See the class; it may be set."""
        return self._correction_window

    @correction_window.setter
    def correction_window(self, pixels: int) -> None:
        if pixels and (pixels < 0 or pixels % 2 == 0):
            raise ValueError(f"correction_window must be 0 or an odd number of pixels, not {pixels}")
        if pixels and self.base_fill == "none":
            raise ValueError("correction_window needs a network with base_fill pyramid")
        self._correction_window = pixels

    @property
    def architecture(self) -> dict[str, int | str]:
        """What `GENERATORS` needs to build this network again; it travels with the weights."""
        return {
            "generator": "PConvUNet",
            "base_channels": self.base_channels,
            "depth": self.depth,
            "base_fill": self.base_fill,
            "correction_window": self.correction_window,
            # Said only where it holds, so that earlier versions go on reading the files of other networks.
            **({"normalised": True} if self.normalised else {}),
            **({"colour_channels": self.colour_channels} if self.colour_channels else {}),
            **({"channels": self.channels} if self.channels != 3 else {}),
        }

    def forward(self, photo: Tensor, known: Tensor) -> Tensor:
        """Complete a photo of any size; a size that 2^depth does not divide is padded with hole inside.

        Args:
            photo: B x C x H x W in [0, 1]; what its holes contain does not matter, be it NaN.
            known: B x 1 x H x W, 1 = known, 0 = hole.

        Returns:
            The full frame as the network sees it, B x C x H x W in [0, 1]; `masks.composite` puts the known
            pixels back.
        """
        height, width = photo.shape[-2:]
        padding = [0, -width % self._step, 0, -height % self._step]
        known = functional.pad(known.to(photo.dtype), padding)
        photo = hide_holes(functional.pad(photo, padding), known)
        completed = self._complete(photo, known)
        if self.colours is not None:
            completed = completed + self._correct_colours(photo, known, completed)
        return _clamp_straight_through(completed)[..., :height, :width]

    def _complete(self, photo: Tensor, known: Tensor) -> Tensor:
        """What the U-Net makes of a photo that is 0 in its holes; it may go beyond [0, 1]."""
        if self.normalised:
            mean, std = self.colour_mean[:, None, None], self.colour_std[:, None, None]
            return self._decode((photo - mean) / std * known, known) * std + mean
        decoded = self._decode(photo, known)
        if self.head is None:
            return torch.sigmoid(decoded)
        fill = pyramid_fill(photo, known)
        correction = self.head(torch.cat([decoded, fill.to(decoded.dtype), known.to(decoded.dtype)], dim=1))
        if self._correction_window:
            correction = correction * _hole_share(known, self._correction_window)
        corrected: Tensor = fill + correction
        return corrected

    def _correct_colours(self, photo: Tensor, known: Tensor, completed: Tensor, cell: int = CELL) -> Tensor:
        """What to add to a completed photo for its colours, B×3×H×W."""
        assert self.colours is not None
        means = functional.avg_pool2d(torch.where(known > 0, photo, completed.float()), cell)
        hole_share = 1 - functional.avg_pool2d(known, cell)
        change = hole_share * (self.colours(photo, known).float() - means)
        return functional.interpolate(change, scale_factor=float(cell), mode="bilinear", align_corners=False)

    def _decode(self, photo: Tensor, known: Tensor) -> Tensor:
        skips, known_pixels = [(photo, known)], known
        for level in self.encoder:
            x, known = skips[-1]
            if torch.jit.is_scripting():  # type: ignore[attr-defined]
                skips.append(level(x, known))
            else:
                skips.append(self._run(level, x, known))
        x, known = skips.pop()
        if not self.normalised:
            x, known = fill_unreached(x, known, known_pixels)
        for level in self.decoder:
            skip, known_skip = skips.pop()
            if torch.jit.is_scripting():  # type: ignore[attr-defined]
                x, known = level(x, known, skip, known_skip)
            else:
                x, known = self._run(level, x, known, skip, known_skip)
        return x

    @torch.jit.unused
    def _run(self, level: nn.Module, *inputs: Tensor) -> Any:
        """Output and known map of a level."""
        if not (self.gradient_checkpointing and self.training):
            return level(*inputs)
        return checkpoint(level, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _buffers_kept(level)))

    def freeze_encoder_norm(self) -> None:
        """Freeze the encoder's batch norm, statistics and affine terms, for good (Liu et al. 2018, section 4.1)."""
        for weight in self.hold_encoder_norm():
            weight.requires_grad_(False)

    def hold_encoder_norm(self) -> list[nn.Parameter]:
        """Freeze the statistics of the encoder's batch norm, for good; returns its affine terms, for the caller to."""
        self.encoder_norm_frozen = True
        self.train(self.training)
        return [weight for norm in self._encoder_norms() for weight in norm.parameters()]

    def _encoder_norms(self) -> list[nn.Module]:
        return [module for module in self.encoder.modules() if isinstance(module, nn.BatchNorm2d)]

    def train(self, mode: bool = True) -> PConvUNet:
        """Switch between training and evaluation; a frozen encoder norm stays in evaluation."""
        super().train(mode)
        if self.encoder_norm_frozen:
            for norm in self._encoder_norms():
                norm.eval()
        return self


@contextmanager
def _buffers_kept(level: nn.Module) -> Iterator[None]:
    """Compute a level a second time without moving its running statistics a second time."""
    before = [(buffer, buffer.clone()) for buffer in level.buffers()]
    try:
        yield
    finally:
        for buffer, value in before:
            buffer.copy_(value)


def _hole_share(known: Tensor, window: int) -> Tensor:
    """Share of holes in a square window round each pixel, B x 1 x H x W; outside the photo is a hole."""
    rows = functional.avg_pool2d(known, (1, window), stride=1, padding=(0, window // 2))
    return 1 - functional.avg_pool2d(rows, (window, 1), stride=1, padding=(window // 2, 0))


def _clamp_straight_through(x: Tensor) -> Tensor:
    """Clamp to [0, 1] with the gradient of the identity, so that no pixel gets stuck outside the range."""
    return x + (x.clamp(0, 1) - x).detach()
