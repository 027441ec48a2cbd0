"""The training of a low-resolution colour predictor as a task of the engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tomli_w
import torch
from torch import nn
from torch.nn import functional

from onar.checkpoint import load_weights
from onar.data.photo_sets import open_photos
from onar.errors import OnarError
from onar.imaging.sheets import Picture
from onar.masks.holes import composite
from onar.metrics.held_out import Scores, picture_rows
from onar.models import PConvUNet
from onar.models.colour_unet import ColourUNet
from onar.training.colours.config import ColourConfig
from onar.training.colours.samples import SEEN_CELL, ReducedPhotos, read_reduced
from onar.training.colours.step import ColourBatch, ColourTraining, colour_errors
from onar.training.learning import RateFactor
from onar.training.step_task import StepTask
from onar.weights.bundled import weights_file

FRACTION_BITS = 6
"""Of the ten that numbers in half precision have, those that the weights keep: the others change colours by half a
level of 255 at most, and a packed file is a fifth larger with them."""

VALIDATION_PHOTOS = 200
VALIDATION_BATCHES = 8
SAMPLE_ROWS = 6


class ColourTask(StepTask):
    """A colour predictor, and the weights that it is put into; raises `OnarError` where these take none."""

    networks: ColourTraining

    def __init__(self, config: ColourConfig) -> None:
        super().__init__(config)
        self.config = config
        path = weights_file(config.weights)
        self._loaded = load_weights(path)
        if not isinstance(self._loaded.generator, PConvUNet):
            raise OnarError(f"{path} holds no network whose colours could be corrected, which is a PConvUNet")
        if self._loaded.generator.channels != 3:
            raise OnarError(
                f"{path} holds a network for photos of {self._loaded.generator.channels} channels, which have no "
                "colours"
            )
        self._photos = open_photos(config.data, config.photo_column)
        self._val_photos = None if config.val_data is None else open_photos(config.val_data, config.photo_column)

    def read_photos(self) -> None:
        """Read all photos at low resolution, and draw the batches of validation."""
        config = self.config
        self._reduced = read_reduced(self._photos, config.count, config.workers, config.seed)
        shown, batches = self._reduced, 1  # for the sample sheet
        if self._val_photos is not None:
            shown = read_reduced(self._val_photos, VALIDATION_PHOTOS, config.workers, config.seed)
            batches = VALIDATION_BATCHES
        rngs = [np.random.default_rng((config.seed, number)) for number in range(batches)]
        self._held_out = [draw_batch(shown, config.batch_size, rng) for rng in rngs]

    def build_networks(self, factor: RateFactor, *, bf16: bool) -> ColourTraining:
        """Build the predictor."""
        config = self.config
        network = ColourUNet(config.channels)
        return ColourTraining(network, config.learning_rate, factor, config.ema_decay, self.device, bf16=bf16)

    def draw_batch(self, rng: np.random.Generator) -> ColourBatch:
        """Crops of photos, with holes."""
        return draw_batch(self._reduced, self.config.batch_size, rng)

    def evaluate(self) -> dict[str, Scores]:
        """Errors of hole colours on `val_data`, beside those of the pyramid fill."""
        if self._val_photos is None:
            return {}
        errors = [colour_errors(*self.networks.predict(batch)) for batch in self._held_out]
        return {method: {"error": float(np.mean([one[method] for one in errors]))} for method in errors[0]}

    def sample_rows(self) -> Sequence[Sequence[Picture]]:
        """Photos of validation, or without it of training, with the predicted colours of cells in their holes."""
        photo, known = (part[:SAMPLE_ROWS] for part in self._held_out[0])
        cells, *_ = self.networks.predict((photo, known))
        height, width = (SEEN_CELL * side for side in cells.shape[-2:])
        photo, known = photo[..., :height, :width], known[..., :height, :width]
        completed = composite(photo, functional.interpolate(cells.cpu(), (height, width)), known)
        return picture_rows(photo, known, completed)

    def finish(self) -> tuple[nn.Module, dict[str, str], str]:
        """The network that was given, with the average of the predictor."""
        assert isinstance(self._loaded.generator, PConvUNet)
        metadata = {
            "training_size": str(self._loaded.training_size),
            **self._loaded.record,
            "colours": tomli_w.dumps(self.recipe()).strip(),
        }
        generator = with_colours(self._loaded.generator, self.networks.kept_network)
        return generator, metadata, f"The network with its colours: {self.config.output}"


def draw_batch(photos: ReducedPhotos, batch_size: int, rng: np.random.Generator) -> ColourBatch:
    """Draw crops with holes, as tensors."""
    crops, known = photos.draw(batch_size, rng)
    return torch.from_numpy(crops).permute(0, 3, 1, 2), torch.from_numpy(known)[:, None]


def with_colours(generator: PConvUNet, colours: ColourUNet) -> PConvUNet:
    """A `PConvUNet` with the weights of one and those of a `ColourUNet`, rounded to `FRACTION_BITS`, on the CPU."""
    whole = generator.rebuilt(colour_channels=colours.channels)
    own = {name: value for name, value in generator.state_dict().items() if not name.startswith("colours.")}
    predictor = {f"colours.{name}": _rounded(value.cpu()) for name, value in colours.state_dict().items()}
    whole.load_state_dict(own | predictor)
    return whole.eval()


def _rounded(values: torch.Tensor) -> torch.Tensor:
    fractions, exponents = torch.frexp(values)
    scale = 2 ** (FRACTION_BITS + 1)  # fractions are below 1, and their first bit is not stored
    return torch.ldexp((fractions * scale).round() / scale, exponents)
