"""Scores of a composite against the photo it came from, over the whole frame and over the hole only.

A metric is a function (composite, photo, known) -> B values, one per photo, with an entry in `onar.metrics.table`.
Composite and photo are B x 3 x H x W in [0, 1]; known is B x 1 x H x W, 1 = known, 0 = hole. All are arrays, or tensors
on the CPU: numpy accepts both, and scoring does not need torch. Frame scores of small holes are high even for poor
fills; hole scores are not. Without hole pixels, hole scores are those of a perfect fill.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Values: TypeAlias = NDArray[np.float64]

MAX_PSNR = 100.0  # decibels for (nearly) identical pictures, so that a mean over photos is finite
SSIM_SIGMA, SSIM_RADIUS = 1.5, 5  # deviation and radius in pixels of the Gaussian window of Wang et al. 2004
SSIM_STABILISERS = 0.01**2, 0.03**2  # C1 and C2 of Wang et al. 2004, for a range of 1


def psnr(composite: ArrayLike, photo: ArrayLike, known: ArrayLike) -> Values:
    """Peak signal-to-noise ratio of the whole frame, in decibels for a range of 1, at most `MAX_PSNR`.

    >>> photo = np.zeros((1, 3, 8, 8))
    >>> psnr(photo + 0.1, photo, np.zeros((1, 1, 8, 8))).round(2)
    array([20.])
    """
    return _decibels(_frame_mean(np.square(_difference(composite, photo))))


def psnr_hole(composite: ArrayLike, photo: ArrayLike, known: ArrayLike) -> Values:
    """Peak signal-to-noise ratio of the hole pixels alone, in decibels, at most `MAX_PSNR`."""
    return _decibels(_hole_mean(np.square(_difference(composite, photo)), known, empty=0.0))


def l1(composite: ArrayLike, photo: ArrayLike, known: ArrayLike) -> Values:
    """Mean absolute error of the whole frame, in [0, 1].

    >>> photo = np.zeros((1, 3, 8, 8))
    >>> l1(photo + 0.25, photo, np.zeros((1, 1, 8, 8)))
    array([0.25])
    """
    return _frame_mean(np.abs(_difference(composite, photo)))


def l1_hole(composite: ArrayLike, photo: ArrayLike, known: ArrayLike) -> Values:
    """Mean absolute error of the hole pixels alone, in [0, 1].

    >>> photo, known = np.zeros((1, 3, 8, 8)), np.ones((1, 1, 8, 8))
    >>> known[..., :2] = 0
    >>> l1_hole(np.where(known > 0, photo, 0.25), photo, known)
    array([0.25])
    """
    return _hole_mean(np.abs(_difference(composite, photo)), known, empty=0.0)


def ssim(composite: ArrayLike, photo: ArrayLike, known: ArrayLike) -> Values:
    """Structural similarity of the whole frame, at most 1 (Wang et al. 2004, "Image Quality Assessment").

    Equals scikit-image's `structural_similarity` with Gaussian weights, sigma 1.5 and population covariance: the
    mean of the map without the 5 pixels at the border, whose windows reach outside. Photos with a side below 11
    pixels, which scikit-image rejects, keep their border.
    """
    similarity = ssim_map(composite, photo)
    if min(similarity.shape[-2:]) > 2 * SSIM_RADIUS:
        similarity = similarity[..., SSIM_RADIUS:-SSIM_RADIUS, SSIM_RADIUS:-SSIM_RADIUS]
    return _frame_mean(similarity)


def ssim_hole(composite: ArrayLike, photo: ArrayLike, known: ArrayLike) -> Values:
    """Mean over the hole pixels of the structural similarity map, at most 1.

    Includes holes at the border, where the window is padded by mirroring.
    """
    return _hole_mean(ssim_map(composite, photo), known, empty=1.0)


def ssim_map(composite: ArrayLike, photo: ArrayLike) -> Values:
    """Structural similarity around each pixel and channel, B x C x H x W, equal to scikit-image's full map."""
    return np.stack(
        [
            np.stack([_plane_similarity(*planes) for planes in zip(one, other, strict=True)])
            for one, other in zip(_as_float64(composite), _as_float64(photo), strict=True)
        ]
    )


def _plane_similarity(one: Values, other: Values) -> Values:
    """Structural similarity of two planes, H x W (Wang et al. 2004, equation 13)."""
    mean_one, mean_other = _blur(one), _blur(other)
    variances = _blur(one * one) - mean_one**2 + _blur(other * other) - mean_other**2
    covariance = _blur(one * other) - mean_one * mean_other
    luminance, contrast = SSIM_STABILISERS
    similarity: Values = (
        (2 * mean_one * mean_other + luminance)
        * (2 * covariance + contrast)
        / ((mean_one**2 + mean_other**2 + luminance) * (variances + contrast))
    )
    return similarity


def _blur(plane: Values) -> Values:
    """Mean under the window, H x W, mirrored at the edge; a side may be shorter than the window's radius."""
    height, width = plane.shape
    mirrored = np.pad(plane, SSIM_RADIUS, mode="symmetric")
    blurred = cv2.GaussianBlur(mirrored, (2 * SSIM_RADIUS + 1,) * 2, SSIM_SIGMA)
    return np.asarray(blurred[SSIM_RADIUS : SSIM_RADIUS + height, SSIM_RADIUS : SSIM_RADIUS + width], np.float64)


def _as_float64(picture: ArrayLike) -> Values:
    return np.asarray(picture, np.float64)


def _difference(composite: ArrayLike, photo: ArrayLike) -> Values:
    return _as_float64(composite) - _as_float64(photo)


def _frame_mean(values: Values) -> Values:
    mean: Values = values.mean((1, 2, 3))
    return mean


def _hole_mean(values: Values, known: ArrayLike, empty: float) -> Values:
    """Mean per photo of B x C x H x W values over the hole pixels; `empty` where there are none."""
    hole = np.broadcast_to(np.asarray(known) < 0.5, values.shape)
    count = hole.sum((1, 2, 3))
    total = np.where(hole, values, 0).sum((1, 2, 3))
    return np.where(count > 0, total / np.maximum(count, 1), empty)


def _decibels(squared_error: Values) -> Values:
    with np.errstate(divide="ignore"):
        decibels: Values = np.minimum(-10 * np.log10(squared_error), MAX_PSNR)
    return decibels
