"""Losses: pure functions of tensors, and the record of each term that a generator learns from.

Pixel, content (perceptual), style and total variation losses of Liu et al. 2018, "Image Inpainting for Irregular
Holes Using Partial Convolutions", section 3.3; the relativistic average GAN of Jolicoeur-Martineau 2018, "The
relativistic discriminator: a key element missing from standard GAN". Photos are B x 3 x H x W in [0, 1]; known is
B x 1 x H x W, 1 = known, 0 = hole. Every loss is a scalar, computed in float32 for inputs of any precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from onar.system.processes import mean_over_processes


@dataclass(frozen=True)
class LossTerm:
    """A loss as a term of a weighted sum, for training, log and curves."""

    name: str  # its weight is the setting `lambda_NAME`
    compute: Callable[[Any], Tensor]  # inputs of the losses, such as `Comparison` -> unweighted scalar
    printed: str = ""  # name in lines, log and curves, which ends in `_loss`; by default from `name`
    always: bool = False  # compute and log it with weight 0, too
    logged: bool = False  # log 0 where it is not computed
    of_features: bool = False  # it needs the feature network

    def __post_init__(self) -> None:
        object.__setattr__(self, "printed", self.printed or f"{self.name.capitalize()}_loss")


def compute_losses(losses: Sequence[LossTerm], weights: Mapping[str, float], compared: Any) -> dict[str, Tensor]:
    """The unweighted terms by name; one that weighs 0 is not computed."""
    return {loss.name: loss.compute(compared) for loss in losses if loss.always or weights[loss.name]}


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The loss that is minimised."""
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()


