"""The engine of all trainings: what any task, loss, score or generator gets from it without a line of its own."""

import math
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from onar import TrainConfig, train
from onar.checkpoint import save_safetensors
from onar.errors import OnarError, UsageError
from onar.models import GENERATORS, PConvUNet
from onar.models.generators import Generator
from onar.serve.trainings.runs import find_sheets, read_run, state_of
from onar.settings.training import LossConfig
from onar.training import curves
from onar.training.blend.config import BlendConfig
from onar.training.blend.verb import train_blend
from onar.training.colours.config import ColourConfig
from onar.training.colours.step import ColourTraining
from onar.training.colours.verb import train_colours
from onar.training.learning import NotFiniteError
from onar.training.losses import GENERATOR_LOSSES, Comparison, LossTerm
from onar.training.results_folder import Results
from tests.support.runs import SMALL, SMALL_BLEND, SMALL_COLOURS, after_records, records, state, train_small


# ---------------------------------------------------------------- a loss is one record, a generator one entry
def darkness(compared: Comparison) -> Tensor:
    """A made-up loss."""
    return (1 - compared.whole.float()).square().mean()


@dataclass(frozen=True, kw_only=True)
class DarkConfig(TrainConfig):
    """The settings with a weight for the made-up loss."""

    lambda_dark: float = 0.5


