import os
import pickle
import shutil
import signal
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import BatchSampler, Dataset

from onar.data import mask_preview
from onar.data.batches import EpochBatches, photo_loader
from onar.data.doctor import inspect_photos
from onar.data.mask_sources import GeneratedMasks, MaskFolder, mask_source
from onar.data.photo_folders import PhotoPaths
from onar.data.photo_sets import hold_out
from onar.data.samples import CentreCrops, RandomCrops, TrainingPhotos, ValidationPhotos
from onar.errors import OnarError
from onar.imaging.crops import random_box
from onar.imaging.images import read_photo
from onar.imaging.listing import find_photos
from onar.imaging.writing import write_image
from onar.masks.holes import hole_share
from onar.settings.training import MaskConfig, TrainConfig
from tests.conftest import PHOTOS
from tests.support.processes import run
from tests.support.runs import SMALL, one_line, train_small

PATHS = sorted(PHOTOS.glob("*.jpg"))
SIZE = 48, 64


def training(paths: list[Path], seed: int = 0) -> TrainingPhotos:
    return TrainingPhotos(PhotoPaths(paths), RandomCrops(*SIZE, GeneratedMasks(), seed))


def validation(paths: list[Path], size: tuple[int, int] = SIZE) -> ValidationPhotos:
    return ValidationPhotos(PhotoPaths(paths), CentreCrops(*size, GeneratedMasks(), seed=0))


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return all(
        torch.equal(first[name], second[name]) if isinstance(first[name], torch.Tensor) else first[name] == second[name]
        for name in first.keys() | second.keys()
    )


@pytest.fixture
def damaged(tmp_path: Path) -> list[Path]:
    """Six photos: 1 is cut off, 3 is empty."""
    paths = [tmp_path / f"{index}.jpg" for index in range(6)]
    for path, source in zip(paths, PATHS[:6], strict=True):
        path.write_bytes(source.read_bytes())
    paths[1].write_bytes(paths[1].read_bytes()[:9000])
    paths[3].write_bytes(b"")
    return paths


@pytest.fixture
def undecodable(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{index}.jpg" for index in range(4)]
    for path in paths:
        path.write_bytes(b"no picture")
    return paths


# ---------------------------------------------------------------- files
def split(paths: list[Path], share: float, seed: int) -> tuple[list[Path], list[Path]]:
    trained, held_out = hold_out(PhotoPaths(paths), share, seed)
    return [trained[index] for index in range(len(trained))], [held_out[index] for index in range(len(held_out))]


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(100, 0.05, 5), (100, 0, 0), (5000, 0.5, 100), (2, 0.01, 1), (1, 0.5, 0), (3, 0.99, 2)],
)
def test_hold_out_splits_off_the_share_and_leaves_some_to_train_on(count: int, share: float, expected: int) -> None:
    paths = [Path(f"{index:04d}.jpg") for index in range(count)]
    trained, held_out = split(paths, share, seed=3)
    assert (len(held_out), sorted(trained + held_out)) == (expected, paths)
    assert (trained, held_out) == (sorted(trained), sorted(held_out))
    assert (trained, held_out) == split(paths, share, seed=3)


def test_hold_out_depends_on_the_seed() -> None:
    paths = [Path(f"{index:04d}.jpg") for index in range(100)]
    assert split(paths, 0.1, seed=0) != split(paths, 0.1, seed=1)


# ---------------------------------------------------------------- holes
@pytest.fixture
def mask_files(tmp_path: Path) -> list[Path]:
    """Two masks: a hole in the top left quarter, and a hole in all but a rim."""
    first, second = np.zeros((64, 64), np.uint8), np.full((30, 50), 255, np.uint8)
    first[:32, :32] = 255
    second[[0, -1]] = 0
    for name, mask in (("masks/a.png", first), ("masks/b/c.PNG", second)):
        write_image(tmp_path / name, mask)
    return find_photos(tmp_path / "masks", "mask files")


