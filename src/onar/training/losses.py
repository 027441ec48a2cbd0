"""What the two networks are trained on: hyper-parameters at construction, tensors at call, unweighted terms out.

Pixel, content (perceptual), style and total variation losses of Liu et al. 2018, "Image Inpainting for Irregular
Holes Using Partial Convolutions", section 3.3; the relativistic average GAN of Jolicoeur-Martineau 2018, "The
relativistic discriminator: a key element missing from standard GAN". Photos are B x 3 x H x W in [0, 1]; known is
B x 1 x H x W, 1 = known, 0 = hole. Every loss is a scalar, computed in float32 whatever precision comes in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class PixelLoss:
    """L1 between output and photo, Liu et al. 2018, section 3.3: L_valid + hole_weight · L_hole.

    Both means run over the whole frame, as in the paper: its 1 : 6 would mean something else if each were a mean
    over its own pixels, and small holes would then outweigh everything.

    Attributes:
        hole_weight: how much more a hole pixel counts than a known one; 6 in the paper, and 1 gives plain L1.
    """

    hole_weight: float = 1.0

    def __call__(self, completed: Tensor, photo: Tensor, known: Tensor) -> Tensor:
        """Weighted mean absolute error of the raw output, before known pixels are put back."""
        known = known.float()
        weight = known + self.hole_weight * (1 - known)
        return (weight * (completed.float() - photo.float()).abs()).mean()


class PerceptualLoss(nn.Module):
    """Content and, if wanted, style loss of raw output and composite, from one pass of a feature network.

    Args:
        features: image B x 3 x H x W in [0, 1] -> list of feature maps; frozen. Grey images get three
            equal channels.
        style: also compute the style loss.
    """

    def __init__(self, features: nn.Module, style: bool = False) -> None:
        super().__init__()
        self.features = features
        self.style = style

    def forward(self, completed: Tensor, composite: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """Named terms: "content", and "style" if wanted. Gradients reach completed and composite."""
        if photo.shape[1] == 1:
            completed, composite, photo = (image.expand(-1, 3, -1, -1) for image in (completed, composite, photo))
        with torch.no_grad():
            target = self.features(photo)
        pairs = [feature_map.chunk(2) for feature_map in self.features(torch.cat([completed, composite]))]
        raw, whole = zip(*pairs, strict=True)
        terms = {"content": content_loss(raw, target) + content_loss(whole, target)}
        if self.style:
            terms["style"] = style_loss(raw, target) + style_loss(whole, target)
        return terms


def content_loss(features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Sum over feature maps B x C x H x W of their mean absolute difference."""
    # The 1-norm and not abs().mean(), whose gradient is not in the maps' order of memory (channels_last).
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
    # Autocast would round the product to half precision again, and half precision overflows without the scale.
    with torch.autocast(feature_map.device.type, enabled=False):
        rows = feature_map.float().flatten(2)
        rows = rows / math.sqrt(rows.shape[1] * rows.shape[2])
        return rows @ rows.transpose(1, 2)


def local_statistics_loss(features: Sequence[Tensor], target: Sequence[Tensor], window_share: float = 1 / 12) -> Tensor:
    """Distance of means and standard deviations of features in small windows; the deviations count twice.

    A texture that is the same but lies elsewhere costs little, and one that is blurred costs much: with L1 it is the
    other way round, so that what cannot be known is best left blurred.

    Args:
        features: feature maps B x C x H x W.
        target: those of the photo.
        window_share: side of the windows, as a share of the map's width; they overlap by half, and are at least 2.
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

    Args:
        composite: B x 3 x H x W in [0, 1].
        known: B x 1 x H x W.

    Returns:
        Their sum over the number of elements of the frame, so that small holes weigh little.
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

    Jolicoeur-Martineau 2018, with the standard GAN's cross-entropy (RaSGAN); ln 2 when it cannot tell them apart.

    Args:
        real_logits: predictions for photos, any shape.
        fake_logits: predictions for composites, any shape.
        mean: the average prediction; a run in several processes passes the mean over all of them.
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
