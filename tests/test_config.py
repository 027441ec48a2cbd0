import dataclasses
import pickle
import re
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_type_hints

import numpy as np
import pytest
import tomli_w

from onar import Inpainter, TrainConfig
from onar.completion.config import CompletionConfig, EngineConfig
from onar.errors import FieldError, OnarError, UsageError
from onar.evaluation.config import EvaluationConfig
from onar.export.config import ExportConfig
from onar.launch import RENAMED
from onar.serve.config import ServeConfig
from onar.serve.http.uploads import Filling, explained
from onar.settings import checks
from onar.settings.checks import field_help, read_toml
from onar.settings.fill import FillKeywords, FillOptions
from onar.settings.ranges import NonNegativeFloat, PositiveInt, Seed, Share
from onar.settings.recipes import recipes
from onar.settings.training import MaskConfig
from tests.support.runs import refusal, run_onar

GUIDE_DEFAULTS = {
    "batch_size": 16, "num_workers": 4, "epochs": 8, "learning_rate_g": 1e-4, "learning_rate_d": 1e-4,
    "lambda_pixel": 1.0, "lambda_content": 1.0, "lambda_adv": 0.01, "mask_type": "irregular", "max_masks": 3,
    "max_size_ratio": 0.3, "max_thickness": 20,
}  # fmt: skip


def test_the_defaults_are_the_guides() -> None:
    config = TrainConfig()
    assert {name: getattr(config, name) for name in GUIDE_DEFAULTS} == GUIDE_DEFAULTS
    assert config.height_width == (512, 512)
    assert config.data == Path("./data")
    assert config.results_dir == Path("./inpainting_results")


def test_the_guides_recipe_spells_out_the_defaults() -> None:
    assert dataclasses.replace(TrainConfig.from_toml("guide"), img_size=512) == TrainConfig()


@pytest.mark.parametrize("recipe", sorted(recipes()))
def test_every_recipe_reads_and_survives_being_written(recipe: str, tmp_path: Path) -> None:
    config = TrainConfig.from_toml(recipe)
    (tmp_path / "config.toml").write_text(tomli_w.dumps(config.to_plain()))
    assert TrainConfig.from_toml(tmp_path / "config.toml") == config


def test_changes_win_over_the_recipe() -> None:
    assert TrainConfig.from_toml("guide", epochs=3).epochs == 3


def test_a_key_may_be_written_as_flags_are(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("batch-size = 4\nhole_ratio = [0.1, 0.2]\n")
    assert TrainConfig.from_toml(tmp_path / "recipe.toml") == TrainConfig(batch_size=4, hole_ratio=(0.1, 0.2))


def test_every_field_has_its_help() -> None:
    for settings in (TrainConfig, CompletionConfig, EngineConfig, ServeConfig, EvaluationConfig, ExportConfig):
        texts = field_help(settings)
        assert all(texts[field.name] for field in dataclasses.fields(settings)), settings


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"max_minutes": 0}, "max_minutes must be above 0, not 0"),
        ({"batch_size": -4}, "batch_size"),
        ({"img_size": -512}, "img_size"),
        ({"img_size": (512, 4)}, "img_size"),
        ({"num_workers": -1}, "num_workers"),
        ({"max_masks": 0}, "max_masks"),
        ({"max_size_ratio": 1.5}, "max_size_ratio"),
        ({"hole_ratio": (0.6, 0.1)}, "hole_ratio"),
        ({"learning_rate_g": 0.0}, "learning_rate_g"),
        ({"lambda_adv": -0.01}, "lambda_adv"),
        ({"seed": 2**64}, "seed must be at least 0 and below 2^63, not 18446744073709551616"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"val_share": 1.0}, "val_share"),
        ({"img_size": 128}, "depth 7 or less"),
        ({"img_size": 16, "depth": 3, "discriminator": "local"}, "at least 24"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(wrong: dict, said: str) -> None:
    with pytest.raises(UsageError, match=r"^[a-z_]+ [^\n]*\Z") as error:
        TrainConfig(**wrong)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("settings", "wrong", "said"),
    [
        (TrainConfig, {"lr_schedule": "linear"}, "lr_schedule takes constant or cosine, not 'linear'"),
        (TrainConfig, {"track": "mlflow"}, "track takes none, tensorboard or wandb, not 'mlflow'"),
        (TrainConfig, {"on_nan": "Skip"}, "on_nan takes stop or skip, not 'Skip'"),
        (TrainConfig, {"epochs": 2.5}, "epochs takes a whole number, not 2.5"),
        (TrainConfig, {"epochs": True}, "epochs takes a whole number, not True"),
        (TrainConfig, {"max_steps": "many"}, "max_steps takes a whole number, not 'many'"),
        (TrainConfig, {"lambda_pixel": float("inf")}, "lambda_pixel takes a number, not inf"),
        (TrainConfig, {"stream": "maybe"}, "stream takes true or false, not 'maybe'"),
        (TrainConfig, {"masks": 4}, "masks takes a path, not 4"),
        (TrainConfig, {"masks": ""}, "masks takes a path, not an empty text"),
        (TrainConfig, {"data": ""}, "data takes text or a path or (a path, ...), not an empty text"),
        (TrainConfig, {"hole_ratio": [0.1]}, "hole_ratio takes (a number, a number), not [0.1]"),
        (MaskConfig, {"mask_type": "circle"}, "mask_type takes irregular, rectangle, mixed or object, not 'circle'"),
        (CompletionConfig, {"strategy": "tiles"}, "strategy takes auto, whole or crop, not 'tiles'"),
        (EngineConfig, {"engine": "spark"}, "engine takes local or ray, not 'spark'"),
        (ServeConfig, {"port": "http"}, "port takes a whole number, not 'http'"),
    ],
)
def test_a_value_of_another_type_is_refused_by_type(settings: type, wrong: dict, said: str, tmp_path: Path) -> None:
    whole = f"^{re.escape(said)}$"
    with pytest.raises(UsageError, match=whole):
        settings(**wrong)
    if settings is TrainConfig:
        (tmp_path / "recipe.toml").write_text(tomli_w.dumps(wrong))
        with pytest.raises(UsageError, match=whole):
            TrainConfig.from_toml(tmp_path / "recipe.toml")