def test_mask_folder_uses_every_file_fitted_and_binary(mask_files: list[Path], rng: np.random.Generator) -> None:
    source = MaskFolder(mask_files)
    masks = [source(24, 40, rng) for _ in range(60)]
    assert all(mask.shape == (24, 40) and mask.dtype == bool for mask in masks)
    assert {round(hole_share(mask), 2) for mask in masks} >= {0.25}
    assert len({mask.tobytes() for mask in masks}) == 4 + 2  # the corner in four places, the rim in two


def test_mask_folder_can_leave_masks_as_they_are(mask_files: list[Path], rng: np.random.Generator) -> None:
    source = MaskFolder(mask_files[:1], augment=False)
    expected = np.kron(np.array([[True, False], [False, False]]), np.ones((12, 20), bool))
    assert all(np.array_equal(source(24, 40, rng), expected) for _ in range(8))


def test_an_unreadable_mask_stops_the_training_with_its_name(mask_files: list[Path]) -> None:
    mask_files[0].write_bytes(b"")
    photos = TrainingPhotos(PATHS[:4], RandomCrops(*SIZE, MaskFolder(mask_files[:1]), seed=0))
    with pytest.raises(OnarError, match=r"^cannot use a mask file: .*a\.png: the file is empty"):
        photos[0, 0]


def test_the_configuration_chooses_the_masks(mask_files: list[Path]) -> None:
    folder = mask_files[0].parent
    assert mask_source(MaskConfig(mask_type="rectangle", max_masks=7)) == GeneratedMasks("rectangle", 7)
    chosen = mask_source(MaskConfig(masks=folder))
    assert [chosen.paths[index] for index in range(len(chosen.paths))] == mask_files
    assert chosen.augment
    config = TrainConfig(val_masks=folder, hole_ratio=(0.1, 0.2))
    assert mask_source(config) == GeneratedMasks(hole_ratio=(0.1, 0.2))
    assert not mask_source(config, validation=True).augment
    with pytest.raises(OnarError, match="no mask files"):
        mask_source(MaskConfig(masks=folder / "nowhere"))


def write_masks(folder: Path, *masks: np.ndarray) -> Path:
    for number, mask in enumerate(masks):
        write_image(folder / f"{number}.png", mask)
    return folder


HOLES = np.kron(np.array([[1, 0], [0, 0]], np.uint8), np.ones((8, 8), np.uint8))


@pytest.mark.parametrize("brightest", [0, 1, 127])
@pytest.mark.parametrize("setting", ["masks", "val_masks"])
def test_masks_without_a_hole_are_refused_before_training(tmp_path: Path, brightest: int, setting: str) -> None:
    masks = write_masks(tmp_path / "masks", HOLES * brightest, HOLES * 0)
    said = f".*0.png: its brightest value is {brightest}, and values of 128 and above are holes"
    message = f"the masks have no hole {said}"
    with pytest.raises(OnarError, match=message):
        train_small(PHOTOS, tmp_path / "results", **{setting: masks})
    assert not (tmp_path / "results").exists()
    with pytest.raises(OnarError, match=message):
        mask_preview.write_masks(tmp_path / "out", 1, 64, 0, MaskConfig(masks=masks))


def test_doubtful_masks_among_others_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = np.asarray(read_photo(PATHS[0]).convert("L"))
    mask_source(MaskConfig(masks=write_masks(tmp_path, HOLES * 255, HOLES, photo)))
    without, grey = capsys.readouterr().err.splitlines()
    assert without.startswith("1 of 3 mask files have no hole; ")
    assert "1.png: its brightest value is 1" in without
    assert grey.startswith("1 of 3 mask files are mostly neither black nor white")
    assert grey.endswith("2.png")


@pytest.mark.parametrize("hole", [np.ones((16, 16), np.uint8), 1 - HOLES])
def test_inverted_masks_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str], hole: np.ndarray) -> None:
    mask_source(MaskConfig(masks=write_masks(tmp_path, HOLES * 255, hole * 255)))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("1 of 2 mask files are mostly hole, such as ")
    assert line.endswith("1.png: white is the hole")


