"""Recipes by name, and the files that `onar init` writes."""

import ast
from pathlib import Path

import pytest

from onar import TrainConfig, UsageError
from onar.settings.recipes import SCRIPT, recipe_file, recipes
from tests.support.runs import refusal, run_onar

GUIDE = {
    "BASE_DATASET_DIR": "./data", "BATCH_SIZE": 16, "NUM_WORKERS": 4, "EPOCHS": 8, "IMG_SIZE": (512, 512),
    "LEARNING_RATE_G": 1e-4, "LEARNING_RATE_D": 1e-4, "LAMBDA_PIXEL": 1.0, "LAMBDA_CONTENT": 1.0, "LAMBDA_ADV": 0.01,
    "mask_type": "irregular", "max_masks": 3, "max_size_ratio": 0.3, "max_thickness": 20, "accumulation_steps": 1,
}  # fmt: skip


def test_a_recipe_is_found_by_name_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "paper").mkdir()  # a folder is no recipe
    assert TrainConfig.from_toml("laptop").img_size == 128
    assert recipe_file("paper") == recipes()["paper"]


def test_a_file_of_the_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("laptop").write_text("epochs = 3\n")
    assert TrainConfig.from_toml("laptop") == TrainConfig(epochs=3)


def test_an_unknown_recipe_is_refused_with_the_names_of_all(tmp_path: Path) -> None:
    names = ", ".join(recipes())
    assert f"no such file: laptp; the recipes that come with Onar are {names}" in refusal(
        "masks", "--output", tmp_path, "--config", "laptp"
    )
    with pytest.raises(UsageError, match=names):
        TrainConfig.from_toml("laptp")


@pytest.mark.parametrize("verb", ["init", "train"])
def test_help_names_every_recipe(verb: str) -> None:
    said = " ".join(run_onar(verb, "--help").out.replace("│", " ").split())
    assert all(name in said for name in recipes())


def test_init_writes_the_script_and_a_recipe_and_replaces_nothing(tmp_path: Path) -> None:
    run_onar("init", tmp_path / "new", "--recipe", "laptop")
    script, recipe = tmp_path / "new" / "model_script.py", tmp_path / "new" / "laptop.toml"
    assert script.read_text() == SCRIPT.read_text()
    assert TrainConfig.from_toml(recipe) == TrainConfig.from_toml("laptop")
    script.write_text("# mine\n")
    recipe.unlink()
    assert "--overwrite" in run_onar("init", tmp_path / "new", "--recipe", "laptop", code=1).err
    assert script.read_text() == "# mine\n"
    assert not recipe.exists()
    assert "bundled" in refusal("init", tmp_path, "--recipe", "tablet")
    run_onar("init", tmp_path / "new", "--overwrite")
    assert script.read_text() == SCRIPT.read_text()


def test_the_script_has_the_guides_constants_and_defaults() -> None:
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(SCRIPT.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert constants == GUIDE | {
        "RESULTS_DIR": "./inpainting_results", "RESUME": "auto", "DEPTH": 8, "CONTENT_NETWORK": "vgg16",
    }  # fmt: skip
