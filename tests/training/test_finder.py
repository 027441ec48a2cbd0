"""Training the network that finds damage: its samples, its steps, stopping and going on, and its file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from onar.data.photo_sets import open_photos
from onar.errors import OnarError, UsageError
from onar.metrics.finding import Found
from onar.models.damage_finder import DamageFinder
from onar.training.finder.config import FinderConfig
from onar.training.finder.samples import KEPT_SIDE, MAX_ASPECT, draw_batch, draw_crop, read_kept
from onar.training.finder.step import FinderTraining, dice_loss
from onar.training.finder.task import FinderTask
from onar.training.finder.thresholds import CANDIDATES, choose_threshold
from onar.training.finder.verb import train_finder
from onar.training.learning import NotFiniteError
from onar.training.results_folder import Results
from tests.support.runs import SMALL_FINDER, flags, run_onar, stopped_in


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the command; not to be changed."""
    file = tmp_path_factory.mktemp("finder") / "trained.onnx"
    said = run_onar("finder", *flags(data=photos, val_data=photos, output=file, **SMALL_FINDER))
    assert "Validation: f1 " in said.out
    assert "(hats 0." in said.out
    return file


def config(photos: Path, folder: Path, **changes: object) -> FinderConfig:
    return FinderConfig(**SMALL_FINDER | {"data": photos, "output": folder / "finder.onnx"} | changes)


# ---------------------------------------------------------------- the file
def test_the_file_finds_in_photos_and_names_its_thresholds_and_recipe(trained: Path) -> None:
    session = onnxruntime.InferenceSession(trained)
    metadata = session.get_modelmeta().custom_metadata_map
    for channel in ("scratches", "dust"):
        assert 0 < float(metadata[f"threshold_{channel}"]) < 1
        assert 0 <= float(metadata[f"f1_{channel}"]) <= 1
    assert tomllib.loads(metadata["recipe"])["steps"] == SMALL_FINDER["steps"]
    assert metadata["format"]
    (found,) = session.run(["probabilities"], {"photo": np.full((1, 3, 48, 32), 0.5, np.float32)})
    assert found.shape == (1, 2, 48, 32)
    assert sorted(path.name for path in trained.parent.iterdir()) == ["trained.onnx", "trained_results"]


def test_a_run_has_curves_and_sheets(trained: Path) -> None:
    folder = trained.with_name("trained_results")
    assert list((folder / "samples").glob("*"))
    assert list(folder.glob("*.png"))


# ---------------------------------------------------------------- stopping and going on
def test_a_stopped_training_ends_as_a_whole_one(photos: Path, trained: Path, tmp_path: Path) -> None:
    settings = config(photos, tmp_path, val_data=photos)
    with stopped_in(FinderTask, "step"), pytest.raises(KeyboardInterrupt, match="after step 1"):
        train_finder(settings)
    assert not settings.output.exists()
    with pytest.raises(UsageError, match="clean_share was"):
        train_finder(config(photos, tmp_path, val_data=photos, clean_share=0.9))
    train_finder(settings)
    assert settings.output.read_bytes() == trained.read_bytes()
    assert not list(Results(settings.results).checkpoints.iterdir())


