"""Train what blends a network's fills with texture copied from the photo: `train_blend(BlendConfig(data="./photos"))`.

Read `train_blend` for the order of things, `blend_pairs` for what is trained on and `blend_step` for one step.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import tomli_w
import torch

from onar.data.photo_sets import open_photos
from onar.fills.patchmatch import require_patchmatch
from onar.inference.inpainter import PYRAMID
from onar.metrics.feature_networks import load_features
from onar.models import Discriminator
from onar.models.texture_blend import TextureBlend
from onar.settings.training import loss_weights
from onar.system.console import say
from onar.system.devices import choose_device
from onar.system.files import file_sha256
from onar.training.blend.config import BlendConfig
from onar.training.blend.pairs import PairMaker, claim_folder, make_pairs, missing_pairs, read_crops
from onar.training.blend.step import DISCRIMINATOR_CHANNELS, BlendGAN
from onar.training.precision import choose_precision
from onar.training.step_run import StepRun, check_output, find_checkpoint, train_to_the_end, write_weights
from onar.weights.bundled import weights_file


def train_blend(config: BlendConfig) -> Path:
    """Make pairs of fills from photos, where they are not made yet, and train a blend on them.

    Args:
        config: everything it depends on; the same settings and pairs give the same weights (on the CPU, bit for bit).

    Returns:
        The path of the file that `Inpainter.load` takes as `blend`.

    Raises:
        OnarError: no usable photo, weights, content network or device, PatchMatch is missing, a loss is not finite,
            memory ran out, or a file cannot be written.
        KeyboardInterrupt: Ctrl-C; what was done is kept, and the same call goes on with it.
    """
    check_output(config)
    device = choose_device(config.device)
    state = find_checkpoint(config)
    features = load_features(config.content_network, config.content_weights).to(device)
    _complete_pairs(config)
    precision = choose_precision(config.mixed_precision, state["precision"] if state else None, device)
    gan = _build_gan(config, device, features.to(memory_format=torch.channels_last), bf16=precision == "bf16")
    run = StepRun(config, gan, partial(_take_step, config, gan), precision)
    if state is not None:
        run.go_on(state)
    train_to_the_end(run)
    metadata = {"recipe": tomli_w.dumps(run.recipe()), "trained_for": _digest(config.weights)}
    write_weights(run, gan.average.module, metadata)
    say(f"The blend: {config.output}; the pairs in {config.pair_folder} are no longer needed")
    return config.output


def _complete_pairs(config: BlendConfig) -> None:
    """Make the pairs that are missing."""
    folder = config.pair_folder
    made_from = {"weights": _digest(config.weights), "pair_size": config.pair_size, "seed": config.seed}
    claim_folder(folder, made_from)
    missing = missing_pairs(folder, config.count)
    if not missing:
        return
    require_patchmatch()
    photos = open_photos(config.data, config.photo_column)
    if len(missing) < config.count:
        say(f"{config.count - len(missing)} of {config.count} pairs are there already")
    maker = PairMaker(photos, folder, config.weights, config.seed, config.pair_size)
    make_pairs(maker, missing, config.workers)


def _digest(weights: str | None) -> str:
    """What tells the network in a file from all others; raises `OnarError` when the file cannot be read."""
    if weights == PYRAMID:
        return PYRAMID
    return file_sha256(weights_file(weights))


def _build_gan(config: BlendConfig, device: torch.device, features: torch.nn.Module, *, bf16: bool) -> BlendGAN:
    """The networks before the first step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        blend = TextureBlend(config.base_channels)
        discriminator = Discriminator(config.img_size, DISCRIMINATOR_CHANNELS, "local")
    return BlendGAN(
        blend,
        discriminator,
        features,
        weights=loss_weights(config),
        rates=(config.learning_rate, config.learning_rate_d),
        ema_decay=config.ema_decay,
        device=device,
        bf16=bf16,
    )


def _take_step(config: BlendConfig, gan: BlendGAN, number: int, factor: float) -> dict[str, float]:
    """Take a step; its crops depend on the seed and its number alone."""
    rng = np.random.default_rng((config.seed, number))
    crops = read_crops(config.pair_folder, config.count, config.batch_size, config.img_size, rng)
    return gan.step(torch.from_numpy(crops).permute(0, 3, 1, 2), factor)
