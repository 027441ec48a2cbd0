"""PConvUNet: the partial-convolution U-Net of Liu et al. 2018 (section 3.2 and appendix), the generator.

Encoder: partial convolutions 7, 5, 5, 3, 3, ... with stride 2, batch norm (not in the first level) and ReLU.
Decoder: nearest upsampling, concatenation with the encoder's level of that size (last, the masked photo itself),
3×3 partial convolution, batch norm and LeakyReLU 0.2 (neither in the last level). Cells of the innermost map that
nothing known reaches are filled from the others. The options around it are in `wrapping`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from onar.models.inputs import check_inputs
from onar.models.joined_features import JoinedFeatures
from onar.models.levels import DecoderLevel, EncoderLevel
from onar.models.partial_conv import hide_holes
from onar.models.pyramid_correction import HEAD_CHANNELS
from onar.models.pyramid_fill import fill_unreached, pyramid_fill
from onar.models.recomputing import run_and_recompute
from onar.models.wrapping import Wrapping, padding_step

ENCODER_KERNELS = (7, 5, 5)  # first levels; every further level has 3


class PConvUNet(Wrapping):
    """Partial-convolution U-Net that completes a photo.

    Args:
        base_channels: channels of the first level; further levels have 2, 4 and at most 8 times as many.
        depth: levels, each halving the photo. The default is the paper's network for 512×512.
        base_fill: "none" is that network. "pyramid" returns the pyramid fill plus a learned correction.
        correction_window: with the pyramid, the correction is scaled by the share of holes in a window of this odd side
            in pixels around each pixel: along the seam and in thin holes the fill is hard to better. 0: no scaling. No
            weights depend on it, so it can be chosen after training.
        normalised: input and output are (photo - colour_mean) / colour_std, as in other programs; otherwise the input
            is the photo, and a sigmoid ends the network. Both buffers, a value for each channel, 0 and 1 at first, are
            part of the state dict. Unreached cells of the innermost map stay 0, as there.
        colour_channels: channels of a `ColourUNet` that corrects the colours of the completed photo, trained on its
            own by `onar colours`. 0: there is none.
        channels: of the photos: 3 for colours, 1 for grey.
        pretrained_features: `JoinedFeatures` of the pyramid fill, which are added to the decoder's maps.

    `torch.jit.script` takes it for evaluation: a scripted network always normalises by its running statistics.

    Attributes:
        gradient_checkpointing: while training, keep only the input of each level, and compute the rest again.
        step: side in pixels to whose multiples photos are padded inside.

    Raises:
        ValueError: `base_fill` is not one of `BASE_FILLS`, or `correction_window` is even or without a pyramid, or
            `normalised` is with one, or `colour_channels` or `pretrained_features` without three channels, or
            `pretrained_features` without a pyramid.

    >>> generator = PConvUNet(base_channels=4, depth=3).eval()
    >>> photo, known = torch.rand(1, 3, 20, 30), torch.ones(1, 1, 20, 30)
    >>> known[..., 5:10, 5:10] = 0  # a hole
    >>> generator(photo * known, known).shape
    torch.Size([1, 3, 20, 30])
    """

    __jit_unused_properties__ = ("architecture", "correction_window")

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
        pretrained_features: bool = False,
    ) -> None:
        super().__init__()
        self.base_channels, self.depth, self.channels = base_channels, depth, channels
        widths = [channels, *(base_channels * min(2**level, 8) for level in range(depth))]
        kernels = [*ENCODER_KERNELS, *([3] * depth)]
        self.encoder = nn.ModuleList(
            EncoderLevel(widths[i], widths[i + 1], kernels[i], normalise=i > 0) for i in range(depth)
        )
        decoded = [channels if base_fill == "none" else HEAD_CHANNELS, *widths[1:]]
        self.decoder = nn.ModuleList(
            DecoderLevel(widths[i + 1], widths[i], decoded[i], last=i == 0) for i in reversed(range(depth))
        )
        self.wrap(channels, base_fill, correction_window, normalised=normalised, colour_channels=colour_channels)
        if pretrained_features and (channels != 3 or base_fill == "none"):
            raise ValueError("pretrained_features need photos in colour, of 3 channels, and base_fill pyramid")
        self.pretrained_features = pretrained_features
        self.features = JoinedFeatures(widths[1:-1]) if pretrained_features else None
        self.step = padding_step(depth, colour_channels > 0)
        self.encoder_norm_frozen = self.gradient_checkpointing = False

    @property
    def correction_window(self) -> int:
        """See the class."""
        return 0 if self.head is None else self.head.window

    @property
    def architecture(self) -> dict[str, int | str]:
        """Name and arguments in `GENERATORS`, which travel with the weights."""
        names = ["base_channels", "depth", "base_fill", "correction_window"]
        # further ones only where they differ from the default, so that earlier versions can read the other files.
        defaults = {"normalised": False, "colour_channels": 0, "channels": 3, "pretrained_features": False}
        names += [name for name, default in defaults.items() if getattr(self, name) != default]
        return {"generator": "PConvUNet", **{name: getattr(self, name) for name in names}}

    def rebuilt(self, **changes: Any) -> PConvUNet:
        """An untrained network with the same arguments, except for the given ones; raises `ValueError` as the class."""
        arguments: dict[str, Any] = {**self.architecture, **changes}
        del arguments["generator"]
        return PConvUNet(**arguments)

    def forward(self, photo: Tensor, known: Tensor) -> Tensor:
        """Complete a photo of any size; a size that 2^depth does not divide is padded with hole inside.

        Args:
            photo: B×C×H×W in [0, 1]; what its holes contain does not matter, be it NaN.
            known: B×1×H×W, 1 = known, 0 = hole.

        Returns:
            The network's full frame, B×C×H×W in [0, 1]; `masks.composite` puts the known pixels back.

        Raises:
            ValueError: a shape or range is another; see `models.inputs`.
        """
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            check_inputs(photo, known, self.channels)
        height, width = photo.shape[-2:]
        padding = [0, -width % self.step, 0, -height % self.step]
        known = functional.pad(known.to(photo.dtype), padding)  # B×1×H'×W'
        photo = hide_holes(functional.pad(photo, padding), known)  # B×C×H'×W'
        completed = self.leave(self._decode(self.enter(photo, known), known), photo, known)  # B×C×H'×W'
        # clamp with the gradient of the identity, so that no pixel gets stuck outside the range.
        completed = completed + (completed.clamp(0, 1) - completed).detach()
        return completed[..., :height, :width]  # B×C×H×W

    def _decode(self, photo: Tensor, known: Tensor) -> Tensor:
        # Encoder.
        skips, known_pixels = [(photo, known)], known
        for level in self.encoder:
            x, known = skips[-1]  # B×C×H×W, B×1×H×W
            if torch.jit.is_scripting():  # type: ignore[attr-defined]
                skips.append(level(x, known))
            else:
                skips.append(self._run(level, x, known))  # B×C'×H/2×W/2, B×1×H/2×W/2
        x, known = skips.pop()  # B×8C×H/2^depth×W/2^depth
        if not self.normalised:
            x, known = fill_unreached(x, known, known_pixels)
        features: list[Tensor] = []
        if self.features is not None:
            features = self.features(pyramid_fill(photo, known_pixels))
        # Decoder.
        for level in self.decoder:
            skip, known_skip = skips.pop()  # B×C×2H×2W, B×1×2H×2W
            if torch.jit.is_scripting():  # type: ignore[attr-defined]
                x, known = level(x, known, skip, known_skip)
            else:
                x, known = self._run(level, x, known, skip, known_skip)  # B×C'×2H×2W, B×1×2H×2W
            if 0 < len(skips) <= len(features):
                x = x + features[len(skips) - 1] * known.to(x.dtype)
        return x

    @torch.jit.unused
    def _run(self, level: nn.Module, *inputs: Tensor) -> Any:
        """Output and known map of a level."""
        is_sparing = self.gradient_checkpointing and self.training
        return run_and_recompute(level, *inputs) if is_sparing else level(*inputs)

    def freeze_encoder_norm(self) -> None:
        """Freeze the encoder's batch norm, statistics and affine terms, for good (Liu et al. 2018, section 4.1)."""
        for weight in self.hold_encoder_norm():
            weight.requires_grad_(False)

    def hold_encoder_norm(self) -> list[nn.Parameter]:
        """Freeze the statistics of the encoder's batch norm, for good; return its affine terms."""
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