def test_what_is_sure_to_be_meant_is_converted() -> None:
    config = TrainConfig(
        batch_size="16", epochs=np.int64(3), seed=2.0, lambda_pixel=np.float32(0.5), img_size=[256, 512], masks="masks"
    )
    assert (config.batch_size, config.epochs, config.seed, config.lambda_pixel) == (16, 3, 2, 0.5)
    assert (config.img_size, config.masks) == ((256, 512), Path("masks"))
    assert all(type(value) in (int, float, tuple) for value in (config.epochs, config.lambda_pixel, config.img_size))
    assert ServeConfig(results_dir=["runs"]).results_dir == (Path("runs"),)


def test_every_setting_knows_its_type() -> None:
    for settings in (TrainConfig, CompletionConfig, EngineConfig, ServeConfig):
        for field in dataclasses.fields(settings):
            with pytest.raises(UsageError, match=f"^{field.name} takes "):
                settings(**{field.name: object()})


# ---------------------------------------------------------------- one fact, three faces
def test_the_options_of_filling_are_declared_once() -> None:
    names = [field.name for field in dataclasses.fields(FillOptions)]
    assert names == [*FillKeywords.__annotations__] == [*Filling.model_fields]
    assert issubclass(CompletionConfig, FillOptions)
    assert issubclass(EvaluationConfig, FillOptions)
    types = get_type_hints(FillOptions, include_extras=True)
    schema = Filling.model_json_schema()["properties"]
    for name in names:
        assert schema[name]["description"] == field_help(FillOptions)[name]
        assert schema[name]["default"] == getattr(FillOptions, name)
        for settings in (CompletionConfig, EvaluationConfig, Filling):
            assert get_type_hints(settings, include_extras=True)[name] == types[name]
    assert (schema["feather"]["minimum"], schema["feather"]["maximum"]) == (0, 1000)
    assert (schema["seed"]["minimum"], schema["seed"]["exclusiveMaximum"]) == (0, 2**32)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("feather", 1001, "must be from 0 to 1000, not 1001"),
        ("seed", 2**32, "must be at least 0 and below 2^32, not 4294967296"),
        ("seed", -1, "must be at least 0 and below 2^32, not -1"),
        ("strategy", "tiles", "takes auto, whole or crop, not 'tiles'"),
    ],
)
def test_an_error_names_the_field_and_the_command_its_flag(name: str, value: object, rule: str) -> None:
    photo, inpainter = np.zeros((8, 8, 3), np.uint8), Inpainter.load("pyramid")
    wrong: dict = {name: value}
    evaluate, fill = partial(EvaluationConfig, data="photos"), partial(inpainter, photo, photo[..., 0])
    for use in (CompletionConfig, evaluate, fill):
        with pytest.raises(FieldError) as caught:
            use(**wrong)
        assert (str(caught.value), caught.value.field) == (f"{name} {rule}", name)
        again = pickle.loads(pickle.dumps(caught.value))
        assert (str(again), again.as_flags()) == (f"{name} {rule}", f"--{name} {rule}")
    with pytest.raises(UsageError, match=f"^{name}: "), explained():
        Filling(**wrong)
    for command in (["complete", "a.png", "--mask", "m.png", "--output", "o.png"], ["evaluate", "--data", "photos"]):
        said = refusal(*command, f"--{name}", value)
        assert f"--{name}" in said
        assert name == "strategy" or said == f"onar: --{name} {rule}\n"