# ---------------------------------------------------------------- samples
def test_a_sample_is_a_photo_with_known_pixels_and_holes() -> None:
    sample = training(PATHS)[0, 5]
    assert (sample["photo"].shape, sample["photo"].dtype) == ((*SIZE, 3), torch.uint8)
    assert (sample["known"].shape, sample["known"].dtype) == ((1, *SIZE), torch.uint8)
    assert set(sample["known"].unique().tolist()) == {0, 1}
    assert (sample["index"], sample["upscaled"], sample["unreadable"]) == (5, False, "")


def test_samples_depend_on_the_seed_the_pass_and_the_photo_alone() -> None:
    photos = training(PATHS)
    first = photos[0, 5]
    photos[0, 6]
    assert same(photos[0, 5], first)
    assert same(pickle.loads(pickle.dumps(photos))[0, 5], first)
    others = [photos[1, 5], photos[0, 6], training(PATHS, seed=1)[0, 5]]
    assert not any(torch.equal(other["photo"], first["photo"]) for other in others)
    assert not any(torch.equal(other["known"], first["known"]) for other in others)


def test_half_of_the_samples_are_mirrored() -> None:
    whole = np.asarray(read_photo(PATHS[0]))
    photos = TrainingPhotos(PATHS[:1], RandomCrops(*whole.shape[:2], GeneratedMasks(), seed=0, min_crop=1.0))
    shown = [photos[number, 0]["photo"].numpy() for number in range(20)]
    mirrored = [np.array_equal(pixels, whole[:, ::-1]) for pixels in shown]
    assert 5 <= sum(mirrored) <= 15
    assert all(np.array_equal(pixels, whole) != flipped for pixels, flipped in zip(shown, mirrored, strict=True))


def test_validation_shows_the_middle_of_each_photo_with_holes_that_stay() -> None:
    photos = validation(PATHS[:3], (64, 64))
    assert len(photos) == 3
    assert same(photos[1], photos[1])
    assert not torch.equal(photos[1]["known"], photos[2]["known"])
    whole = read_photo(PATHS[1])
    left = (whole.width - whole.height) // 2
    middle = whole.resize((64, 64), Image.Resampling.BICUBIC, (left, 0, left + whole.height, whole.height))
    assert np.abs(photos[1]["photo"].numpy().astype(int) - np.asarray(middle)).mean() < 2


@pytest.mark.parametrize("photo_size", [(320, 480), (65, 1000), (480, 64), (48, 64), (47, 64), (20, 3000), (1, 1)])
def test_boxes_lie_in_the_photo_and_keep_the_aspect(photo_size: tuple[int, int], rng: np.random.Generator) -> None:
    small = photo_size[0] < SIZE[0] or photo_size[1] < SIZE[1]
    for _ in range(200):
        left, top, right, bottom = random_box(photo_size, SIZE, 0.5, rng)
        height, width = bottom - top, right - left
        assert 0 <= left < right <= photo_size[1]
        assert 0 <= top < bottom <= photo_size[0]
        assert abs(width * SIZE[0] - height * SIZE[1]) <= max(SIZE)
        assert small or (height >= SIZE[0] and width >= SIZE[1])
        assert not small or height == photo_size[0] or width == photo_size[1]


def test_boxes_reach_every_edge_and_every_size(rng: np.random.Generator) -> None:
    boxes = np.array([random_box((100, 100), (10, 10), 0.5, rng) for _ in range(3000)])
    assert (boxes[:, :2].min(axis=0).tolist(), boxes[:, 2:].max(axis=0).tolist()) == ([0, 0], [100, 100])
    assert set(range(51, 100)) <= set((boxes[:, 2] - boxes[:, 0]).tolist()) <= set(range(50, 101))


