"""Train what blends a network's fills with texture copied from the photo: `train_blend(BlendConfig(data="./photos"))`.

Read `train_blend` for the order of things, `blend_pairs` for what is trained on and `blend_step` for one step.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch

from onar.bundled import weights_file
from onar.checkpoint import save_half_precision
from onar.config import Precision
from onar.data.samples import open_photos
from onar.devices import available_cpus, choose_device, is_out_of_memory
from onar.errors import OnarError, UsageError
from onar.files import check_writable, replacing
from onar.inference.inpainter import PYRAMID
from onar.metrics.feature_networks import load_features
from onar.models import Discriminator
from onar.models.texture_blend import TextureBlend
from onar.patchmatch import require_patchmatch
from onar.tensor_files import load_state, save_state
from onar.training.blend_config import BlendConfig
from onar.training.blend_pairs import PairMaker, claim_folder, make_pairs, missing_pairs, read_crops
from onar.training.blend_step import DISCRIMINATOR_CHANNELS, BlendGAN
from onar.training.budget import Budget, steps_that_fit
from onar.training.interruption import interruption
from onar.training.precision import choose_precision
from onar.training.step import NotFiniteError, learning_rate_factor
from onar.weights_files import FORMAT

WARMUP_STEPS = 50


@dataclass
class BlendRun:
    """One training of a blend while it runs.

    Attributes:
        config: its settings.
        gan: the networks.
        precision: the number format that it began with.
        budget: its time.
        step: steps so far.
        total_steps: steps of the whole training.
        planned: the number of steps was set by --max_minutes.
        last_checkpoint: when the last one was written.
    """

    config: BlendConfig
    gan: BlendGAN
    precision: Precision
    budget: Budget
    step: int
    total_steps: int
    planned: bool
    last_checkpoint: float = field(default_factory=time.monotonic)


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
    check_writable(config.output)
    device = choose_device(config.device)
    state = _find_checkpoint(config)
    features = load_features(config.content_network, config.content_weights).to(device)
    _complete_pairs(config)
    run = _prepare(config, device, features.to(memory_format=torch.channels_last), state)
    try:
        with interruption(f"the last checkpoint is {config.checkpoint}") as interrupted:
            _train(run, interrupted)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OnarError(
            f"out of memory at --batch_size {config.batch_size}, --img_size {config.img_size}: lower one of them"
        ) from error
    _write_blend(run)
    print(f"The blend: {config.output}; the pairs in {config.pair_folder} are no longer needed")
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
        print(f"{config.count - len(missing)} of {config.count} pairs are there already")
    maker = PairMaker(photos, folder, config.weights, config.seed, config.pair_size)
    make_pairs(maker, missing, available_cpus() if config.num_workers is None else config.num_workers)


def _digest(weights: str | None) -> str:
    """What tells the network in a file from all others; raises `OnarError` when the file cannot be read."""
    if weights == PYRAMID:
        return PYRAMID
    path = weights_file(weights)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OnarError(f"cannot read {path}: {error.strerror or error}") from error


def _find_checkpoint(config: BlendConfig) -> dict[str, Any] | None:
    """The state of a training that was stopped, if there is one; raises `OnarError` when it had other settings."""
    if not config.checkpoint.exists():
        return None
    state = load_state(config.checkpoint, sealed=True)
    before, now = state["recipe"], config.recipe()
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise UsageError(
                f"{config.checkpoint} is of a training with --{name} {before.get(name)}, not {now.get(name)}: "
                "take that again, name another --output, or remove the file to start anew"
            )
    return state


def _prepare(
    config: BlendConfig, device: torch.device, features: torch.nn.Module, state: dict[str, Any] | None
) -> BlendRun:
    """Build the networks, or take them from the state of a training that was stopped."""
    precision = choose_precision(config.mixed_precision, state["precision"] if state else None, device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        blend = TextureBlend(config.base_channels)
        discriminator = Discriminator(config.img_size, DISCRIMINATOR_CHANNELS, "local")
    terms = ("pixel", "style", "statistics", "normalised", "adv")
    gan = BlendGAN(
        blend,
        discriminator,
        features,
        weights={name: getattr(config, f"lambda_{name}") for name in terms},
        rates=(config.learning_rate, config.learning_rate_d),
        ema_decay=config.ema_decay,
        device=device,
        bf16=precision == "bf16",
    )
    budget = Budget(60 * (config.max_minutes or math.inf))
    run = BlendRun(config, gan, precision, budget, step=0, total_steps=config.steps, planned=False)
    if state is not None:
        gan.load_state_dict(state["gan"])
        budget.go_on(state["spent"])
        run.step, run.total_steps, run.planned = state["step"], state["total_steps"], state["planned"]
        print(f"Going on after step {run.step} of {run.total_steps}")
    return run


def _train(run: BlendRun, interrupted: list[int]) -> None:
    """Train to the last step; raises `KeyboardInterrupt` with the state saved when somebody asks for that."""
    config, sums, counted = run.config, dict[str, float](), 0
    while run.step < run.total_steps:
        for name, value in _step(run).items():
            sums[name] = sums.get(name, 0.0) + value
        counted += 1
        if run.step % config.log_every == 0 or run.step == run.total_steps:
            means = "  ".join(f"{name} {total / counted:.4f}" for name, total in sums.items())
            print(f"step {run.step}/{run.total_steps}  {means}  {run.budget.latest_step:.2f} s", flush=True)
            sums, counted = {}, 0
        _keep_to_time(run)
        if interrupted or time.monotonic() - run.last_checkpoint > 60 * config.checkpoint_minutes:
            _save(run)
        if interrupted:
            raise KeyboardInterrupt(
                f"Stopped after step {run.step}; saved {config.checkpoint}. The same command goes on."
            )


def _step(run: BlendRun) -> dict[str, float]:
    """Take a step; its crops depend on the seed and its number alone."""
    config = run.config
    rng = np.random.default_rng((config.seed, run.step))
    crops = read_crops(config.pair_folder, config.count, config.batch_size, config.img_size, rng)
    factor = learning_rate_factor("cosine", WARMUP_STEPS, run.total_steps)(run.step)
    try:
        losses = run.gan.step(torch.from_numpy(crops).permute(0, 3, 1, 2), factor)
    except NotFiniteError as error:
        raise OnarError(
            f"step {run.step + 1}: {error}. Start anew with a lower --learning_rate or --mixed_precision no"
        ) from error
    run.step += 1
    run.budget.count_step()
    return losses


def _keep_to_time(run: BlendRun) -> None:
    """Set the number of steps as soon as their speed is known, and end the training when its time is over."""
    budget, limit = run.budget, run.config.max_minutes
    if limit is None or run.step >= run.total_steps:
        return
    if budget.left < budget.latest_step:
        print(f"--max_minutes {limit:g}: the time is over after {run.step} steps of {run.total_steps}")
        run.total_steps = run.step
    elif not run.planned and budget.knows_speed:
        run.total_steps = run.step + steps_that_fit(
            budget.left, run.total_steps - run.step, lambda steps: steps * budget.step_seconds
        )
        run.planned = True
        print(f"--max_minutes {limit:g}: {run.total_steps} steps of {run.config.steps}")


def _save(run: BlendRun) -> None:
    """Write the checkpoint."""
    state = {
        "gan": run.gan.state_dict(),
        "recipe": run.config.recipe(),
        "precision": run.precision,
        "step": run.step,
        "total_steps": run.total_steps,
        "planned": run.planned,
        "spent": run.budget.spent,
    }
    save_state(run.config.checkpoint, state)
    run.last_checkpoint = time.monotonic()
    run.budget.start_step()


def _write_blend(run: BlendRun) -> None:
    """Write the file, and remove the checkpoint."""
    recipe = run.config.recipe() | {"steps": run.step, "mixed_precision": run.precision}
    metadata = {"format": str(FORMAT), "recipe": tomli_w.dumps(recipe), "trained_for": _digest(run.config.weights)}
    with replacing(run.config.output) as temporary:
        save_half_precision(temporary, run.gan.average.module, metadata)
    run.config.checkpoint.unlink(missing_ok=True)
