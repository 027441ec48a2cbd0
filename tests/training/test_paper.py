"""The recipe paper trains as Liu et al. 2018 say: each term against their sums in float64, and both stages."""

from __future__ import annotations

import copy
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from onar import TrainConfig, UsageError
from onar.masks.generation import random_mask
from onar.masks.holes import known_from_mask
from onar.metrics.feature_networks import load_features
from onar.settings.recipes import recipes
from onar.training.gan.launch import start_accelerator, start_processes
from onar.training.gan.networks import build_gan
from onar.training.losses import pixel_loss, total_variation
from onar.weights.bundled import bundled_photos
from onar.weights.tensors import load_state, save_state
from tests.support.perceptual import perceptual_terms
from tests.support.runs import assert_same_weights, records, state, train_small

PAPER = recipes()["paper"]
SIZE = 32
BATCH = 2
NARROW = {"img_size": SIZE, "base_channels": 4, "depth": 3, "discriminator_channels": 4, "device": "cpu"}

Array = NDArray[np.float64]


def batch() -> tuple[Tensor, Tensor]:
    """Two real photos, B×H×W×3 uint8, and irregular holes of them, B×1×H×W uint8."""
    photos, rng = sorted(bundled_photos().glob("*.jpg"))[:BATCH], np.random.default_rng(0)
    pixels = [np.asarray(Image.open(path).convert("RGB").resize((SIZE, SIZE))) for path in photos]
    known = [known_from_mask(random_mask(SIZE, SIZE, rng=rng, hole_ratio=(0.2, 0.4))) for _ in range(BATCH)]
    return torch.from_numpy(np.stack(pixels)), torch.from_numpy(np.stack(known)).byte()


# ---------------------------------------------------------------- the sums of section 3.3, pixel by pixel
def naive_pixel(completed: Array, photo: Array, known: Array) -> tuple[float, float]:
    """L_valid and L_hole: sums over known and over hole values, both over the number of values of the photo."""
    valid = hole = 0.0
    for b, c, i, j in product(*map(range, photo.shape)):
        error = abs(completed[b, c, i, j] - photo[b, c, i, j])
        if known[b, 0, i, j]:
            valid += error
        else:
            hole += error
    return valid / photo.size, hole / photo.size


def naive_perceptual(features: list[Array], target: list[Array]) -> float:
    """One of the two sums of L_perceptual."""
    return sum(float(np.abs(one - other).sum()) / other.size for one, other in zip(features, target, strict=True))


def naive_style(features: list[Array], target: list[Array]) -> float:
    """L_style of the output, or of the composite: K_p = 1 / (C·H·W), and 1 / C² before the sum over C×C products."""
    total = 0.0
    for one, other in zip(features, target, strict=True):
        batch, channels, height, width = one.shape
        for b in range(batch):
            ours, theirs = (maps[b].reshape(channels, height * width).T for maps in (one, other))
            difference = (ours.T @ ours - theirs.T @ theirs) / (channels * height * width)
            total += float(np.abs(difference).sum()) / channels**2 / batch
    return total


def naive_total_variation(composite: Array, known: Array) -> float:
    """L_tv: neighbours in the region R, which is the hole grown by a pixel."""
    batch, channels, height, width = composite.shape
    total = 0.0
    for b in range(batch):
        holes = [(i, j) for i, j in product(range(height), range(width)) if not known[b, 0, i, j]]
        grown = {place for i, j in holes for place in product((i - 1, i, i + 1), (j - 1, j, j + 1))}
        region = grown & set(product(range(height), range(width)))
        for (i, j), c in product(region, range(channels)):
            for neighbour in ((i, j + 1), (i + 1, j)):
                if neighbour in region:
                    total += abs(composite[b, c, *neighbour] - composite[b, c, i, j])
    return total / composite.size


@pytest.fixture(scope="module")
def features() -> nn.Module:
    return load_features("efficientnet_lite0")