# ---------------------------------------------------------------- samples
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (900, 1300), (2000, 20)])
def test_photos_of_any_size_are_kept_small_and_fill_crops(size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    kept = read_kept(open_photos(tmp_path), 5, num_workers=0, seed=0)
    assert min(kept[0].shape[:2]) <= KEPT_SIDE
    assert max(kept[0].shape[:2]) <= MAX_ASPECT * KEPT_SIDE
    for seed in range(8):
        assert draw_crop(kept[0], 64, np.random.default_rng(seed)).shape == (64, 64, 3)


def test_a_batch_has_damaged_and_undamaged_crops_of_the_seed(photos: Path) -> None:
    kept = read_kept(open_photos(photos), 100, num_workers=0, seed=0)
    photo, truth = draw_batch(kept, 24, 64, 0.5, np.random.default_rng(0))
    again, _ = draw_batch(kept, 24, 64, 0.5, np.random.default_rng(0))
    assert (photo.shape, truth.shape) == ((24, 3, 64, 64), (24, 2, 64, 64))
    assert (photo.dtype, truth.dtype) == (torch.uint8, torch.bool)
    assert torch.equal(photo, again)
    assert 3 < truth.flatten(1).any(1).sum() < 21
    assert not draw_batch(kept, 8, 64, 1.0, np.random.default_rng(0))[1].any()


def test_a_photo_that_cannot_be_read_is_named_and_passed_over(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(OnarError, match=r"none of the 1 photos could be read; the first: .*broken.jpg"):
        read_kept(open_photos(tmp_path), 5, num_workers=0, seed=0)
    (tmp_path / "whole.jpg").write_bytes(next(photos.glob("*.jpg")).read_bytes())
    capfd.readouterr()
    assert len(read_kept(open_photos(tmp_path), 5, num_workers=0, seed=0)) == 1
    assert capfd.readouterr().err.count("broken.jpg: ") == 1


# ---------------------------------------------------------------- thresholds
def test_the_chosen_threshold_is_the_one_that_separates() -> None:
    truth = np.zeros((2, 20, 30), bool)
    truth[:, :, 8] = True
    for level in CANDIDATES[:-1]:
        probabilities = np.where(truth, level + 0.02, level - 0.02).astype(np.float32)
        threshold, found = choose_threshold(probabilities, truth)
        assert (threshold, found.f1) == (level, 1)


def test_of_thresholds_that_are_as_good_the_one_that_marks_least_is_chosen() -> None:
    nothing = np.zeros((1, 8, 8))
    assert choose_threshold(nothing.astype(np.float32), nothing > 0) == (CANDIDATES[-1], Found())


# ---------------------------------------------------------------- wrong use
@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"output": Path("finder.safetensors")}, r"output must end in .onnx"),
        ({"img_size": 40}, "img_size"),
        ({"img_size": 16}, "img_size"),
        ({"clean_share": 1}, "clean_share"),
        ({"count": 0}, "count"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(wrong: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        FinderConfig(**SMALL_FINDER | wrong)


def test_an_existing_file_is_replaced_only_when_asked(photos: Path, tmp_path: Path) -> None:
    settings = config(photos, tmp_path)
    settings.output.write_bytes(b"hours of work")
    with pytest.raises(OnarError, match="is there already: name another output, or replace it with overwrite"):
        train_finder(settings)
    assert settings.output.read_bytes() == b"hours of work"


# ---------------------------------------------------------------- one step
def small_training() -> FinderTraining:
    torch.manual_seed(0)
    network = DamageFinder((8, 8, 8, 8))
    return FinderTraining(network, 5e-3, lambda _: 1.0, 0.9, torch.device("cpu"), bf16=False)


def lines_batch() -> tuple[torch.Tensor, torch.Tensor]:
    photo = torch.full((4, 3, 64, 64), 90, dtype=torch.uint8)
    truth = torch.zeros((4, 2, 64, 64), dtype=torch.bool)
    for index in range(3):  # the last is undamaged
        photo[index, :, :, 20 + index] = 255
        truth[index, 0, :, 20 + index] = True
    return photo, truth


def test_steps_find_what_is_plain_to_see() -> None:
    training, (photo, truth) = small_training(), lines_batch()
    said = [training.step((photo, truth)) for _ in range(60)]
    assert said[-1]["Finder_loss"] < 0.5 * said[0]["Finder_loss"]
    found = training.predict(photo)
    assert found[truth].mean() > found[~truth].mean() + 0.3


def test_a_loss_that_is_not_finite_leaves_the_network_as_it_was() -> None:
    training, (photo, truth) = small_training(), lines_batch()
    before = [value.detach().clone() for value in training.network.parameters()]
    with pytest.raises(NotFiniteError):
        training.step((torch.full(photo.shape, torch.inf), truth))
    assert all(torch.equal(one, other) for one, other in zip(before, training.network.parameters(), strict=True))


def test_the_dice_loss_is_0_for_the_truth_and_near_1_for_its_opposite() -> None:
    _, truth = lines_batch()
    logits = (truth.float() - 0.5) * 100
    assert dice_loss(logits, truth.float()) < 1e-4
    assert dice_loss(-logits[:, :1], truth[:, :1].float()) > 0.95
