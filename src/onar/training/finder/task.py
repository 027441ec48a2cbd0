"""The training of a damage finder as a task of the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from torch import nn

from onar.data.damage.kinds import CHANNELS
from onar.data.photo_sets import open_photos
from onar.imaging.sheets import Picture
from onar.metrics.finding import hat_response
from onar.metrics.held_out import Scores
from onar.models.damage_finder import DamageFinder
from onar.training.finder.config import FinderConfig
from onar.training.finder.samples import FinderBatch, draw_batch, read_kept
from onar.training.finder.step import FinderTraining
from onar.training.finder.thresholds import HAT_CANDIDATES, choose_threshold, count_at
from onar.training.learning import RateFactor
from onar.training.step_task import StepTask

VALIDATION_BATCHES = 16
VALIDATION_PHOTOS = 200
SAMPLE_ROWS = 8
HIGHLIGHTS = np.array([[255, 40, 40], [40, 220, 80]], np.uint8)  # of scratches and dust on sample sheets


class FinderTask(StepTask):
    """A damage finder."""

    networks: FinderTraining

    def __init__(self, config: FinderConfig) -> None:
        super().__init__(config)
        self.config = config
        self._photos = open_photos(config.data, config.photo_column)
        self._val_photos = None if config.val_data is None else open_photos(config.val_data, config.photo_column)

    def read_photos(self) -> None:
        """Read all photos, and draw the batches of validation."""
        config = self.config
        self._kept = read_kept(self._photos, config.count, config.workers, config.seed)
        shown = self._kept
        if self._val_photos is not None:
            shown = read_kept(self._val_photos, VALIDATION_PHOTOS, config.workers, config.seed)
        rngs = (np.random.default_rng((config.seed, 1, number)) for number in range(VALIDATION_BATCHES))
        batches = [draw_batch(shown, config.batch_size, config.img_size, config.clean_share, rng) for rng in rngs]
        self._held_out: FinderBatch = torch.cat([one for one, _ in batches]), torch.cat([two for _, two in batches])

    def build_networks(self, factor: RateFactor, *, bf16: bool) -> FinderTraining:
        """Build the network."""
        config = self.config
        return FinderTraining(DamageFinder(), config.learning_rate, factor, config.ema_decay, self.device, bf16=bf16)

    def draw_batch(self, rng: np.random.Generator) -> FinderBatch:
        """Crops of photos, most of them damaged."""
        config = self.config
        return draw_batch(self._kept, config.batch_size, config.img_size, config.clean_share, rng)

    def batches(self) -> Iterator[tuple[FinderBatch, int]]:
        """Those of the rest of the epoch, each drawn in a thread while the step before it is taken."""
        progress = self.run.progress
        steps = range(progress.step, progress.step + self.steps_left(progress.images))
        with ThreadPoolExecutor(1) as thread:
            coming = [thread.submit(self.draw_for, step) for step in steps[:1]]
            for step in steps:
                batch = coming.pop().result()
                coming = [thread.submit(self.draw_for, later) for later in steps[step - steps[0] + 1 :][:1]]
                yield batch, self.config.batch_size

    def evaluate(self) -> dict[str, Scores]:
        """Scores on crops of `val_data`, beside the F1 of black-hat and top-hat at their best threshold."""
        if self._val_photos is None:
            return {}
        return {"onar": self._score(), "hats": {"f1": self._hats_f1}}

    @cached_property
    def _hats_f1(self) -> float:
        photo, truth = self._held_out
        hats = np.stack([hat_response(one.permute(1, 2, 0).numpy()) for one in photo])
        return choose_threshold(np.asarray(hats / 255, np.float32), truth.any(1).numpy(), HAT_CANDIDATES)[1].f1

    def _score(self) -> Scores:
        """F1 of all damage, and F1 and best threshold of each channel."""
        photo, truth = self._held_out
        probabilities = torch.cat(
            [self.networks.predict(part) for part in torch.split(photo, self.config.batch_size)]
        ).numpy()
        scores: Scores = {"f1": 0.0}
        marked = np.zeros(probabilities[:, 0].shape, bool)
        for index, channel in enumerate(CHANNELS):
            threshold, found = choose_threshold(probabilities[:, index], truth[:, index].numpy())
            marked |= probabilities[:, index] >= threshold
            scores |= {f"f1_{channel}": found.f1, f"threshold_{channel}": threshold}
        scores["f1"] = count_at(marked.astype(np.float32), truth.any(1).numpy(), 0.5).f1
        return scores

    def sample_rows(self) -> Sequence[Sequence[Picture]]:
        """Crops of validation, or without it of training: as they are, what is found, and the truth."""
        photo, truth = (part[:SAMPLE_ROWS] for part in self._held_out)
        found = self.networks.predict(photo) >= 0.5
        pictures = photo.permute(0, 2, 3, 1).numpy()
        return [
            [picture, highlighted(picture, marks), highlighted(picture, true)]
            for picture, marks, true in zip(pictures, found.numpy(), truth.numpy(), strict=True)
        ]

    def finish(self) -> tuple[nn.Module, dict[str, str], str]:
        """The average of the network, with its thresholds and scores on validation, or without it on training crops."""
        scores = self._score()
        names = (f"{name}_{channel}" for name in ("threshold", "f1") for channel in CHANNELS)
        metadata = {name: f"{scores[name]:.3g}" for name in names}
        metadata["recipe"] = tomli_w.dumps(self.recipe()).strip()
        return self.networks.kept_network.eval(), metadata, f"The damage finder: {self.config.output}"

    def write(self, path: Path, network: nn.Module, metadata: dict[str, str]) -> None:
        """Write the network as an ONNX file with weights in half precision."""
        from onar.models.graphs.damage_finder import finder_onnx

        weights = {name: value.cpu().float().numpy() for name, value in network.state_dict().items()}
        path.write_bytes(finder_onnx(weights, metadata, half=True))


def highlighted(picture: Picture, marks: np.ndarray[Any, np.dtype[np.bool_]]) -> Picture:
    """The picture, H×W×3, with marks, 2×H×W, in their colours."""
    shown = picture.copy()
    for one, colour in zip(marks, HIGHLIGHTS, strict=True):
        shown[one] = colour
    return shown
