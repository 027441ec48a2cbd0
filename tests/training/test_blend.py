"""Training a blend: its pairs, its steps, stopping and going on, and the file that comes of it."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from onar import Inpainter
from onar.checkpoint import load_blend
from onar.completion.config import CompletionConfig
from onar.completion.verb import complete
from onar.data.photo_sets import open_photos
from onar.errors import OnarError, UsageError
from onar.evaluation.verb import evaluate
from onar.models import Discriminator
from onar.models.texture_blend import TextureBlend
from onar.training.blend.config import BlendConfig
from onar.training.blend.pairs import PairMaker, make_pairs, missing_pairs, pair_file, read_crops
from onar.training.blend.step import BLEND_LOSSES, BlendGAN
from onar.training.blend.task import BlendTask
from onar.training.blend.verb import train_blend
from onar.training.learning import NotFiniteError
from onar.training.losses import Comparison, compute_losses
from onar.training.results_folder import Results
from onar.weights.bundled import bundled_photos, bundled_weights, texture_weights
from onar.weights.metadata import BLEND
from onar.weights.tensors import save_state
from tests.support.processes import Process
from tests.support.runs import SMALL_BLEND, flags, run_onar, stopped_in, wait_until

COUNT = SMALL_BLEND["count"]


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the command: trained.safetensors and its pairs; not to be changed."""
    folder = tmp_path_factory.mktemp("blend")
    settings = SMALL_BLEND | {"num_workers": 2}
    said = run_onar("blend", *flags(data=photos, output=folder / "trained.safetensors", **settings)).out
    assert "Epoch 1/1\nEpoch 1 average: " in said
    return folder


@pytest.fixture(scope="module")
def pairs(trained: Path) -> Path:
    return trained / "trained_pairs"


def config(photos: Path, folder: Path, **changes: object) -> BlendConfig:
    return BlendConfig(**SMALL_BLEND | {"data": photos, "output": folder / "blend.safetensors"} | changes)


def metadata(file: Path) -> dict[str, str]:
    with safe_open(file, "np") as opened:
        return opened.metadata()


def maker(photos: Path, folder: Path) -> PairMaker:
    return PairMaker(open_photos(photos), folder, None, seed=0, side=48)


