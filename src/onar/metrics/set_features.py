"""Feature vectors of pictures, by which sets of pictures are compared (FID, KID)."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from onar.errors import FieldError, OnarError
from onar.metrics.feature_networks import FEATURES, FrozenFeatures, cached_weights, load_features
from onar.system.files import file_sha256
from onar.weights.tensors import load_state

INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
"""The InceptionV3 weights of FID, converted by torch-fidelity; the name ends in the first digits of their SHA-256."""


class SetFeatures(Protocol):
    """A network that computes one feature vector per picture."""

    is_standard: bool  # its distances are the FID and KID of papers
    note: str  # with which other distances its own are comparable

    def __call__(self, picture: Tensor) -> Tensor:
        """B×C in float64, on the CPU, of B×3×H×W in [0, 1]."""

    def to(self, device: torch.device) -> SetFeatures:
        """Move it to a device."""


class PooledFeatures(nn.Module):
    """Global average pooling of the last map of a network of `FEATURES`."""

    is_standard = False
    note = "Not the FID and KID of papers, which use InceptionV3: compare only within this report."

    def __init__(self, network: FrozenFeatures) -> None:
        super().__init__()
        self.network = network

    @torch.no_grad()
    def forward(self, picture: Tensor) -> Tensor:
        """B×C in float64, on the CPU, of B×3×H×W in [0, 1]."""
        last: Tensor = self.network(picture)[-1]
        return last.mean((2, 3)).cpu().double()  # MPS has no float64


class InceptionFeatures(nn.Module):
    """The pooled 2048 features of FID's InceptionV3 (Heusel et al. 2017), by torch-fidelity.

    Pictures are rounded to 8 bits and resized to 299×299 as TensorFlow 1 did, without antialiasing. By default, the
    weights are those of `INCEPTION_URL` from torch's cache, downloaded the first time.

    Raises:
        OnarError: torch-fidelity or the weights are missing, or the file does not fit.
    """

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise OnarError(f'inception_v3 needs pip install "onar[fid]" ({error})') from error
        file = weights or cached_weights(INCEPTION_URL, "InceptionV3's weights", "features_weights")
        self.is_standard = file_sha256(file).startswith(Path(INCEPTION_URL).stem.rpartition("-")[2])
        self.note = _STANDARD_NOTE if self.is_standard else _OTHER_NOTE
        # torch-fidelity would unpickle code from the file: it gets a copy of the tensors only.
        tensors = BytesIO()
        torch.save(load_state(file), tensors)
        tensors.seek(0)
        try:
            self.network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], tensors)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise OnarError(
                f"{file} does not hold torch-fidelity's InceptionV3, which is in {Path(INCEPTION_URL).name}"
            ) from error

    @torch.no_grad()
    def forward(self, picture: Tensor) -> Tensor:
        """B×2048 in float64, on the CPU, of B×3×H×W in [0, 1]."""
        features: Tensor = self.network(picture.mul(255).round().byte())[0]
        return features.cpu().double()


_STANDARD_NOTE = (
    "InceptionV3 and its weights are those of papers. Both distances depend on the photos and the holes, FID also on "
    "how many there are: below some thousands it comes out too large."
)
_OTHER_NOTE = (
    "The weights are not the published ones, so this is not the FID and KID of papers: compare only within this report."
)

SET_FEATURES: dict[str, Callable[[Path | None], SetFeatures]] = {"inception_v3": InceptionFeatures}
"""Networks for FID and KID, beside those of `FEATURES`."""


def load_set_features(name: str, weights: Path | None = None) -> SetFeatures:
    """Build a network of `FEATURES` or `SET_FEATURES` on the CPU; weights as for `load_features`.

    Raises:
        UsageError: there is no such network.
        OnarError: its weights or packages are missing.
    """
    if name in FEATURES:
        return PooledFeatures(load_features(name, weights))
    if name not in SET_FEATURES:
        raise FieldError("features", f"is {' or '.join([*FEATURES, *SET_FEATURES])}, not {name!r}")
    return SET_FEATURES[name](weights)