def test_a_photo_smaller_than_the_crop_is_enlarged_and_flagged(tmp_path: Path) -> None:
    for name, size in (("a.png", (64, 47)), ("b.png", (64, 48)), ("c.png", (1, 1))):
        Image.new("RGB", size, (9, 99, 200)).save(tmp_path / name)
    photos = training(find_photos(tmp_path))
    samples = [photos[0, index] for index in range(3)]
    assert [sample["upscaled"] for sample in samples] == [True, False, True]
    assert all((sample["photo"].flatten(0, 1) - torch.tensor([9, 99, 200])).any().logical_not() for sample in samples)


# ---------------------------------------------------------------- damage
def test_an_unreadable_photo_is_named_and_the_next_one_serves(damaged: list[Path]) -> None:
    sample = training(damaged)[0, 1]
    assert sample["index"] == 2
    assert sample["unreadable"].startswith(f"{damaged[1]}: damaged")
    assert "truncated" in sample["unreadable"]
    assert training(damaged)[0, 2]["unreadable"] == ""
    assert not torch.equal(training(damaged)[0, 2]["photo"], sample["photo"])
    assert validation(damaged)[3]["index"] == 4


def test_after_the_last_photo_comes_the_first(damaged: list[Path]) -> None:
    damaged[5].write_bytes(b"")
    damaged[0].write_bytes(b"")
    sample = training(damaged)[0, 5]
    assert sample["index"] == 2
    named = [line.partition(": ")[0] for line in sample["unreadable"].splitlines()]
    assert named == [str(damaged[index]) for index in (5, 0, 1)]


def test_training_goes_on_past_damaged_files(damaged: list[Path]) -> None:
    batches = list(photo_loader(training(damaged), EpochBatches(6, 4, seed=0), num_workers=1))
    assert [len(batch["photo"]) for batch in batches] == [4, 2]
    lines = [line for batch in batches for line in batch["unreadable"] if line]
    assert sorted(line.partition(": ")[0] for line in lines) == [str(damaged[1]), str(damaged[3])]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_when_nothing_can_be_read_one_line_says_so(undecodable: list[Path], num_workers: int) -> None:
    loader = photo_loader(training(undecodable), EpochBatches(4, 2, seed=0), num_workers)
    with one_line("^none of the 4 photos could be read; the first: "):
        list(loader)


class Deadly(Dataset[int]):
    """A dataset whose reading process is killed, as if out of memory."""

    def __getitem__(self, _key: object) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0


def test_a_killed_reading_process_is_reported_in_one_line() -> None:
    with one_line("use a smaller num_workers"):
        list(photo_loader(Deadly(), [[0], [1]], num_workers=1))


