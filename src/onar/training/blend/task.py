"""The training of a blend as a task of the engine: pairs of fills, steps of a small GAN, scores on held-out pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tomli_w
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from onar.checkpoint import load_blend
from onar.data.photo_sets import Photos, open_photos
from onar.errors import FieldError
from onar.fills.patches import require_patches
from onar.imaging.sheets import Picture
from onar.metrics.feature_networks import load_features
from onar.metrics.held_out import Scores, picture_rows
from onar.metrics.table import score
from onar.models import Discriminator
from onar.models.texture_blend import TextureBlend
from onar.settings.options import PhotoData
from onar.settings.training import loss_weights
from onar.system.console import say
from onar.system.files import file_sha256
from onar.training.blend.config import BlendConfig
from onar.training.blend.pairs import PairMaker, claim_folder, make_pairs, missing_pairs, read_crops
from onar.training.blend.step import DISCRIMINATOR_CHANNELS, BlendGAN
from onar.training.learning import RateFactor
from onar.training.step_task import StepTask
from onar.weights.bundled import BUNDLED, PYRAMID, texture_weights, weights_file

VALIDATION_PAIRS = 24
SAMPLE_ROWS = 6


class BlendTask(StepTask):
    """A blend and its discriminator."""

    networks: BlendGAN

    def __init__(self, config: BlendConfig) -> None:
        super().__init__(config)
        self.config = config
        self._digest = digest(config.weights)
        self._start = load_start(config)
        features = load_features(config.content_network, config.content_weights).to(self.device)
        self._features = features.to(memory_format=torch.channels_last)
        self._photos = self._photos_for(config.data, config.pair_folder, config.count)
        self._val_photos = self._photos_for(config.val_data, config.val_pair_folder, VALIDATION_PAIRS)

    def _photos_for(self, data: PhotoData | None, folder: Path, count: int) -> Photos | None:
        """The photos for the pairs that are missing in a folder; None where none are."""
        if data is None or not missing_pairs(folder, count):
            return None
        require_patches()
        return open_photos(data, self.config.photo_column)

    def read_photos(self) -> None:
        """Make the pairs that are missing, and read those of validation."""
        config, rng = self.config, np.random.default_rng(self.config.seed)
        self._complete_pairs(self._photos, config.pair_folder, config.count)
        folder, count = config.pair_folder, min(config.count, SAMPLE_ROWS)
        if config.val_data is not None:
            folder, count = config.val_pair_folder, VALIDATION_PAIRS
            self._complete_pairs(self._val_photos, folder, count)
        self._held_out = to_tensor(read_crops(folder, count, count, config.img_size, rng))

    def _complete_pairs(self, photos: Photos | None, folder: Path, count: int) -> None:
        config = self.config
        claim_folder(folder, {"weights": self._digest, "pair_size": config.pair_size, "seed": config.seed})
        missing = missing_pairs(folder, count)
        if not missing:
            return
        assert photos is not None
        if len(missing) < count:
            say(f"{count - len(missing)} of {count} pairs are there already")
        maker = PairMaker(photos, folder, config.weights, config.seed, config.pair_size)
        make_pairs(maker, missing, config.workers)

    def build_networks(self, factor: RateFactor, *, bf16: bool) -> BlendGAN:
        """Build the blend and its discriminator."""
        config = self.config
        return BlendGAN(
            self._start or TextureBlend(config.base_channels),
            Discriminator(config.img_size, DISCRIMINATOR_CHANNELS, "local"),
            self._features,
            weights=loss_weights(config),
            rates=(config.learning_rate, config.learning_rate_d),
            factor=factor,
            ema_decay=config.ema_decay,
            device=self.device,
            bf16=bf16,
        )

    def base_rates(self) -> dict[str, float]:
        """Those of both networks."""
        return {**super().base_rates(), "learning_rate_d": self.config.learning_rate_d}

    def draw_batch(self, rng: np.random.Generator) -> Tensor:
        """Crops of pairs, uint8 B×13×H×W."""
        config = self.config
        return to_tensor(read_crops(config.pair_folder, config.count, config.batch_size, config.img_size, rng))

    def evaluate(self) -> dict[str, Scores]:
        """Scores of the blend and of two of its fills, on pairs of `val_data`."""
        if self.config.val_data is None:
            return {}
        sums: dict[str, Scores] = {}
        for start in range(0, len(self._held_out), self.config.batch_size):
            photo, known, fills = self.networks.fill(self._held_out[start : start + self.config.batch_size])
            for method, fill in fills.items():
                found = sums.setdefault(method, {})
                for name, values in score(fill, photo, known).items():
                    found[name] = found.get(name, 0.0) + float(np.sum(values))
        count = len(self._held_out)
        return {method: {name: value / count for name, value in found.items()} for method, found in sums.items()}

    def sample_rows(self) -> Sequence[Sequence[Picture]]:
        """Crops of pairs of validation, or without it of training."""
        photo, known, fills = self.networks.fill(self._held_out[:SAMPLE_ROWS])
        return picture_rows(photo, known, fills["onar"])

    def finish(self) -> tuple[nn.Module, dict[str, str], str]:
        """The average of the blend."""
        metadata = {"recipe": tomli_w.dumps(self.recipe()), "trained_for": self._digest}
        said = f"The blend: {self.config.output}; the pairs in {self.config.pair_folder} are no longer needed"
        return self.networks.learners["blend"].kept, metadata, said


def load_start(config: BlendConfig) -> TextureBlend | None:
    """The blend that a run starts from; raises `OnarError` when `init_weights` holds none of `base_channels`."""
    if config.init_weights is None:
        return None
    path = texture_weights() if str(config.init_weights) == BUNDLED else config.init_weights
    blend = load_blend(path)
    if blend.base_channels != config.base_channels:
        raise FieldError(
            "init_weights", f"{path} holds a blend of `base_channels` {blend.base_channels}, not {config.base_channels}"
        )
    return blend.train()


def to_tensor(crops: NDArray[np.uint8]) -> Tensor:
    """B×H×W×13 -> B×13×H×W."""
    return torch.from_numpy(crops).permute(0, 3, 1, 2)


def digest(weights: str | None) -> str:
    """A name of the network in a file that no other has; raises `OnarError` when the file cannot be read."""
    return PYRAMID if weights == PYRAMID else file_sha256(weights_file(weights))