def test_a_loss_of_the_table_is_used_and_shown(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onar.training.gan.step.GENERATOR_LOSSES", [*GENERATOR_LOSSES, LossTerm("dark", darkness)])
    titles = drawn_titles(monkeypatch)
    settings = {**SMALL, "epochs": 1, "lambda_content": 0.0, "lambda_adv": 0.0, "data": photos}
    train(DarkConfig(**settings, results_dir=tmp_path))
    for record in records(tmp_path, "step"):
        assert record["Dark_loss"] > 0
        assert record["G_loss"] == pytest.approx(record["Pixel_loss"] + 0.5 * record["Dark_loss"], rel=1e-5)
    assert "Dark_loss" in titles
    assert len(read_run(tmp_path, state_of(tmp_path)).losses["Dark_loss"]) == 3


def test_every_loss_of_the_table_has_a_weight_among_the_settings() -> None:
    assert {f"lambda_{loss.name}" for loss in GENERATOR_LOSSES} == set(vars(LossConfig())) - {"hole_weight"}


def drawn_titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of all panels that are drawn from now on, and have a curve."""
    titles: list[str] = []
    add = lambda figure, _: titles.extend(axes.get_title() for axes in figure.axes if axes.lines)  # noqa: E731
    monkeypatch.setattr(curves, "_save", add)
    return titles


def test_every_logged_score_has_a_curve_also_of_late_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles = drawn_titles(monkeypatch)
    first = {"kind": "epoch", "epoch": 1, "validation": {"onar": {"psnr": 20.0, "beauty": 1.0}}}
    second = {"kind": "epoch", "epoch": 2, "validation": {"onar": {"psnr": 21.0}, "Telea": {"charm": 2.0}}}
    curves.save_validation_curves(tmp_path / "curves.png", [first, second])
    assert titles == ["PSNR (dB)", "beauty", "charm"]


class Blur(nn.Module):
    """A made-up generator of one layer."""

    def __init__(self, base_channels: int = 2, channels: int = 3) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels + 1, base_channels, 5, padding=2)
        self.last = nn.Conv2d(base_channels, channels, 5, padding=2)

    def forward(self, photo: Tensor, known: Tensor) -> Tensor:
        return self.last(self.first(torch.cat([photo, known], 1)).relu()).sigmoid()


def test_a_generator_of_the_registry_is_trained(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"base_channels": lambda value: value > 0, "channels": lambda value: value > 0}
    monkeypatch.setitem(GENERATORS, "Blur", Generator(Blur, arguments))
    settings = {"epochs": 1, "lambda_content": 0.0, "generator": "Blur"}
    assert state(train_small(photos, tmp_path, **settings))["first.weight"].shape == (4, 4, 5, 5)
    with pytest.raises(UsageError, match=r"^freeze_batch_norm is not for generator Blur"):
        train_small(photos, tmp_path / "frozen", **settings, freeze_batch_norm=True)


@pytest.mark.parametrize(("generator", "said"), [("Blurr", "is one of PConvUNet"), ("PyramidFill", "nothing to train")])
def test_a_generator_that_cannot_be_trained_is_refused(generator: str, said: str, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        train_small(photos, tmp_path, lambda_content=0.0, generator=generator)


# ---------------------------------------------------------------- trainings that are counted in steps
@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    save_safetensors(path, PConvUNet(4, 3, "pyramid", 5), {"training_size": "32"})
    return str(path)


def colours(photos: Path, start: str, folder: Path, **changes: object) -> ColourConfig:
    settings = SMALL_COLOURS | {"data": photos, "weights": start, "epoch_steps": 2, "log_every": 1}
    return ColourConfig(**settings | {"output": folder / "colours.safetensors"} | changes)


def test_a_blend_leaves_log_curves_sheets_and_scores_that_the_page_shows(photos: Path, tmp_path: Path) -> None:
    settings = SMALL_BLEND | {"data": photos, "val_data": photos, "weights": "pyramid", "epoch_steps": 3}
    config = BlendConfig(**settings | {"log_every": 1, "output": tmp_path / "blend.safetensors"})
    train_blend(config)
    assert config.results == tmp_path / "blend_results"
    check_results(config.results, epochs=2, scores={"psnr", "psnr_hole", "ssim", "l1", "l1_hole"})
    assert set(records(config.results, "epoch")[-1]["validation"]) == {"onar", "network", "patches"}
    assert {"Pixel_loss", "Thin_loss", "D_loss"} <= set(read_run(config.results, state_of(config.results)).losses)


def test_a_colour_predictor_leaves_what_the_page_shows(photos: Path, start: str, tmp_path: Path) -> None:
    train_colours(colours(photos, start, tmp_path, val_data=photos, results_dir=tmp_path / "elsewhere"))
    check_results(tmp_path / "elsewhere", epochs=3, scores={"error"})
    assert not (tmp_path / "colours_results").exists()


def check_results(folder: Path, epochs: int, scores: set[str]) -> None:
    """Whether a training of five steps has left everything that one of a generator leaves, and no checkpoint."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    for epoch in range(1, epochs + 1):
        pictures = ("samples/samples", "loss_curves", "validation_curves")
        assert {f"{name}_epoch_{epoch}.png" for name in pictures} <= names
    assert {"config.toml", "log.jsonl", "weights.txt"} <= names
    assert not list(folder.glob("checkpoints/*"))
    assert [record["step"] for record in records(folder, "step")] == [1, 2, 3, 4, 5]
    seen, now = state_of(folder), read_run(folder, state_of(folder))
    assert (seen.finished, seen.stopped) == (True, False)
    assert (now.progress.step, now.progress.seconds_left) == (5, pytest.approx(0, abs=1e-6))
    assert (set(now.scores), sorted(find_sheets(folder))) == (scores, list(range(1, epochs + 1)))


def test_a_step_that_is_not_finite_stops_a_colour_predictor_or_is_skipped(
    photos: Path, start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn, calls = ColourTraining.learn, count(1)

    def fail_twice(training: ColourTraining, batch: object) -> dict[str, float]:
        if next(calls) in (3, 4):
            raise NotFiniteError("Colour_loss is nan")
        return learn(training, batch)

    monkeypatch.setattr(ColourTraining, "learn", fail_twice)
    with pytest.raises(OnarError, match=r"step 3: Colour_loss is nan; .*learning_rate.*on_nan skip"):
        train_colours(colours(photos, start, tmp_path))
    config = colours(photos, start, tmp_path, on_nan="skip")
    train_colours(config)
    assert [record["step"] for record in records(config.results, "bad_step")] == [4]
    rates = [record["learning_rate"] for record in records(config.results, "step")]
    warmup = [config.learning_rate * (step + 1) / 51 for step in (1, 2, 5)]  # logged is that of the next step
    assert rates == pytest.approx(warmup, rel=0.01)


def test_another_learning_rate_goes_on_and_is_reported(
    photos: Path, start: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(record: dict) -> None:
        if record["kind"] == "epoch":
            raise OnarError("the drive is gone")

    with after_records(interrupt), pytest.raises(OnarError, match="the drive is gone"):
        train_colours(colours(photos, start, tmp_path, checkpoint_minutes=1e-9))
    train_colours(colours(photos, start, tmp_path, learning_rate=1e-3))
    assert "Going on after step 2 of 5: learning_rate was 0.0005, is 0.001" in capsys.readouterr().out


def test_two_trainings_cannot_write_one_folder(photos: Path, start: str, tmp_path: Path) -> None:
    config = colours(photos, start, tmp_path)
    with closing(Results(config.results)) as results:
        results.open()
        with pytest.raises(OnarError, match="is training into"):
            train_colours(config)


def test_the_length_of_a_training_in_steps_is_that_of_its_settings(photos: Path, start: str, tmp_path: Path) -> None:
    config = colours(photos, start, tmp_path, steps=7, epoch_steps=3)
    train_colours(config)
    assert [record["step"] for record in records(config.results, "epoch")] == [3, 6, 7]
    assert records(config.results, "start")[0]["steps"] == 7
    assert all(math.isfinite(record["Colour_loss"]) for record in records(config.results, "epoch"))
