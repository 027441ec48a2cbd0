"""Training a network for colours: its samples, its steps, stopping and going on, and the file that comes of it."""

from __future__ import annotations

import tomllib
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from onar import Inpainter, TrainConfig, train
from onar.checkpoint import load_weights, save_safetensors, save_weights
from onar.data.photo_sets import open_photos
from onar.errors import OnarError, UsageError
from onar.models import PConvUNet, PyramidFill
from onar.models.colour_unet import ColourUNet
from onar.settings.checks import plain_settings
from onar.training.colours.config import ColourConfig
from onar.training.colours.samples import CROP, KEPT_SIDE, LARGE_CROP, ReducedPhotos, draw_masks, read_reduced
from onar.training.colours.step import ColourTraining
from onar.training.colours.task import ColourTask
from onar.training.colours.verb import train_colours
from onar.training.fit import prepare
from onar.training.learning import NotFiniteError
from onar.training.progress import Progress
from onar.training.results_folder import Results
from onar.training.run import Run
from onar.weights.bundled import bundled_photos, texture_weights
from onar.weights.tensors import save_state
from tests.support.processes import run as run_process
from tests.support.runs import AVX2_ALONE, SMALL, SMALL_COLOURS, flags, on_x86, run_onar, stopped_in


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights without colours."""
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    torch.manual_seed(0)
    save_safetensors(path, PConvUNet(4, 3, "pyramid", 5), {"training_size": "32", "recipe": "img_size = 32"})
    return path


@pytest.fixture(scope="module")
def trained(photos: Path, start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the command; not to be changed."""
    file = tmp_path_factory.mktemp("colours") / "trained.safetensors"
    said = run_onar("colours", *flags(data=photos, weights=start, output=file, **SMALL_COLOURS | {"num_workers": 2}))
    assert "Epoch 1/1\nEpoch 1 average: " in said.out
    return file


@pytest.fixture(scope="module")
def reduced(photos: Path) -> ReducedPhotos:
    return read_reduced(open_photos(photos), 100, num_workers=0, seed=0)


def config(photos: Path, start: Path, folder: Path, **changes: object) -> ColourConfig:
    settings = SMALL_COLOURS | {"data": photos, "weights": str(start), "output": folder / "colours.safetensors"}
    return ColourConfig(**settings | changes)


# ---------------------------------------------------------------- the file
def test_the_file_is_the_network_that_was_given_with_its_colours(trained: Path, start: Path) -> None:
    before, after = load_weights(start), load_weights(trained)
    assert after.generator.architecture == {**before.generator.architecture, "colour_channels": 3}
    assert after.training_size == 32
    assert after.record.pop("colours").count("\n") == len(ColourConfig().recipe()) - 1
    assert after.record == before.record
    weights = after.generator.state_dict()
    for name, value in before.generator.state_dict().items():
        assert torch.equal(value.half(), weights[name].half()), name
    assert sorted(path.name for path in trained.parent.iterdir()) == [trained.name, "trained_results"]


@pytest.mark.process
@on_x86
def test_a_network_of_any_width_trains_with_avx2_alone(photos: Path, start: Path, tmp_path: Path) -> None:
    file = tmp_path / "colours.safetensors"
    settings = flags(data=photos, weights=start, output=file, **SMALL_COLOURS)
    run_process("-m", "onar", "colours", *settings, preloaded=("onar.cli",), on_import=AVX2_ALONE, code=0)
    assert file.exists()


def test_weights_of_colours_are_rounded_so_that_they_compress(trained: Path) -> None:
    colours = {name: value for name, value in load_file(trained).items() if name.startswith("colours.")}
    assert colours
    for value in colours.values():
        assert not (value[value.abs() >= torch.finfo(torch.float16).tiny].view(torch.int16) & 0b1111).any()


@pytest.mark.parametrize("device", ["cpu", "torch"])
def test_what_was_trained_completes_photos_of_any_size(device: str, trained: Path, start: Path) -> None:
    (path,) = bundled_photos().glob("*kitten*.jpg")
    photo = np.asarray(Image.open(path).convert("RGB"))[:203, :301]
    hole = np.zeros((203, 301), bool)
    hole[80:120, 60:110] = True
    load = Inpainter.load if device == "cpu" else lambda file: Inpainter(load_weights(file).generator, 32, "cpu")
    ours, before = (load(file)(photo, hole, texture="network") for file in (trained, start))
    assert np.array_equal(ours[~hole], photo[~hole])
    assert not np.array_equal(ours[hole], before[hole])