# ---------------------------------------------------------------- the file
def test_what_was_trained_completes_photos(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = bundled_photos().glob("*kitten*.jpg")
    photo = np.asarray(Image.open(path).convert("RGB"))[:200, :200]
    hole = np.zeros((200, 200), bool)
    hole[80:120, 60:110] = True
    file = trained / "trained.safetensors"
    inpainters = (Inpainter.load(device="cpu", blend=choice) for choice in (file, None))
    ours, bundled = (inpainter(photo, hole, texture="patches") for inpainter in inpainters)
    assert np.array_equal(ours[~hole], photo[~hole])
    assert not np.array_equal(ours[hole], bundled[hole])
    names = [tmp_path / name for name in ("photo.png", "mask.png", "completed.png")]
    for name, pixels in zip(names, (photo, hole), strict=False):
        Image.fromarray(pixels).save(name)
    complete([names[0]], names[1], names[2], device="cpu", config=CompletionConfig(blend=file))
    assert str(file) in capsys.readouterr().out
    assert np.array_equal(np.asarray(Image.open(names[2])), ours)


def test_the_file_says_its_architecture_and_recipe_and_no_checkpoint_stays(trained: Path) -> None:
    said = metadata(trained / "trained.safetensors")
    assert json.loads(said["architecture"]) == {"network": BLEND, "fills": 3, "base_channels": 4}
    assert tomllib.loads(said["recipe"])["lambda_statistics"] == 0.7
    assert {value.dtype for value in load_file(trained / "trained.safetensors").values()} == {torch.float16}
    left = sorted(path.name for path in trained.iterdir())
    assert left == ["trained.safetensors", "trained_pairs", "trained_results"]


@pytest.mark.parametrize("file", [bundled_weights(), Path("nowhere.safetensors"), Path(__file__)])
def test_a_file_that_holds_no_blend_is_refused(photos: Path, file: Path) -> None:
    for use in (lambda: Inpainter.load(device="cpu", blend=file), lambda: evaluate(photos, device="cpu", blend=file)):
        with pytest.raises(OnarError, match=file.name):
            use()


def test_the_bundled_blend_is_of_the_network_that_is_trained_by_default() -> None:
    assert load_blend(texture_weights()).architecture == TextureBlend(BlendConfig().base_channels).architecture


# ---------------------------------------------------------------- stopping and going on
def test_a_stopped_training_ends_as_a_whole_one(photos: Path, trained: Path, pairs: Path, tmp_path: Path) -> None:
    settings = config(photos, tmp_path, pairs=pairs)
    with stopped_in(BlendTask, "draw_batch"), pytest.raises(KeyboardInterrupt, match="after step 1"):
        train_blend(settings)
    assert not settings.output.exists()
    with pytest.raises(UsageError, match=r"base_channels was 4, is 5"):
        train_blend(config(photos, tmp_path, pairs=pairs, base_channels=5))
    train_blend(settings)
    ours, theirs = load_file(settings.output), load_file(trained / "trained.safetensors")
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert not list(Results(settings.results).checkpoints.iterdir())


def test_a_checkpoint_of_an_earlier_version_is_refused_and_stays(photos: Path, tmp_path: Path) -> None:
    settings = config(photos, tmp_path)
    checkpoint = tmp_path / "blend.checkpoint.pt"
    save_state(checkpoint, {"recipe": settings.recipe()})
    with pytest.raises(UsageError, match=r"blend\.checkpoint\.pt is of an earlier version"):
        train_blend(settings)
    assert checkpoint.exists()


@pytest.mark.process
def test_killed_making_of_pairs_goes_on_and_processes_make_the_same(photos: Path, pairs: Path, tmp_path: Path) -> None:
    settings = SMALL_BLEND | {"count": 2000, "num_workers": 2}
    command = ["blend", *flags(data=photos, output=tmp_path / "blend.safetensors", **settings)]
    folder = tmp_path / "blend_pairs"
    with Process("-m", "onar", *command) as process:
        wait_until(lambda: len(list(folder.glob("pair_*.npy"))) > 2)
        process.kill()
    missing = missing_pairs(folder, COUNT)
    before = {number: pair_file(folder, number).stat().st_mtime_ns for number in set(range(COUNT)) - set(missing)}
    assert before
    pair_file(folder, min(before)).unlink()
    make_pairs(maker(photos, folder), missing_pairs(folder, COUNT), num_workers=0)
    for number in range(COUNT):
        assert pair_file(folder, number).read_bytes() == pair_file(pairs, number).read_bytes()
    del before[min(before)]
    assert all(pair_file(folder, number).stat().st_mtime_ns == changed for number, changed in before.items())


def test_max_minutes_ends_the_training_and_its_learning_rates(
    photos: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = config(photos, tmp_path, pairs=pairs, steps=10**6, max_minutes=0.02)
    train_blend(settings)
    assert "max_minutes 0.02: " in capsys.readouterr().out
    assert 0 < tomllib.loads(metadata(settings.output)["recipe"])["steps"] < 10**6


# ---------------------------------------------------------------- pairs
def test_a_pair_is_a_photo_with_three_fills_that_differ_in_its_holes_alone(pairs: Path) -> None:
    for number in range(COUNT):
        pair = np.load(pair_file(pairs, number))
        assert pair.shape == (48, 48, 13)
        pictures, mask = np.split(pair[..., :12], 4, axis=2), pair[..., 12]
        assert set(np.unique(mask)) == {0, 255}
        for one, other in combinations(pictures, 2):
            assert np.array_equal(one[mask == 0], other[mask == 0])
            assert not np.array_equal(one[mask > 0], other[mask > 0])


def test_crops_hold_holes_and_are_one_of_eight_symmetries_of_a_part_of_a_pair(pairs: Path) -> None:
    crops = read_crops(pairs, 1, 64, 32, np.random.default_rng(0))
    assert crops.shape == (64, 32, 32, 13)
    assert (crops[..., 12] > 0).any((1, 2)).all()
    pair = np.load(pair_file(pairs, 0))
    parts = {pair[top : top + 32, left : left + 32].tobytes() for top in range(17) for left in range(17)}
    found = set()
    for crop in crops:
        turned = [np.rot90(one, turns) for one in (crop, crop[::-1]) for turns in range(4)]
        fitting = [number for number, one in enumerate(turned) if one.tobytes() in parts]
        assert fitting
        found.update(fitting)
    assert len(found) == 8


def test_a_photo_that_cannot_be_read_is_named_and_another_taken(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(OnarError, match="none of the 1 photos could be read"):
        make_pairs(maker(folder, tmp_path / "pairs"), [0], num_workers=0)
    shutil.copy(next(photos.glob("*.jpg")), folder / "whole.jpg")
    make_pairs(maker(folder, tmp_path / "pairs"), list(range(4)), num_workers=0)
    assert (missing_pairs(tmp_path / "pairs", 4), capfd.readouterr().err.count("broken.jpg: ")) == ([], 1)


def test_a_blend_starts_from_another(photos: Path, pairs: Path, trained: Path, tmp_path: Path) -> None:
    settings = config(photos, tmp_path, pairs=pairs, init_weights=trained / "trained.safetensors", learning_rate=1e-12)
    train_blend(settings)
    started, other = load_blend(settings.output), load_blend(trained / "trained.safetensors")
    for name, value in other.state_dict().items():
        torch.testing.assert_close(started.state_dict()[name], value, rtol=0, atol=1e-6)
    assert "init_weights" not in metadata(settings.output)["recipe"]


# ---------------------------------------------------------------- wrong use
@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"output": Path("blend.pth")}, "output must end in .safetensors"),
        ({"img_size": 40}, "img_size is a multiple of 16"),
        ({"pair_size": 16}, "pair_size must be at least 32"),
        ({"count": 0}, "count"),
        ({"lambda_adv": -1}, "lambda_adv"),
        ({"max_minutes": 0}, "max_minutes"),
        ({"num_workers": -1}, "num_workers"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(wrong: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        BlendConfig(**SMALL_BLEND | wrong)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"data": Path("nowhere")}, "nowhere is not there"),
        ({"weights": "nowhere.pth"}, "cannot read nowhere.pth"),
        ({"weights": str(texture_weights())}, "texture.onnx"),
        ({"content_weights": Path("nowhere.pth")}, "cannot read nowhere.pth"),
        ({"init_weights": Path("nowhere.onnx")}, "cannot read nowhere.onnx"),
        ({"init_weights": bundled_weights()}, "onar.onnx"),
        ({"init_weights": texture_weights()}, "holds a blend of base_channels 32, not 4"),
    ],
)
def test_what_is_not_there_is_reported_and_no_file_left(
    photos: Path, tmp_path: Path, wrong: dict[str, object], line: str
) -> None:
    with pytest.raises(OnarError, match=line):
        train_blend(config(photos, tmp_path, **wrong))
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.rglob("*.npy"))


