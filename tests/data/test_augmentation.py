"""Changed training photos stay photos, and stay the same from run to run."""

import pickle
from itertools import islice

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from onar.data.augmentation import NO_AUGMENTATION, UNCHANGED, Augmentation, Change
from onar.data.from_config import find_training_data, open_loader, start_batches
from onar.data.mask_sources import GeneratedMasks
from onar.data.photo_folders import PhotoPaths
from onar.data.samples import RandomCrops, TrainingPhotos
from onar.errors import UsageError
from onar.metrics.held_out import load_held_out
from onar.settings.training import TrainConfig
from tests.conftest import PHOTOS
from tests.support.runs import run_onar

PATHS = sorted(PHOTOS.glob("*.jpg"))
SIZE = 48, 64
KINDS = {"blur": 2.0, "jpeg": 20, "rotation": 20.0}
ALL = Augmentation(**KINDS)
SETTINGS = {f"augment_{kind}": amount for kind, amount in KINDS.items()}


def photos(augmentation: Augmentation = NO_AUGMENTATION, seed: int = 0) -> TrainingPhotos:
    crops = RandomCrops(*SIZE, GeneratedMasks(hole_ratio=(0.1, 0.3)), seed, augmentation=augmentation)
    return TrainingPhotos(PhotoPaths(PATHS), crops)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.asarray(Image.open(PATHS[3]).convert("RGB").resize((64, 48)))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_photos_and_leaves_their_holes_and_their_size(kind: str) -> None:
    plain, changed = photos(), photos(Augmentation(**{kind: KINDS[kind]}))
    for index in range(6):
        before, after = plain[0, index], changed[0, index]
        assert (after["photo"].shape, after["photo"].dtype) == (before["photo"].shape, torch.uint8)
        assert torch.equal(after["known"], before["known"])
        assert not torch.equal(after["photo"], before["photo"])


def test_known_pixels_and_those_of_the_holes_are_changed_as_one_picture() -> None:
    """The augmentation does not depend on the holes."""
    crops = [RandomCrops(*SIZE, GeneratedMasks(kind), 0, augmentation=ALL) for kind in ("irregular", "rectangle")]
    one, other = (TrainingPhotos(PhotoPaths(PATHS), crop)[2, 4] for crop in crops)
    assert torch.equal(one["photo"], other["photo"])
    assert not torch.equal(one["known"], other["known"])


def test_a_changed_sample_depends_on_the_seed_the_pass_and_the_photo_alone() -> None:
    first = photos(ALL)[0, 5]["photo"]
    again = photos(ALL)
    for index in range(3):
        _ = again[1, index]
    assert torch.equal(again[0, 5]["photo"], first)
    assert not torch.equal(photos(ALL)[1, 5]["photo"], first)
    assert not torch.equal(photos(ALL, seed=1)[0, 5]["photo"], first)


def test_without_a_setting_nothing_is_changed(pixels: np.ndarray) -> None:
    assert NO_AUGMENTATION.draw(np.random.default_rng(0)) == UNCHANGED
    assert UNCHANGED(pixels, *SIZE) is pixels


def test_what_is_drawn_for_one_kind_does_not_depend_on_the_others() -> None:
    everything, alone = (one.draw(np.random.default_rng(3)) for one in (ALL, Augmentation(rotation=20.0)))
    assert everything.rotation == alone.rotation != 0


def test_amounts_stay_within_the_settings_and_reach_most_of_them() -> None:
    changes = [ALL.draw(np.random.default_rng(number)) for number in range(300)]
    for name, low, high in (("blur", 0.0, 2.0), ("jpeg", 20, 100), ("rotation", -20.0, 20.0)):
        values = [getattr(one, name) for one in changes]
        assert low <= min(values) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(values) <= high


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (33, 120), (8, 8)])
@pytest.mark.parametrize("angle", [-45.0, -7.3, 0.4, 12.0, 45.0])
def test_a_turned_photo_has_no_empty_corner(size: tuple[int, int], angle: float) -> None:
    change = Change(rotation=angle)
    turned = change(np.full((*change.size_to_read(*size), 3), 255, np.uint8), *size)
    assert (turned.shape, turned.min()) == ((*size, 3), 255)


def test_a_positive_angle_turns_counter_clockwise() -> None:
    change = Change(rotation=30.0)
    rows, columns = change.size_to_read(*SIZE)
    line = np.zeros((rows, columns, 3), np.uint8)
    line[rows // 2 - 1 : rows // 2 + 1] = 255
    turned = change(line, *SIZE)[..., 0]
    assert turned[: SIZE[0] // 2, -8:].max() > 100 > turned[SIZE[0] // 2 + 4 :, -8:].max()


def test_jpeg_leaves_the_traces_of_opencvs_jpeg_of_that_quality(pixels: np.ndarray) -> None:
    _, file = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 30])
    theirs = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    ours = Change(jpeg=30)(pixels, *SIZE).astype(int)
    assert np.abs(ours - theirs).mean() < 1 < np.abs(ours - pixels).mean()


@pytest.mark.parametrize("workers", [0, 2])
def test_reading_processes_change_photos_as_the_training_process_does(workers: int) -> None:
    settings = {"data": PHOTOS, "val_share": 0, "img_size": 32, "depth": 3, "batch_size": 3, **SETTINGS}

    def batches(num_workers: int) -> list[Tensor]:
        config = TrainConfig(num_workers=num_workers, **settings)
        data = find_training_data(config)
        loader = open_loader(config, data, start_batches(config, data, 0, 1), None)
        return [batch["photo"] for batch in islice(loader, 3)]

    crops = RandomCrops(32, 32, GeneratedMasks(), 0, augmentation=ALL)
    assert pickle.loads(pickle.dumps(crops)) == crops  # what reaches processes of any kind
    assert all(torch.equal(one, other) for one, other in zip(batches(workers), batches(0), strict=True))


def test_photos_of_validation_are_not_changed() -> None:
    shown = []
    for settings in ({}, SETTINGS):
        config = TrainConfig(data=PHOTOS, img_size=32, depth=3, val_share=0.4, **settings)
        data = find_training_data(config)
        shown.append(load_held_out(data.held_out, 32, 32, data.held_out_masks, config.seed))
    plain, beside_changed = shown
    assert len(plain.photo) > 1
    assert torch.equal(plain.photo, beside_changed.photo)


@pytest.mark.parametrize(
    ("setting", "value"), [("augment_blur", 0.0), ("augment_jpeg", 101), ("augment_rotation", 90.0)]
)
def test_an_amount_out_of_range_is_refused_with_its_name(setting: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"^{setting} must be"):
        TrainConfig(**{setting: value})


def test_help_names_the_settings() -> None:
    text = run_onar("train", "--help").out
    assert all(f"--{name}" in text for name in SETTINGS)
