"""Learned distances: between two pictures (LPIPS, ST-LPIPS), and between two sets of features (FID, KID).

Pictures are B×3×H×W in [0, 1]; features are those of `onar.metrics.set_features`. Lower is better; identical pictures
have distance 0.
"""

from __future__ import annotations

import pickle
from http.client import HTTPException

import torch
from torch import Tensor, nn

from onar.errors import OnarError
from onar.metrics.feature_networks import DOWNLOAD_TIMEOUT, timeout

MIN_SIDE = 32  # in pixels; below, the maps of AlexNet would be empty


class LearnedDistance(nn.Module):
    """A learned distance of B pairs of pictures, by a network (one, other, normalize=True) -> B×1×1×1.

    Attributes:
        min_side: the distance is undefined for photos with a shorter side, in pixels.
    """

    min_side = MIN_SIDE

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()

    @torch.no_grad()
    def forward(self, composite: Tensor, photo: Tensor) -> Tensor:
        """Distances of B pairs; both B×3×H×W in [0, 1], at least `MIN_SIDE` pixels a side."""
        distance: Tensor = self.network(composite, photo, normalize=True)
        return distance.flatten()


def lpips() -> LearnedDistance:
    """LPIPS on AlexNet (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric").

    AlexNet's ImageNet weights come from torch's cache, and are downloaded the first time.

    Raises:
        OnarError: they are not in the cache and cannot be downloaded, or the cached file is damaged.
    """
    from torchmetrics.image import LearnedPerceptualImagePatchSimilarity

    try:
        with timeout(DOWNLOAD_TIMEOUT):
            return LearnedDistance(LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True).net)
    except (OSError, HTTPException, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise OnarError(
            f"AlexNet's ImageNet weights are not in torch's cache, or damaged, and cannot be downloaded ({reason}): "
            f"run once with a network, or put alexnet-owt-7be5be79.pth in {torch.hub.get_dir()}/checkpoints"
        ) from error


def st_lpips() -> LearnedDistance:
    """ST-LPIPS on AlexNet (Ghildyal & Liu 2022, "Shift-tolerant Perceptual Similarity Metric").

    Like LPIPS, but little moved by shifts of a pixel or two. Needs no network: the package holds the weights.

    Raises:
        OnarError: the packages are missing.
    """
    try:
        from stlpips_pytorch.stlpips import LPIPS
    except ImportError as error:
        raise OnarError(f'pip install "onar[offline]" ({error})') from error
    return LearnedDistance(LPIPS(net="alex", variant="shift_tolerant", verbose=False))


def frechet_distance(real: Tensor, other: Tensor) -> float:
    """Fréchet distance of two sets of features, N×C and M×C (Heusel et al. 2017, "GANs Trained by a Two...").

    Both have at least 2. With few pictures for many features the distance comes out too large, so only sets of one size
    can be compared.
    """
    real, other = real.double(), other.double()
    shift = (real.mean(0) - other.mean(0)).square().sum()
    one, two = _covariance_root(real), _covariance_root(other)
    # the covariances are RᵀR and SᵀS, and the trace of the root of their product is the sum of singular values of RSᵀ.
    # that is exact, and of 2048 features of few pictures a thousand times as fast as the product's eigenvalues.
    shared = torch.linalg.svdvals(one @ two.T).sum()
    return max(0.0, float(shift + one.square().sum() + two.square().sum() - 2 * shared))


def _covariance_root(features: Tensor) -> Tensor:
    """R, at most C×C, such that RᵀR is the covariance of N×C features."""
    centred = (features - features.mean(0)) / (len(features) - 1) ** 0.5
    root: Tensor = torch.linalg.qr(centred, mode="r").R
    return root


def kernel_distance(real: Tensor, other: Tensor) -> float:
    """Kernel distance of two sets of features, N×C each (Binkowski et al. 2018, "Demystifying MMD GANs").

    The squared maximum mean discrepancy with the polynomial kernel (x·y / C + 1)³, over all pictures at once. The
    estimate has no bias, so it falls a little below 0 for sets that are alike.
    """
    from torchmetrics.image.kid import poly_mmd

    return float(poly_mmd(real.double(), other.double()))