def test_without_wasmtime_no_pairs_are_made(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    with pytest.raises(OnarError, match="pip install wasmtime"):
        train_blend(config(photos, tmp_path))


def test_pairs_of_another_network_and_damaged_ones_are_refused(photos: Path, pairs: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(pairs, tmp_path / "pairs")
    with pytest.raises(OnarError, match="made with another weights"):
        train_blend(config(photos, tmp_path, pairs=copy, weights="pyramid"))
    for number in range(COUNT):
        pair_file(copy, number).write_bytes(pair_file(copy, number).read_bytes()[:1000])
    with pytest.raises(OnarError, match=r"pair_00000\d.npy is missing or damaged"):
        train_blend(config(photos, tmp_path, pairs=copy))
    (copy / "pairs.json").write_text(json.dumps(json.loads((copy / "pairs.json").read_text()))[:-5])
    with pytest.raises(OnarError, match=r"cannot read .*pairs.json"):
        train_blend(config(photos, tmp_path, pairs=copy))


# ---------------------------------------------------------------- one step
WEIGHTS = [loss.name for loss in BLEND_LOSSES]


class TinyFeatures(torch.nn.Module):
    """One convolution that does not learn."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 8, 3, stride=2).requires_grad_(False)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return [self.layer(image).relu()]


def small_gan(**weights: float) -> BlendGAN:
    torch.manual_seed(0)
    terms = dict.fromkeys(WEIGHTS, 1.0)
    networks = TextureBlend(4), Discriminator(32, 4, "local"), TinyFeatures()
    return BlendGAN(*networks, terms | weights, (1e-3, 1e-3), lambda _: 1.0, 0.9, torch.device("cpu"), bf16=False)


def batch(pairs: Path) -> torch.Tensor:
    return torch.from_numpy(read_crops(pairs, COUNT, 4, 32, np.random.default_rng(0))).permute(0, 3, 1, 2)


def copies(network: torch.nn.Module) -> list[torch.Tensor]:
    return [value.detach().clone() for value in network.parameters()]


def test_a_step_moves_every_weight_of_both_networks(pairs: Path) -> None:
    gan = small_gan()
    before = copies(gan.blend) + copies(gan.discriminator)
    losses = gan.step(batch(pairs))
    assert set(losses) == {loss.printed for loss in BLEND_LOSSES} | {"D_loss"}
    after = copies(gan.blend) + copies(gan.discriminator)
    assert not any(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_a_term_that_weighs_nothing_is_not_computed(pairs: Path) -> None:
    gan = small_gan(adv=0.0, style=0.0)
    before = copies(gan.discriminator)
    assert set(gan.step(batch(pairs))) == {"Pixel_loss", "Thin_loss", "Statistics_loss", "Normalised_loss"}
    assert all(torch.equal(one, other) for one, other in zip(before, copies(gan.discriminator), strict=True))


def test_steps_bring_the_fill_nearer_to_the_photo(pairs: Path) -> None:
    gan, crops = small_gan(adv=0.0), batch(pairs)
    losses = [gan.step(crops) for _ in range(30)]
    for name in ("Pixel_loss", "Normalised_loss"):
        assert losses[-1][name] < losses[0][name]


def test_what_is_wrong_in_a_thin_hole_counts_more_than_the_same_in_a_large_one() -> None:
    photo, known = torch.full((1, 3, 384, 384), 0.5), torch.ones(1, 1, 384, 384)
    known[..., 32:224, 32:224] = 0
    known[..., 320:328, :] = 0
    terms = []
    for place in (322, 128, 32):  # in the stroke, in the middle of the large hole, in its corner
        whole = photo.clone()
        whole[..., place : place + 4, place : place + 4] = 0.75
        compared = Comparison(None, whole, photo, known, TinyFeatures(), None, TinyFeatures())
        terms.append(compute_losses(BLEND_LOSSES, dict.fromkeys(WEIGHTS, 0.0), compared))
    stroke, middle, corner = (term["thin"] / term["pixel"] for term in terms)
    assert stroke > 0.7
    assert middle == 0
    assert middle < corner < 0.7 * stroke


def test_a_loss_that_is_not_finite_leaves_the_blend_as_it_was(pairs: Path) -> None:
    gan = small_gan(adv=0.0)
    with torch.no_grad():
        gan.features.layer.weight.fill_(torch.inf)
    before = copies(gan.blend)
    with pytest.raises(NotFiniteError):
        gan.step(batch(pairs))
    assert all(torch.equal(one, other) for one, other in zip(before, copies(gan.blend), strict=True))


def test_real_and_fake_logits_are_of_one_discriminator(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gan, seen = small_gan(adv=1.0), []
    forward = gan.discriminator.forward

    def watched(image: torch.Tensor) -> torch.Tensor:
        seen.append(copies(gan.discriminator))
        return forward(image)

    monkeypatch.setattr(gan.discriminator, "forward", watched)
    before = copies(gan.discriminator)
    gan.step(batch(pairs))
    assert len(seen) == 2
    assert all(torch.equal(one, other) for weights in seen for one, other in zip(before, weights, strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(before, copies(gan.discriminator), strict=True))