@pytest.fixture(scope="module")
def pictures() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Photo, known, what a network made of it, and the composite, as tensors in [0, 1]."""
    pixels, holes = batch()
    photo, known = pixels.permute(0, 3, 1, 2).float() / 255, holes.float()
    completed = (photo.flip(0) + photo.roll(3, -1)) / 2
    return photo, known, completed, known * photo + (1 - known) * completed


def maps(features: nn.Module, image: Tensor) -> list[Array]:
    """Feature maps in float64, computed in float64."""
    with torch.no_grad():
        return [one.numpy() for one in copy.deepcopy(features).double()(image.double())]


def test_hole_and_valid_are_the_papers_sums(pictures: tuple[Tensor, ...]) -> None:
    photo, known, completed, _ = pictures
    valid, hole = naive_pixel(completed.double().numpy(), photo.double().numpy(), known.numpy())
    assert valid > 0.01
    assert hole > 0.01
    for weight in (0.0, 1.0, 6.0):
        assert pixel_loss(completed, photo, known, weight).item() == pytest.approx(valid + weight * hole, rel=1e-5)


def test_perceptual_and_style_are_the_papers_two_sums(features: nn.Module, pictures: tuple[Tensor, ...]) -> None:
    photo, _, completed, composite = pictures
    terms = perceptual_terms(features, completed, composite, photo)
    target, output, whole = (maps(features, image) for image in (photo, completed, composite))
    perceptual = naive_perceptual(output, target) + naive_perceptual(whole, target)
    style = naive_style(output, target) + naive_style(whole, target)
    assert terms["content"].item() == pytest.approx(perceptual, rel=1e-4)
    assert terms["style"].item() == pytest.approx(style, rel=1e-4)
    assert naive_style(output, target) != pytest.approx(naive_style(whole, target), rel=0.1)


def test_total_variation_is_the_papers_sum_over_the_grown_hole(pictures: tuple[Tensor, ...]) -> None:
    _, known, _, composite = pictures
    expected = naive_total_variation(composite.double().numpy(), known.numpy())
    assert total_variation(composite, known).item() == pytest.approx(expected, rel=1e-5)


def test_a_step_of_the_recipe_minimises_the_papers_weighted_sum(features: nn.Module) -> None:
    config = TrainConfig.from_toml(PAPER, **NARROW)
    start_processes(config)
    gan = build_gan(config, start_accelerator(config, "no"), features, total_steps=10)
    pixels, holes = batch()
    photo, known = pixels.permute(0, 3, 1, 2).float() / 255, holes.float()
    with torch.no_grad():
        completed = copy.deepcopy(gan.generator)(photo * known, known)
    losses = gan.step([(pixels, holes)])

    composite = known * photo + (1 - known) * completed
    target, output, whole = (maps(features, image) for image in (photo, completed, composite))
    valid, hole = naive_pixel(completed.double().numpy(), photo.double().numpy(), known.numpy())
    perceptual = naive_perceptual(output, target) + naive_perceptual(whole, target)
    style = naive_style(output, target), naive_style(whole, target)
    variation = naive_total_variation(composite.double().numpy(), known.numpy())
    total = valid + 6 * hole + 0.05 * perceptual + 120 * (style[0] + style[1]) + 0.1 * variation
    assert losses["G_loss"] == pytest.approx(total, rel=1e-4)
    assert losses["D_loss"] == 0


# ---------------------------------------------------------------- the stages of section 4.1
STAGES = {"lambda_content": 0.0, "val_share": 0.0, "learning_rate_g": 2e-4, "finetune_share": 0.5}
STAGES["checkpoint_minutes"] = 1e-9  # one after each step
ONE_STAGE = {**STAGES, "epochs": 1, "finetune_share": 0.0}


@pytest.fixture(scope="module")
def staged(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs of three steps, the second one in the second stage."""
    return train_small(photos, tmp_path_factory.mktemp("staged"), **STAGES).parent


@pytest.fixture(scope="module")
def one_stage(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its first epoch alone, of a run in one stage."""
    return train_small(photos, tmp_path_factory.mktemp("one_stage"), **ONE_STAGE).parent


def stopped(finished: Path, folder: Path) -> Path:
    """A copy of a run, without its last step."""
    shutil.copytree(finished, folder)
    (folder / "generator_final.pth").unlink()
    max((folder / "checkpoints").glob("step_*.pt")).unlink()
    return folder


def test_the_recipe_says_both_stages_as_the_paper_does() -> None:
    config = TrainConfig.from_toml(PAPER)
    assert (config.learning_rate_g, config.finetune_learning_rate_g, config.batch_size) == (2e-4, 5e-5, 6)
    assert config.finetune_share == 1 / 4
    assert not config.freeze_batch_norm


def test_the_second_stage_freezes_the_batch_norm_of_the_encoder_alone(staged: Path, one_stage: Path) -> None:
    before, after = (state(results / "generator_final.pth") for results in (one_stage, staged))
    norms = [name for name in before if ".norm." in name]
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not {name for name in norms if name.startswith("encoder")} & changed
    assert {name for name in norms if name.startswith("decoder")} <= changed
    assert {name for name in before if name.endswith("conv.weight")} <= changed
    assert all(before[name].any() for name in norms if name.endswith("running_mean")), "the first stage trains it"


def test_the_second_stage_has_its_own_learning_rate(staged: Path) -> None:
    rates = [record["learning_rate_g"] for record in records(staged, "step")]  # of the step that follows
    assert rates == pytest.approx([2e-4, 2e-4, 5e-5, 5e-5, 5e-5, 5e-5])
    assert {record["learning_rate_d"] for record in records(staged, "step")} == {1e-4}


def test_a_run_that_is_stopped_in_the_second_stage_ends_as_if_it_had_not_been(
    staged: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = stopped(staged, tmp_path / "results")
    train_small(photos, results, **STAGES)
    assert "Going on after step 5 of 6" in capsys.readouterr().out
    assert_same_weights(staged, results)


def test_a_run_that_an_earlier_version_began_goes_on(one_stage: Path, photos: Path, tmp_path: Path) -> None:
    results = stopped(one_stage, tmp_path / "results")
    for path in (results / "checkpoints").iterdir():
        checkpoint = load_state(path)
        for name in ("finetune_share", "finetune_learning_rate_g"):
            del checkpoint["config"][name]
        save_state(path, checkpoint)
    train_small(photos, results, **ONE_STAGE)
    assert_same_weights(one_stage, results)


def test_a_share_of_all_steps_is_refused() -> None:
    with pytest.raises(UsageError, match="finetune_share must be at least 0 and below 1"):
        TrainConfig(finetune_share=1.0)
