"""Scores of a composite against the photo it came from, over the whole frame and over the hole only.

A metric is a function (composite, photo, known) -> B values, one per photo, registered in `METRICS`. Composite and
photo are B x 3 x H x W in [0, 1]; known is B x 1 x H x W, 1 = known, 0 = hole. Frame scores flatter small holes, hole
scores do not. Without a hole pixel, hole scores are those of a perfect fill.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

MAX_PSNR = 100.0
"""Decibels given to (nearly) identical pictures, so that a mean over photos is never infinite."""

SSIM_SIGMA = 1.5
SSIM_RADIUS = 5
"""Standard deviation and reach, in pixels, of the 11 x 11 Gaussian window of Wang et al. 2004."""


def psnr(composite: Tensor, photo: Tensor, known: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of the whole frame, in decibels for a range of 1, at most `MAX_PSNR`."""
    return _decibels(_difference(composite, photo).square().mean((1, 2, 3)))


def psnr_hole(composite: Tensor, photo: Tensor, known: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of the hole pixels alone, in decibels, at most `MAX_PSNR`."""
    return _decibels(_hole_mean(_difference(composite, photo).square(), known, empty=0.0))


def l1(composite: Tensor, photo: Tensor, known: Tensor) -> Tensor:
    """Mean absolute error of the whole frame, in [0, 1]."""
    return _difference(composite, photo).abs().mean((1, 2, 3))


def l1_hole(composite: Tensor, photo: Tensor, known: Tensor) -> Tensor:
    """Mean absolute error of the hole pixels alone, in [0, 1]."""
    return _hole_mean(_difference(composite, photo).abs(), known, empty=0.0)


def ssim(composite: Tensor, photo: Tensor, known: Tensor) -> Tensor:
    """Structural similarity of the whole frame, at most 1 (Wang et al. 2004, "Image Quality Assessment").

    Equals scikit-image's `structural_similarity` with Gaussian weights, sigma 1.5 and population covariance: the
    mean of the map without the 5 pixels at the border, whose windows reach outside. Photos with a side below 11
    pixels, which scikit-image refuses, keep their border.
    """
    similarity = ssim_map(composite, photo)
    if min(similarity.shape[-2:]) > 2 * SSIM_RADIUS:
        similarity = similarity[..., SSIM_RADIUS:-SSIM_RADIUS, SSIM_RADIUS:-SSIM_RADIUS]
    return similarity.mean((1, 2, 3))


def ssim_hole(composite: Tensor, photo: Tensor, known: Tensor) -> Tensor:
    """Mean over the hole pixels of the structural similarity map, at most 1.

    Holes at the border count too: there the window sees the picture mirrored.
    """
    return _hole_mean(ssim_map(composite, photo), known, empty=1.0)


METRICS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "psnr": psnr,
    "psnr_hole": psnr_hole,
    "ssim": ssim,
    "ssim_hole": ssim_hole,
    "l1": l1,
    "l1_hole": l1_hole,
}
"""What a report can name."""


@torch.no_grad()
def score(composite: Tensor, photo: Tensor, known: Tensor) -> dict[str, Tensor]:
    """Every metric of `METRICS`: B values each, float32."""
    return {name: metric(composite, photo, known) for name, metric in METRICS.items()}


def ssim_map(composite: Tensor, photo: Tensor) -> Tensor:
    """Structural similarity around each pixel and channel, B x C x H x W, equal to scikit-image's full map."""
    # The import takes seconds, and a training that does not validate should not pay them.
    from torchmetrics.functional.image import structural_similarity_index_measure

    # torchmetrics mirrors at the centre of the last pixel, scikit-image at its edge: mirror first, then cut that off.
    _, similarity = structural_similarity_index_measure(
        _mirror(composite.float()),
        _mirror(photo.float()),
        sigma=SSIM_SIGMA,
        reduction="none",
        data_range=1.0,
        return_full_image=True,
    )
    return similarity[..., SSIM_RADIUS:-SSIM_RADIUS, SSIM_RADIUS:-SSIM_RADIUS]


def _mirror(image: Tensor) -> Tensor:
    """Extend B x C x H x W by the window's reach, mirrored at the edge; a side may be shorter than that."""
    for axis in (2, 3):
        size = image.shape[axis]
        places = torch.arange(-SSIM_RADIUS, size + SSIM_RADIUS, device=image.device) % (2 * size)
        image = image.index_select(axis, torch.minimum(places, 2 * size - 1 - places))
    return image


def _difference(composite: Tensor, photo: Tensor) -> Tensor:
    return composite.float() - photo.float()


def _hole_mean(values: Tensor, known: Tensor, empty: float) -> Tensor:
    """Mean per photo of B x C x H x W values over the hole pixels; `empty` where there are none."""
    hole = (known < 0.5).expand_as(values)
    count = hole.sum((1, 2, 3))
    total = torch.where(hole, values, 0).sum((1, 2, 3))
    return torch.where(count > 0, total / count.clamp_min(1), empty)


def _decibels(squared_error: Tensor) -> Tensor:
    return (-10 * squared_error.log10()).clamp(max=MAX_PSNR)
