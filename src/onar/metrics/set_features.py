"""One vector for each picture, by which sets of pictures are compared (FID, KID)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from onar.errors import OnarError, UsageError
from onar.metrics.feature_networks import FEATURES, FrozenFeatures, cached_weights, load_features
from onar.system.files import file_sha256
from onar.weights.tensors import load_state

INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
"""The weights of FID's own InceptionV3, converted by torch-fidelity; the first digits of their SHA-256 are the last of
the name."""


class SetFeatures(Protocol):
    """A network that gives each picture one vector."""

    is_standard: bool
    """Its distances are the FID and KID of papers."""
    note: str
    """What its distances can be compared with."""

    def __call__(self, picture: Tensor) -> Tensor:
        """B×C in float64 of B×3×H×W in [0, 1]."""

    def to(self, device: torch.device) -> SetFeatures:
        """Move it."""


class PooledFeatures(nn.Module):
    """The mean over the picture of the last map of a network of `FEATURES`."""

    is_standard = False
    note = "Not the FID and KID of papers, which use InceptionV3: compare only within this report."

    def __init__(self, network: FrozenFeatures) -> None:
        super().__init__()
        self.network = network

    @torch.no_grad()
    def forward(self, picture: Tensor) -> Tensor:
        """B×C of B×3×H×W in [0, 1], in float64, in which sets are compared."""
        last: Tensor = self.network(picture)[-1]
        return last.mean((2, 3)).double()


class InceptionFeatures(nn.Module):
    """The pooled 2048 features of FID's InceptionV3 (Heusel et al. 2017), by torch-fidelity.

    Pictures are rounded to 8 bits and resized to 299×299 as TensorFlow 1 did, without antialiasing.

    Args:
        weights: the file; by default that of `INCEPTION_URL` from torch's cache, downloaded the first time.

    Raises:
        OnarError: torch-fidelity or the weights are missing, or the file does not fit.
    """

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise OnarError(f'inception_v3 needs pip install "onar[fid]" ({error})') from error
        file = weights or cached_weights(INCEPTION_URL, "InceptionV3's weights", "--features_weights")
        self.is_standard = file_sha256(file).startswith(Path(INCEPTION_URL).stem.rpartition("-")[2])
        self.note = _STANDARD_NOTE if self.is_standard else _OTHER_NOTE
        # torch-fidelity would run code that a file holds: it gets a copy of the tensors alone.
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
        """B×2048 of B×3×H×W in [0, 1], in float64."""
        features: Tensor = self.network(picture.mul(255).round().byte())[0]
        return features.double()


_STANDARD_NOTE = (
    "InceptionV3 and its weights are those of papers. Both distances depend on the photos and the holes, FID also on "
    "how many there are: below some thousands it comes out too large."
)
_OTHER_NOTE = (
    "The weights are not the published ones, so this is not the FID and KID of papers: compare only within this report."
)

SET_FEATURES: dict[str, Callable[[Path | None], SetFeatures]] = {
    **{name: partial(lambda name, weights: PooledFeatures(load_features(name, weights)), name) for name in FEATURES},
    "inception_v3": InceptionFeatures,
}
"""What `features` can name."""


def load_set_features(name: str, weights: Path | None = None) -> SetFeatures:
    """Build what compares sets of pictures, on the CPU.

    Args:
        name: a key of `SET_FEATURES`.
        weights: the network's weights; by default each network finds its own.

    Raises:
        UsageError: there is no such network.
        OnarError: its weights or packages are missing.
    """
    if name not in SET_FEATURES:
        raise UsageError(f"--features is {' or '.join(SET_FEATURES)}, not {name!r}")
    return SET_FEATURES[name](weights)