def test_other_fields_in_a_message_become_flags_too() -> None:
    with pytest.raises(FieldError, match=r"^img_size 64 is too small for depth 8 \(2\^8 = 256\): use depth 6 or less"):
        TrainConfig(img_size=64)
    said = run_onar("train", "--img_size", 64, code=2).err
    assert "onar: --img_size 64 is too small for --depth 8 (2^8 = 256): use --depth 6 or less" in said


@pytest.mark.parametrize("verb", ["train", "complete", "evaluate", "export", "serve", "masks"])
def test_help_shows_ranges_and_topics(verb: str) -> None:
    ranges, topics = {
        "train": (["--epochs INT at least 1", "--seed INT at least 0 and below 2^63"], ["Photos", "Losses", "Run"]),
        "complete": (["--feather INT from 0 to 1000"], ["Fill", "Masks", "Files", "Engine"]),
        "evaluate": (["--count INT at least 1"], ["Photos and holes", "Methods and scores"]),
        "export": (["--average_share FLOAT from 0 to 1"], ["Export"]),
        "serve": (["--port INT from 0 to 65535", "--queue INT at least 1"], ["Access", "Limits", "Page"]),
        "masks": (["--count INT at least 1", "--img_size INT|(INT INT) at least 8"], ["Holes"]),
    }[verb]
    lines = run_onar(verb, "--help").out.splitlines()
    titles = [line.split()[1:-1] for line in lines if line.startswith("╭")]
    assert [title for title in topics if not any(" ".join(found).startswith(title) for found in titles)] == []
    text = " ".join(" ".join(line.strip("│ *").split()) for line in lines)
    for part in ranges:
        flag, _, limits = part.partition(" at " if " at " in part else " from ")
        after = text[text.index(flag) :]
        assert limits in after[: after.index("]") + 1], part


def test_flags_that_were_renamed_name_the_new_ones() -> None:
    for old, new in RENAMED.items():
        assert refusal("export", "--output", "model.onnx", f"--{old}", 1) == f"onar: --{old} is now --{new}\n"


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("epcohs = 3\n")
    with pytest.raises(UsageError, match=r"epcohs.*did you mean 'epochs'"):
        TrainConfig.from_toml(tmp_path / "wrong.toml")


@pytest.mark.parametrize("text", ["epochs = ", "= 3", "epochs 3"])
def test_malformed_toml_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.toml").write_text(text)
    with pytest.raises(OnarError, match="not valid TOML"):
        read_toml(tmp_path / "broken.toml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_recipes_of_windows_editors_are_read(tmp_path: Path, encoding: str, line_end: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(line_end.join(["# Şişli", 'data = "gökçe"', "epochs = 3", ""]).encode(encoding))
    config = TrainConfig.from_toml(recipe)
    assert (config.data, config.epochs) == (Path("gökçe"), 3)


def test_a_windows_path_in_double_quotes_is_explained(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('data = "C:\\Users\\photos"\n')
    with pytest.raises(OnarError, match="write paths with / or in 'single quotes'"):
        TrainConfig.from_toml(tmp_path / "recipe.toml")


VALUES = [0, 1, -1, 5, 10**30, 0.5, 1.0, float("inf"), float("nan"), True, False, None, "", "auto", "5", "x", Path("a")]
HINTS = [
    *(int, float, bool, str, Path, PositiveInt, NonNegativeFloat, Share, Seed, Literal["auto", "x"]),
    *(int | None, Path | None, PositiveInt | None, Share | None, int | str, Literal["auto"] | Path, tuple[int, int]),
]


@pytest.mark.parametrize("hint", HINTS, ids=str)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_that_is_taken_as_it_is_is_one_that_pydantic_keeps(hint: Any, value: Any) -> None:
    if checks._is_valid(hint, value):
        kept = checks._converted("name", hint, value)
        assert type(kept) is type(value)
        assert kept == value
    else:
        assert not (type(value) is int and hint in (int, int | None, int | str))  # which would import pydantic
