"""Masks that belong to their photos: cut, mirrored and turned as these are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onar import TrainConfig, train
from onar.data.augmentation import Augmentation
from onar.data.from_config import find_training_data
from onar.data.samples import CentreCrops, RandomCrops, TrainingPhotos, ValidationPhotos
from onar.errors import OnarError, UsageError
from tests.support.runs import SMALL, records

WHITE, GREY = 255, 90


def make_pairs(folder: Path, count: int, size: tuple[int, int] = (90, 120)) -> TrainConfig:
    """Grey photos with a white rectangle each; the mask is that rectangle."""
    rng = np.random.default_rng(count)
    for name in ("photos/sub", "masks/sub"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        photo, mask = np.full((*size, 3), GREY, np.uint8), np.zeros(size, np.uint8)
        top, left = rng.integers(0, size[0] - 20), rng.integers(0, size[1] - 20)
        photo[top : top + 18, left : left + 12], mask[top : top + 18, left : left + 12] = WHITE, 255
        place = "sub/" if number % 2 else ""
        Image.fromarray(photo).save(folder / "photos" / f"{place}{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{place}{number}{'_mask' if number % 3 else ''}.png")
    return TrainConfig(data=folder / "photos", masks=folder / "masks", masks_by_name=True, val_share=0.25)


@pytest.mark.parametrize("rotation", [None, 20.0])
@pytest.mark.parametrize("size", [(32, 32), (48, 24), (64, 96)])
def test_holes_are_where_masks_name_them(rotation: float | None, size: tuple[int, int], tmp_path: Path) -> None:
    data = find_training_data(make_pairs(tmp_path, 8))
    crops = RandomCrops(*size, data.masks, seed=1, min_crop=0.3, augmentation=Augmentation(rotation=rotation))
    samples = TrainingPhotos(data.training, crops)
    for number in range(3):
        for index in range(len(data.training)):
            sample = samples[number, index]
            hole = sample["known"].numpy()[0] == 0
            bright = sample["photo"].numpy()[..., 0] > (WHITE + GREY) // 2
            assert hole.any()
            # At the rim, resizing and turning mix what lies on both sides.
            assert (hole != bright).mean() < 0.35 * hole.mean() + 0.02


def test_validation_shows_holes_too_and_the_same_each_time(tmp_path: Path) -> None:
    data = find_training_data(make_pairs(tmp_path, 8))
    crops = CentreCrops(32, 32, data.held_out_masks, seed=0)
    first, again = ([ValidationPhotos(data.held_out, crops)[index]["known"] for index in range(2)] for _ in range(2))
    assert all(bool((known == 0).any()) for known in first)
    assert all(bool((one == other).all()) for one, other in zip(first, again, strict=True))


def test_photos_without_a_mask_are_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_pairs(tmp_path, 6)
    (tmp_path / "masks" / "sub" / "3.png").unlink()
    data = find_training_data(config)
    assert len(data.training) + len(data.held_out) == 5
    assert "1 photos have no mask of their name and are skipped: " in capsys.readouterr().err


def test_a_mask_of_another_size_stops_the_run_with_both_names(tmp_path: Path) -> None:
    config = make_pairs(tmp_path, 4)
    for path in (tmp_path / "masks").rglob("*.png"):
        Image.open(path).resize((60, 45)).save(path)
    data = find_training_data(config)
    with pytest.raises(OnarError, match=r"\.png is 45 x 60 pixels .* is 90 x 120: masks by name are of the size"):
        TrainingPhotos(data.training, RandomCrops(32, 32, data.masks, seed=0))[0, 0]


def test_masks_by_name_need_a_folder_of_masks_and_photos_with_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="masks_by_name needs a folder of masks"):
        TrainConfig(masks_by_name=True)


def test_a_run_learns_with_the_masks_of_its_photos_and_goes_on(tmp_path: Path) -> None:
    config = make_pairs(tmp_path, 8)
    places = {"data": config.data, "masks": config.masks, "results_dir": tmp_path / "results"}
    settings = SMALL | {"lambda_content": 0.0, "masks_by_name": True, "num_workers": 1, "augment_rotation": 10} | places
    train(TrainConfig(**settings, max_steps=2))
    (checkpoint,) = (tmp_path / "results" / "checkpoints").glob("*2.pt")
    train(TrainConfig(**settings, resume=checkpoint))
    assert [record["epoch"] for record in records(tmp_path / "results", "epoch")] == [1, 2]