def test_weights_with_colours_can_be_given_others(photos: Path, trained: Path, tmp_path: Path) -> None:
    settings = config(photos, trained, tmp_path, channels=6)
    train_colours(settings)
    assert load_weights(settings.output).generator.architecture["colour_channels"] == 6


def test_a_run_that_starts_from_weights_with_colours_keeps_them(photos: Path, trained: Path, tmp_path: Path) -> None:
    settings = SMALL | {"base_channels": 4, "depth": 3, "base_fill": "pyramid", "init_weights": str(trained)}
    train(TrainConfig(data=photos, results_dir=tmp_path, **settings | {"epochs": 1}))
    before = load_weights(trained).generator.state_dict()
    after = load_weights(tmp_path / "generator_final.pth").generator.state_dict()
    assert before.keys() == after.keys()
    for name, value in before.items():
        if name.startswith("colours."):
            assert torch.equal(value, after[name]), name
    assert not torch.equal(before["head.2.weight"], after["head.2.weight"])


# ---------------------------------------------------------------- stopping and going on
def test_a_stopped_training_ends_as_a_whole_one(photos: Path, start: Path, trained: Path, tmp_path: Path) -> None:
    settings = config(photos, start, tmp_path)
    with stopped_in(ColourTask, "draw_batch"), pytest.raises(KeyboardInterrupt, match="after step 1"):
        train_colours(settings)
    assert not settings.output.exists()
    with pytest.raises(UsageError, match=r"channels was 3, is 4"):
        train_colours(config(photos, start, tmp_path, channels=4))
    train_colours(settings)
    ours, theirs = load_file(settings.output), load_file(trained)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert not list(Results(settings.results).checkpoints.iterdir())


def test_max_minutes_ends_the_training_and_its_learning_rate(photos: Path, start: Path, tmp_path: Path) -> None:
    settings = config(photos, start, tmp_path, steps=10**6, max_minutes=0.02)
    train_colours(settings)
    assert 0 < tomllib.loads(load_weights(settings.output).record["colours"])["steps"] < 10**6


@pytest.mark.parametrize(("max_minutes", "steps"), [(5.0, 7), (60.0, 100), (None, 100)])
def test_a_training_that_goes_on_with_another_time_is_planned_anew(
    max_minutes: float | None, steps: int, photos: Path, start: Path, tmp_path: Path
) -> None:
    settings = {"steps": 100, "epoch_steps": 40}
    first = config(photos, start, tmp_path, **settings, max_minutes=5.0)
    progress = asdict(Progress(step=3, images=6, spent=90.0, planned_steps=7))
    task = prepare_colours(first).task
    state = {"config": plain_settings(first), "gan": task.state_dict(), "progress": progress}
    save_state(Results(first.results).checkpoint(3), state)
    run = prepare_colours(config(photos, start, tmp_path, **settings, max_minutes=max_minutes))
    assert (run.progress.step, run.total_steps, run.progress.planned_steps) == (3, steps, 7 if steps == 7 else 0)


def prepare_colours(settings: ColourConfig) -> Run:
    """A run just before its first step of this process."""
    with closing(Results(settings.results)) as results:
        return prepare(ColourTask(settings), settings, results)


