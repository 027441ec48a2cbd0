"""Train a network for colours: `train_colours(ColourConfig(data="./photos"))`.

Read `train_colours` for the order of things, `colour_samples` for what is trained on and `colour_step` for one step.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import tomli_w
import torch

from onar.checkpoint import LoadedWeights, load_weights
from onar.data.photo_sets import open_photos
from onar.errors import OnarError
from onar.models import PConvUNet
from onar.models.colour_unet import ColourUNet
from onar.system.console import say
from onar.system.devices import choose_device
from onar.training.colours.config import ColourConfig
from onar.training.colours.samples import ReducedPhotos, read_reduced
from onar.training.colours.step import ColourTraining
from onar.training.precision import choose_precision
from onar.training.step_run import StepRun, check_output, find_checkpoint, train_to_the_end, write_weights
from onar.weights.bundled import weights_file

FRACTION_BITS = 6
"""Of the ten that numbers in half precision have, those that the weights keep: the others change colours by half a
level of 255 at most, and a packed file is a fifth larger with them."""


def train_colours(config: ColourConfig) -> Path:
    """Train a network that tells the colours of holes, and put it into weights.

    Args:
        config: everything it depends on; the same settings and photos give the same weights (on the CPU, bit for bit).

    Returns:
        The path of the file: the weights that were given, with the network for colours.

    Raises:
        OnarError: no usable photo, weights or device, a loss is not finite, memory ran out, or a file cannot be
            written.
        KeyboardInterrupt: Ctrl-C; the state is kept, and the same call goes on with it.
    """
    check_output(config)
    device = choose_device(config.device)
    state = find_checkpoint(config)
    path = weights_file(config.weights)
    loaded = load_weights(path)
    if not isinstance(loaded.generator, PConvUNet):
        raise OnarError(f"{path} holds no network whose colours could be corrected, which is a PConvUNet")
    if loaded.generator.channels != 3:
        raise OnarError(
            f"{path} holds a network for photos of {loaded.generator.channels} channels, which have no colours"
        )
    photos = read_reduced(open_photos(config.data, config.photo_column), config.count, config.workers, config.seed)
    precision = choose_precision(config.mixed_precision, state["precision"] if state else None, device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = ColourUNet(config.channels)
    training = ColourTraining(network, config.learning_rate, config.ema_decay, device, bf16=precision == "bf16")
    run = StepRun(config, training, partial(_take_step, config, photos, training), precision)
    if state is not None:
        run.go_on(state)
    train_to_the_end(run)
    _write(run, loaded, training)
    say(f"The network with its colours: {config.output}")
    return config.output


def _take_step(
    config: ColourConfig, photos: ReducedPhotos, training: ColourTraining, number: int, factor: float
) -> dict[str, float]:
    """Take a step; its crops and holes depend on the seed and its number alone."""
    crops, known = photos.draw(config.batch_size, np.random.default_rng((config.seed, number)))
    return training.step(torch.from_numpy(crops).permute(0, 3, 1, 2), torch.from_numpy(known)[:, None], factor)


def _write(run: StepRun, loaded: LoadedWeights, training: ColourTraining) -> None:
    assert isinstance(loaded.generator, PConvUNet)
    generator = with_colours(loaded.generator, cast(ColourUNet, training.average.module))
    metadata = {
        "training_size": str(loaded.training_size),
        **loaded.record,
        "colours": tomli_w.dumps(run.recipe()).strip(),
    }
    write_weights(run, generator, metadata)


def with_colours(generator: PConvUNet, colours: ColourUNet) -> PConvUNet:
    """A `PConvUNet` with the weights of one and those of a `ColourUNet`, rounded to `FRACTION_BITS`, on the CPU."""
    architecture: dict[str, Any] = {**generator.architecture, "colour_channels": colours.channels}
    del architecture["generator"]
    whole = PConvUNet(**architecture)
    own = {name: value for name, value in generator.state_dict().items() if not name.startswith("colours.")}
    told = {f"colours.{name}": _rounded(value.cpu()) for name, value in colours.state_dict().items()}
    whole.load_state_dict(own | told)
    return whole.eval()


def _rounded(values: torch.Tensor) -> torch.Tensor:
    fractions, exponents = torch.frexp(values)
    scale = 2 ** (FRACTION_BITS + 1)  # fractions are below 1, and their first bit is not stored
    return torch.ldexp((fractions * scale).round() / scale, exponents)