def printed_losses(losses: Sequence[LossTerm], terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Terms by their printed names, 0 for those that are logged and were not computed."""
    zero = torch.zeros_like(next(iter(terms.values())))
    shown = [loss for loss in losses if loss.logged or loss.name in terms]
    return {loss.printed: terms.get(loss.name, zero) for loss in shown}


@dataclass
class Comparison:
    """The inputs of the losses."""

    completed: Tensor | None  # B x C x H x W, the raw output; None where losses see composites alone
    whole: Tensor  # the composite of photo and output
    photo: Tensor  # the target
    known: Tensor  # B x 1 x H x W
    # image B x 3 x H x W in [0, 1] -> list of feature maps, of a frozen network
    features: Callable[[Tensor], list[Tensor]] | None = None
    real: Tensor | None = None  # the discriminator's logits for the photo
    # image -> the discriminator's logits, with gradients for the image alone
    judge: Callable[[Tensor], Tensor] | None = None
    hole_weight: float = 1.0  # see `pixel_loss`

    @cached_property
    def feature_maps(self) -> tuple[list[tuple[Tensor, ...]], list[Tensor]]:
        """Those of raw output and composite, and of the photo, computed once; grey images get three equal channels."""
        assert self.features is not None
        channels = 3 if self.photo.shape[1] == 1 else -1
        given = [image for image in (self.completed, self.whole, self.photo) if image is not None]
        *images, photo = (image.expand(-1, channels, -1, -1) for image in given)
        with torch.no_grad():
            target = self.features(photo)
        maps = self.features(torch.cat(images))
        return list(zip(*(one.chunk(len(images)) for one in maps), strict=True)), target

    def of_features(self, loss: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]) -> Tensor:
        """A loss of feature maps, for the raw output and for the composite."""
        compared, target = self.feature_maps
        return torch.stack([loss(maps, target) for maps in compared]).sum()

    def adversarial(self) -> Tensor:
        """The side of RaGAN that makes composites."""
        assert self.judge is not None
        assert self.real is not None
        return relativistic_generator_loss(self.real, self.judge(self.whole), mean_over_processes)


def pixel_loss(completed: Tensor, photo: Tensor, known: Tensor, hole_weight: float = 1.0) -> Tensor:
    """L1 between raw output and photo, Liu et al. 2018, section 3.3: L_valid + hole_weight · L_hole.

    Both means run over the whole frame, as in the paper: its 1 : 6 would mean something else if each were a mean over
    its own pixels, and small holes would then outweigh everything. A weight of 1 gives plain L1.
    """
    known = known.float()
    weight = known + hole_weight * (1 - known)
    return (weight * (completed.float() - photo.float()).abs()).mean()


def content_loss(features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Sum over feature maps B x C x H x W of their mean absolute difference."""
    # the 1-norm and not abs().mean(), whose gradient is not in the maps' order of memory (channels_last).
    distances = [
        torch.linalg.vector_norm(one.float() - other.float(), 1) / one.numel()
        for one, other in zip(features, target, strict=True)
    ]
    return torch.stack(distances).sum()


def style_loss(features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Sum over feature maps B x C x H x W of the mean absolute difference of Gram matrices."""
    return content_loss([gram(one) for one in features], [gram(other) for other in target])


def gram(feature_map: Tensor) -> Tensor:
    """Gram matrices B x C x C of a feature map B x C x H x W, over C·H·W."""
    # autocast would round the product to half precision again, and half precision overflows without the scale.
    with torch.autocast(feature_map.device.type, enabled=False):
        rows = feature_map.float().flatten(2)
        rows = rows / math.sqrt(rows.shape[1] * rows.shape[2])
        return rows @ rows.transpose(1, 2)


def local_statistics_loss(features: Sequence[Tensor], target: Sequence[Tensor], window_share: float = 1 / 12) -> Tensor:
    """Distance of means and standard deviations of features B x C x H x W in small windows; the deviations count twice.

    A shifted texture costs little, and a blurred one costs much; with L1 it is the other way round, so that a blur is
    the best guess. The side of the windows is a share of the map's width, at least 2; they overlap by half.
    """
    ours, theirs = ([_window_statistics(one, window_share) for one in maps] for maps in (features, target))
    means, deviations = ([[one[part] for one in maps] for maps in (ours, theirs)] for part in (0, 1))
    return content_loss(*means) + 2 * content_loss(*deviations)


def _window_statistics(feature_map: Tensor, window_share: float) -> tuple[Tensor, Tensor]:
    """Means and standard deviations in windows of a feature map B x C x H x W, each B x C x h x w."""
    side = max(2, int(window_share * feature_map.shape[-1]))
    values = feature_map.float()
    mean = F.avg_pool2d(values, side, side // 2)
    variance = F.avg_pool2d(values.square(), side, side // 2) - mean.square()
    return mean, (variance.clamp_min(0) + 1e-4).sqrt()  # the root of 0 has no gradient


def normalised_feature_loss(features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Sum over feature maps B x C x H x W of the mean squared distance of their vectors, each of unit length.

    As LPIPS (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric") without its
    learned weights; a mean over 2x2 vectors forgives a shift by less than one.
    """
    distances = [
        (_unit_vectors(one) - _unit_vectors(other)).square().sum(1).mean()
        for one, other in zip(features, target, strict=True)
    ]
    return torch.stack(distances).sum()


def _unit_vectors(feature_map: Tensor) -> Tensor:
    return F.avg_pool2d(F.normalize(feature_map.float(), dim=1, eps=1e-3), 2, stride=1)


def total_variation(composite: Tensor, known: Tensor) -> Tensor:
    """Absolute differences of neighbours that both lie in the hole's 1-pixel dilation.

    Their sum is divided by the number of elements of the frame, so that small holes weigh little.
    """
    image = composite.float()
    region = F.max_pool2d(1 - known.float(), 3, stride=1, padding=1)
    down = (image[..., 1:, :] - image[..., :-1, :]).abs() * region[..., 1:, :] * region[..., :-1, :]
    across = (image[..., 1:] - image[..., :-1]).abs() * region[..., 1:] * region[..., :-1]
    return (down.sum() + across.sum()) / image.numel()


def relativistic_discriminator_loss(
    real_logits: Tensor, fake_logits: Tensor, mean: Callable[[Tensor], Tensor] = torch.mean
) -> Tensor:
    """RaGAN loss of the discriminator: photos should look more real than the average composite, and vice versa.

    Jolicoeur-Martineau 2018, with the standard GAN's cross-entropy (RaSGAN); ln 2 when it cannot distinguish them. A
    run in several processes passes the `mean` over all of them.
    """
    real, fake = real_logits.float(), fake_logits.float()
    # softplus(-x) is the cross-entropy of a logit x with "real", softplus(x) with "fake".
    real_loss = F.softplus(mean(fake) - real).mean()
    fake_loss = F.softplus(fake - mean(real)).mean()
    return (real_loss + fake_loss) / 2


def relativistic_generator_loss(
    real_logits: Tensor, fake_logits: Tensor, mean: Callable[[Tensor], Tensor] = torch.mean
) -> Tensor:
    """RaGAN loss of the generator: the discriminator's with the roles of photos and composites exchanged."""
    return relativistic_discriminator_loss(fake_logits, real_logits, mean)


GENERATOR_LOSSES: list[LossTerm] = [
    LossTerm("pixel", lambda c: pixel_loss(c.completed, c.photo, c.known, c.hole_weight), always=True),
    LossTerm("content", lambda c: c.of_features(content_loss), logged=True, of_features=True),
    LossTerm("style", lambda c: c.of_features(style_loss), of_features=True),
    LossTerm("adv", Comparison.adversarial, logged=True),
    LossTerm("tv", lambda c: total_variation(c.whole, c.known), "TV_loss"),
]
"""The terms of a generator in the order of their sum; each `compute` takes a `Comparison`."""