# ---------------------------------------------------------------- samples
def test_what_is_drawn_is_photos_with_holes_of_both_sizes_of_crop(reduced: ReducedPhotos) -> None:
    sides = set()
    for number in range(40):
        crops, known = reduced.draw(4, np.random.default_rng(number))
        sides.add(crops.shape[1])
        assert crops.shape == (*known.shape, 3)
        assert crops.shape[1] == crops.shape[2]
        assert crops.dtype == known.dtype == np.float32
        assert 0 <= crops.min() < crops.max() <= 1
        assert set(np.unique(known)) == {0, 1}
        assert (known.min((1, 2)) == 0).all()
        assert len(crops) * crops.shape[1] ** 2 <= 4 * CROP**2
    assert sides == {CROP, LARGE_CROP}


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (900, 1300), (2000, 20)])
def test_photos_of_any_size_are_kept_reduced_and_fill_crops(size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.png")
    reduced = read_reduced(open_photos(tmp_path), 5, num_workers=0, seed=0)
    (kept,) = reduced.photos
    assert min(kept.shape[:2]) <= KEPT_SIDE
    assert max(kept.shape[:2]) <= 2 * KEPT_SIDE
    assert reduced.draw(2, np.random.default_rng(1))[0].shape[1] in (CROP, LARGE_CROP)


def test_a_photo_that_cannot_be_read_is_named_and_passed_over(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(OnarError, match=r"none of the 1 photos could be read; the first: .*broken.jpg"):
        read_reduced(open_photos(tmp_path), 5, num_workers=0, seed=0)
    (tmp_path / "whole.jpg").write_bytes(next(photos.glob("*.jpg")).read_bytes())
    capfd.readouterr()
    assert len(read_reduced(open_photos(tmp_path), 5, num_workers=0, seed=0).photos) == 1
    assert capfd.readouterr().err.count("broken.jpg: ") == 1


def test_masks_have_holes_and_depend_on_the_seed() -> None:
    masks = np.unpackbits(draw_masks(0), axis=-1)
    shares = masks.mean((1, 2))
    assert shares.min() > 0
    assert shares.max() < 0.75
    assert not np.array_equal(masks, np.unpackbits(draw_masks(1), axis=-1))


# ---------------------------------------------------------------- wrong use
@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"output": Path("onar.pth")}, "output must end in .safetensors"),
        ({"count": 0}, "count"),
        ({"channels": 0}, "channels"),
        ({"steps": 0}, "steps"),
        ({"ema_decay": 1}, "ema_decay"),
        ({"mixed_precision": "fp16"}, "mixed_precision"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(wrong: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        ColourConfig(**SMALL_COLOURS | wrong)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"data": Path("nowhere")}, "nowhere is not there"),
        ({"weights": "nowhere.pth"}, "cannot read nowhere.pth"),
        ({"weights": str(texture_weights())}, "texture.onnx"),
    ],
)
def test_what_is_not_there_is_reported_and_no_file_left(
    photos: Path, start: Path, tmp_path: Path, wrong: dict[str, object], line: str
) -> None:
    with pytest.raises(OnarError, match=line):
        train_colours(config(photos, start, tmp_path, **wrong))
    assert not list(tmp_path.iterdir())


def test_weights_of_a_pyramid_fill_have_no_colours_to_correct(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "pyramid.safetensors"
    save_safetensors(file, PyramidFill(), {})
    with pytest.raises(OnarError, match=r"pyramid.safetensors holds no network whose colours could be corrected"):
        train_colours(config(photos, file, tmp_path))


def test_colours_that_weights_do_not_have_are_one_line(tmp_path: Path) -> None:
    network = PConvUNet(4, 3, colour_channels=3)
    del network.colours.decoder
    save_weights(tmp_path / "part.pth", network)
    with pytest.raises(OnarError, match=r"part.pth does not fit PConvUNet: no colours.decoder.0.first.bias"):
        load_weights(tmp_path / "part.pth")


# ---------------------------------------------------------------- one step
def small_training() -> ColourTraining:
    torch.manual_seed(0)
    return ColourTraining(ColourUNet(6), 5e-4, lambda _: 1.0, 0.9, torch.device("cpu"), bf16=False)


def batch(reduced: ReducedPhotos) -> tuple[torch.Tensor, torch.Tensor]:
    crops, known = reduced.draw(4, np.random.default_rng(0))
    return torch.from_numpy(crops).permute(0, 3, 1, 2), torch.from_numpy(known)[:, None]


def test_steps_bring_the_colours_nearer_than_the_pyramid_fill(reduced: ReducedPhotos) -> None:
    training, (photo, known) = small_training(), batch(reduced)
    before = {name: value.detach().clone() for name, value in training.network.named_parameters()}
    said = [training.step((photo, known)) for _ in range(60)]
    assert said[0]["Pyramid_error"] == said[-1]["Pyramid_error"]
    assert said[-1]["Colour_error"] < 0.95 * said[-1]["Pyramid_error"]
    assert said[-1]["Colour_loss"] < said[0]["Colour_loss"]
    assert not any(torch.equal(value, before[name]) for name, value in training.network.named_parameters())


def test_a_loss_that_is_not_finite_leaves_the_network_as_it_was(reduced: ReducedPhotos) -> None:
    training, (photo, known) = small_training(), batch(reduced)
    before = [value.detach().clone() for value in training.network.parameters()]
    with pytest.raises(NotFiniteError):
        training.step((torch.full_like(photo, torch.inf), known))
    assert all(torch.equal(one, other) for one, other in zip(before, training.network.parameters(), strict=True))


def test_an_existing_file_is_replaced_only_when_asked(photos: Path, start: Path, tmp_path: Path) -> None:
    settings = config(photos, start, tmp_path, steps=1)
    settings.output.write_bytes(b"hours of work")
    with pytest.raises(OnarError, match="is there already: name another output, or replace it with overwrite"):
        train_colours(settings)
    assert settings.output.read_bytes() == b"hours of work"
    train_colours(config(photos, start, tmp_path, steps=1, overwrite=True))
    assert load_weights(settings.output).generator.colours