@pytest.mark.process
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_script_without_a_main_guard_gets_an_error_about_it(tmp_path: Path, method: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""
import multiprocessing
from onar import TrainConfig, train
if multiprocessing.get_start_method(allow_none=True) is None:
    multiprocessing.set_start_method({method!r})
train(TrainConfig(data={str(PHOTOS)!r}, results_dir={str(tmp_path / "results")!r}, **{dict(SMALL, num_workers=1)}))
""")
    ended = run(script, code=1)
    assert 'under `if __name__ == "__main__":`' in ended.stderr.splitlines()[-1]
    assert "bootstrapping" not in ended.stderr  # the reading process goes without a page of its own
    assert "memory" not in ended.stderr.splitlines()[-1]


# ---------------------------------------------------------------- batches
@pytest.mark.process
def test_reading_processes_are_forked_off_while_opencv_has_no_threads(tmp_path: Path) -> None:
    """With threads of OpenCV's in the parent, about every second one would wait forever."""
    script = """
import os, sys, cv2
from pathlib import Path
from onar.data.batches import EpochBatches, photo_loader
from onar.data.doctor import inspect_photos
from tests.data.test_samples import PATHS, training

threads = []
os.register_at_fork(before=lambda: threads.append(cv2.getNumThreads()))
cv2.setNumThreads(2)
photos = list(photo_loader(training(PATHS[:2]), EpochBatches(2, 2, seed=0), num_workers=2))
assert threads == [1, 1], threads
assert len(inspect_photos(Path(sys.argv[1]), 64, threads=2).sizes) == 1
assert threads == [1, 1], "inspecting forks nothing"
assert cv2.getNumThreads() == 2
"""
    shutil.copy(PATHS[0], tmp_path)
    run("-c", script, tmp_path, code=0)


@pytest.mark.process
def test_reading_processes_end_with_a_program_that_stops_in_the_middle() -> None:
    """Also with the versions of PyTorch that leave them to garbage collection, which comes too late."""
    script = """
import sys
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter as Reading
from onar.data.batches import EpochBatches, photo_loader
from tests.data.test_samples import PATHS, training

Reading._register_persistent_workers_atexit = lambda self: None
batches = iter(photo_loader(training(PATHS), EpochBatches(len(PATHS), 2, seed=0), num_workers=2))
next(batches)
sys.exit(7)
"""
    run("-c", script, code=7)


def test_samples_are_the_same_whatever_the_number_of_reading_processes() -> None:
    runs = []
    for num_workers in (0, 1, 2):
        batches = EpochBatches(len(PATHS), 7, seed=5)
        loader = photo_loader(training(PATHS, seed=5), batches, num_workers)
        batches.start(3)
        runs.append(list(loader))
    for others in runs[1:]:
        assert len(others) == len(runs[0]) == 4
        assert all(same(first, other) for first, other in zip(runs[0], others, strict=True))


def test_a_loader_serves_epoch_after_epoch_also_when_one_is_left_early() -> None:
    batches = EpochBatches(len(PATHS), 4, seed=0)
    here, there = (photo_loader(training(PATHS), batches, num_workers) for num_workers in (0, 2))
    batches.start(0)
    list(islice(there, 2))
    for epoch, first in ((0, 2), (1, 0)):
        batches.start(epoch, done=4 * first)
        pairs = list(zip(here, there, strict=True))
        assert len(here) == len(pairs) == 6 - first
        assert all(same(one, other) for one, other in pairs)


def test_validation_photos_load_in_batches_too() -> None:
    batches = list(photo_loader(validation(PATHS[:5]), BatchSampler(range(5), 2, False), num_workers=0))
    assert [batch["index"].tolist() for batch in batches] == [[0, 1], [2, 3], [4]]


def epoch_of(batches: EpochBatches, epoch: int, done: int = 0) -> list[list[tuple[int, int]]]:
    batches.start(epoch, done)
    return list(batches)


def test_an_epoch_is_every_photo_once_in_an_order_of_its_own() -> None:
    batches = EpochBatches(10, 4, seed=0)
    orders = []
    for epoch in range(3):
        steps = epoch_of(batches, epoch)
        assert ([len(step) for step in steps], len(batches)) == ([4, 4, 2], 3)
        assert {number for step in steps for number, _ in step} == {epoch}
        orders.append([index for step in steps for _, index in step])
        assert sorted(orders[-1]) == list(range(10))
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != [index for step in epoch_of(EpochBatches(10, 4, seed=1), 0) for _, index in step]


@pytest.mark.parametrize("photos_per_epoch", [None, 7, 25])
def test_starting_at_a_step_yields_exactly_the_rest(photos_per_epoch: int | None) -> None:
    batches = EpochBatches(10, 3, seed=0, photos_per_epoch=photos_per_epoch)
    whole = epoch_of(batches, 4)
    for first in range(len(whole) + 1):
        done = batches.photos_done(0, first)
        assert epoch_of(batches, 4, done) == whole[first:]
        assert len(batches) == batches.count(done) == len(whole) - first


@pytest.mark.parametrize("world_size", [1, 3])
def test_other_processes_share_exactly_the_rest_of_an_epoch(world_size: int) -> None:
    before = [EpochBatches(23, 4, seed=0, rank=rank, world_size=2) for rank in range(2)]
    after = [EpochBatches(23, 4, seed=0, rank=rank, world_size=world_size) for rank in range(world_size)]
    for steps in range(3):
        used = [key for batches in before for step in epoch_of(batches, 1)[:steps] for key in step]
        rest = [key for batches in after for step in epoch_of(batches, 1, done=8 * steps) for key in step]
        assert sorted(used + rest) == [(1, index) for index in range(23)]


@pytest.mark.parametrize("photos_per_epoch", [1, 3, 7, 10, 23, 30])
def test_epochs_of_any_length_use_all_photos_equally_often(photos_per_epoch: int) -> None:
    batches = EpochBatches(10, 4, seed=0, photos_per_epoch=photos_per_epoch)
    keys = [key for epoch in range(12) for step in epoch_of(batches, epoch) for key in step]
    assert len(keys) == len(set(keys)) == 12 * photos_per_epoch
    times = Counter(index for _, index in keys)
    assert max(times[index] for index in range(10)) - min(times[index] for index in range(10)) <= 1
    assert [number for number, _ in keys] == [position // 10 for position in range(len(keys))]


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize(("photo_count", "batch_size"), [(24, 2), (23, 4), (11, 4), (10, 1)])
def test_processes_share_each_batch_without_overlap(world_size: int, photo_count: int, batch_size: int) -> None:
    world = {"seed": 0, "world_size": world_size}
    ranks = [epoch_of(EpochBatches(photo_count, batch_size, rank=rank, **world), 1) for rank in range(world_size)]
    together = epoch_of(EpochBatches(photo_count, batch_size * world_size, seed=0), 1)
    for parts, whole in zip(zip(*ranks, strict=True), together, strict=True):
        lengths = [len(part) for part in parts]
        assert max(lengths) - min(lengths) <= 1
        joined = [key for part in parts for key in part]
        assert joined == whole or (len(whole) < world_size and set(joined) == set(whole))


def test_every_process_makes_every_step_even_with_fewer_photos_than_processes() -> None:
    ranks = [epoch_of(EpochBatches(4, 1, seed=0, rank=rank, world_size=3), 0) for rank in range(3)]
    assert [[len(step) for step in steps] for steps in ranks] == [[1, 1]] * 3
    assert {index for steps in ranks for step in steps for _, index in step} == set(range(4))


# ---------------------------------------------------------------- inspection
@pytest.mark.parametrize("threads", [0, 2])
def test_a_folder_is_inspected(damaged: list[Path], threads: int) -> None:
    folder = damaged[0].parent
    Image.new("LA", (40, 50)).save(folder / "deep.png")
    report = inspect_photos(folder, (48, 64), threads)
    assert (len(report.sizes), report.kinds) == (5, {"JPEG RGB": 4, "PNG LA": 1})
    assert (report.sizes[0], report.upscaled) == ((50, 40), 1)
    assert [line.partition(": ")[0] for line in report.unreadable] == [str(damaged[1]), str(damaged[3])]
    text = str(report)
    assert "smallest 50×40, median 320×569, largest 320×569 (height×width)" in text
    assert all(line in text for line in report.unreadable)


def test_a_folder_of_damaged_files_is_inspected(undecodable: list[Path]) -> None:
    report = inspect_photos(undecodable[0].parent, 64, threads=0)
    assert report.sizes == []
    assert "unreadable  4" in str(report)


def test_a_real_photo_set_gives_samples(shared_data: Path) -> None:
    paths = find_photos(shared_data / "photos_train")
    masks = MaskFolder(find_photos(shared_data / "masks_irregular", "mask files"))
    photos = TrainingPhotos(PhotoPaths(paths), RandomCrops(64, 64, masks, seed=0))
    samples = [photos[0, index] for index in range(0, len(paths), 100)]
    assert not any(sample["unreadable"] or sample["upscaled"] for sample in samples)
    assert all(0 < sample["known"].float().mean() < 1 for sample in samples)
