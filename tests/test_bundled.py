"""The weights that come with Onar: what the file says, what they reach, and that the wheel brings them."""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from onar import Inpainter, random_mask
from onar.checkpoint import load_weights
from onar.metrics.learned_distances import st_lpips
from onar.settings.checks import read_toml
from onar.settings.recipes import recipes
from onar.training.blend.config import BlendConfig
from onar.training.colours.config import ColourConfig
from onar.weights.bundled import bundled_page, bundled_photos, bundled_weights, texture_weights
from onar.weights.files import read_onnx
from tests.conftest import REPOSITORY
from tests.support.pictures import COFFEE
from tools.release.contents import faults_of_wheel


def perceptual_distance(inpainter: Inpainter) -> float:
    """Mean ST-LPIPS over some bundled photos, which the weights were not trained on."""
    distance, distances = st_lpips(), []
    for number, path in enumerate(sorted(bundled_photos().glob("*.jpg"))[::4]):
        photo = np.array(Image.open(path).convert("RGB").resize((256, 256)))
        mask = random_mask(256, 256, rng=np.random.default_rng(number), hole_ratio=(0.2, 0.3))
        pair = [torch.from_numpy(one).permute(2, 0, 1)[None] / 255 for one in (inpainter(photo, mask), photo)]
        distances.append(float(distance(*pair)))
    return float(np.mean(distances))


def test_without_weights_the_bundled_ones_are_loaded() -> None:
    for inpainter in (Inpainter.load(), Inpainter.load("bundled")):
        assert inpainter.weights == bundled_weights()
        assert (inpainter.description, inpainter.training_size) == ("the bundled weights", 256)


def test_the_bundled_weights_bring_back_more_than_the_fill_they_start_from() -> None:
    assert perceptual_distance(Inpainter.load()) < 0.85 * perceptual_distance(Inpainter.load("pyramid"))


def test_the_file_is_small_and_says_how_it_was_trained(tmp_path: Path) -> None:
    assert bundled_weights().stat().st_size <= 23_000_000
    record = load_weights(bundled_weights()).record
    (tmp_path / "recipe.toml").write_text(record["recipe"])
    recipe, published = read_toml(tmp_path / "recipe.toml"), read_toml(recipes()["bundled"])
    published["mixed_precision"] = recipe["mixed_precision"]  # auto takes what the machine is quick at
    assert {name: recipe[name] for name in published} == published
    last = json.loads(record["log"])
    assert (last["kind"], last["epoch"]) == ("epoch", published["epochs"])
    colours = tomllib.loads(record["colours"])
    assert colours == {**ColourConfig().recipe(), "mixed_precision": colours["mixed_precision"]}
    _, metadata = read_onnx(texture_weights())
    assert tomllib.loads(metadata["recipe"]).keys() == BlendConfig().recipe().keys()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, REPOSITORY]
    built = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("onar-*.whl")
    return wheel


@pytest.mark.process
def test_the_wheel_holds_what_it_must_and_nothing_else(wheel: Path) -> None:
    unbuilt = "missing: onar/assets/page/" if not (bundled_page() / "index.html").is_file() else "nothing of the page"
    assert [fault for fault in faults_of_wheel(wheel) if not fault.startswith(unbuilt)] == []


@pytest.mark.process
def test_an_installed_wheel_completes_a_photo(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True)
    # The libraries are those that the tests have; Onar itself is the wheel's, because its folder comes first and the
    # editable installation of the other folder is not looked at.
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"])
    Image.fromarray(random_mask(320, 480, rng=np.random.default_rng(0))).save(tmp_path / "mask.png")
    command = [environment / "bin" / "onar", "complete", COFFEE, "--mask", "mask.png", "--output", "out.png"]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the bundled weights" in done.stdout
    hole = np.asarray(Image.open(tmp_path / "mask.png")) > 0
    before, after = np.asarray(Image.open(COFFEE)), np.asarray(Image.open(tmp_path / "out.png"))
    assert np.array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).any(axis=1).mean() > 0.9
    where = [python, "-c", "import onar; print(onar.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True).stdout
    assert str(packages) in found
