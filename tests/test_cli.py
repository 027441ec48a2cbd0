import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import onar
from onar.cli import app
from onar.imaging.images import read_mask
from onar.imaging.listing import find_masks
from onar.masks.holes import hole_share
from tests.conftest import PHOTOS
from tests.support.processes import run as run_python
from tests.support.runs import refusal, run_onar


@pytest.mark.process
def test_help_answers_without_loading_the_heavy_libraries() -> None:
    code = """
import sys
sys.argv = ["onar", "train", "--help"]
from onar.cli import main
try:
    main()
except SystemExit:
    pass
print([name for name in ("torch", "cv2", "matplotlib", "PIL", "pydantic") if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.splitlines()[-1] == "[]"
    assert "--max_thickness" in run.stdout


@pytest.mark.process
def test_completing_one_photo_imports_only_what_it_needs(tmp_path: Path) -> None:
    Image.new("RGB", (90, 60), "red").save(tmp_path / "photo.jpg")
    hole = np.zeros((60, 90), np.uint8)
    hole[20:40, 30:60] = 255
    Image.fromarray(hole).save(tmp_path / "mask.png")
    code = """
import sys
sys.argv = "onar complete photo.jpg --mask mask.png --output out.jpg --texture network --feather 2 --workers 0".split()
from onar.cli import main
main()
unneeded = ("torch", "rich", "tqdm", "pydantic", "fastapi", "onnx", "matplotlib", "tifffile", "urllib.request")
unneeded += ("numpy.random", "PIL.ImageCms", "PIL.ImageDraw", "PIL.WebPImagePlugin", "onar.settings.training")
unneeded += ("onar.commands.training", "onar.commands.weights", "onar.serve", "onar.evaluation", "onar.export")
print([name for name in unneeded if name in sys.modules])
"""
    code = code.replace("main()\n", "try:\n    main()\nexcept SystemExit:\n    pass\n", 1)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines()[-2:] == ["completed out.jpg", "[]"], done.stderr


_PANELS = re.compile(r"^╭─ ([\w ]+) ─+╮\n(.*?)^╰", re.M | re.S)


def test_help_shows_every_verb_under_a_heading_and_filling_first() -> None:
    panels = dict(_PANELS.findall(run_onar("--help").out))
    verbs = {heading: re.findall(r"^│ (\w+)  ", text, re.M) for heading, text in panels.items()}
    assert next(iter(verbs)) == "Fill holes"
    assert verbs["Fill holes"][:2] == ["complete", "find"]
    assert verbs["Train"][0] == "train"
    assert "Commands" not in verbs
    assert sorted(name for names in verbs.values() for name in names) == sorted(
        name for name in app if not name.startswith("-")
    )


@pytest.mark.parametrize(
    ("command", "topics"),
    [
        ("blend", {"Pairs": "--pair_size", "Losses": "--lambda_thin", "Photos": "--val_data", "Run": "--resume"}),
        ("colours", {"Photos": "--data", "Optimisation": "--steps", "Run": "--resume", "Colour predictor": "--count"}),
        ("finder", {"Photos": "--val_data", "Run": "--resume", "Damage finder": "--clean_share"}),
        ("complete", {"Fill": "--blend", "Masks": "--dilate", "Files": "--overlay"}),
    ],
)
def test_help_lists_settings_by_topic(command: str, topics: dict[str, str]) -> None:
    panels = dict(_PANELS.findall(run_onar(command, "--help").out))
    assert {topic: f"{flag} " in panels[topic] for topic, flag in topics.items()} == dict.fromkeys(topics, True)


@pytest.mark.parametrize("verb", [name for name in app if not name.startswith("-")])
def test_flags_are_named_as_settings_in_help(verb: str) -> None:
    flags = re.findall(r"(?<![\w-])--(?!no-)[\w-]+", run_onar(verb, "--help").out)
    assert flags
    assert [flag for flag in flags if "-" in flag[2:]] == []


@pytest.mark.parametrize("flag", ["--img_size", "--img-size"])
def test_a_flag_may_be_written_with_hyphens(flag: str, tmp_path: Path) -> None:
    run_onar("masks", tmp_path, "--count", 1, flag, 64)
    assert read_mask(tmp_path / "mask_0000.png").shape == (64, 64)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--hole_ratio", 0.05, "--hole_ratio", 0.1), "--hole_ratio takes 2 values after the one flag"),
        (("--batch_size",), "--batch_size takes a value: --batch_size VALUE"),
        (("--epochs", 2.5), "--epochs: takes a whole number, not 2.5"),
    ],
)
def test_a_misused_flag_is_refused_with_the_values_it_takes(arguments: tuple[object, ...], said: str) -> None:
    assert said in run_onar("train", *arguments, code=2).err


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a photo and a mask."""
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    Image.new("L", (20, 20), 255).save(tmp_path / "m.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["complete", "a.png", "--mask", "m.png", "--output", "", "--overwrite"],
        ["complete", "a.png", "--mask", "", "--output", "b.png"],
        ["complete", "", "--mask", "m.png", "--output", "b.png"],
        ["train", "--data", ""],
        ["serve", "--results_dir", ""],
        ["check", ""],
    ],
)
def test_an_unset_variable_is_no_name_of_this_folder(arguments: list[str], in_folder: Path) -> None:
    before = (in_folder / "a.png").read_bytes()
    assert "empty" in refusal(*arguments)
    assert sorted(path.name for path in in_folder.iterdir()) == ["a.png", "m.png"]
    assert (in_folder / "a.png").read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["complete", "LONG", "--mask", "m.png", "--output", "b.png"],
        ["complete", "a.png", "--mask", "LONG", "--output", "b.png"],
        ["complete", "a.png", "--mask", "m.png", "--output", "LONG"],
        ["check", "LONG"],
        ["masks", "out", "--config", "LONG"],
    ],
)
@pytest.mark.usefixtures("in_folder")
def test_a_file_that_the_system_refuses_is_no_error_of_the_program(arguments: list[str]) -> None:
    name = "n" * 300 + ".png"
    said = refusal(*(argument.replace("LONG", name) for argument in arguments), code=1)
    assert said == f"onar: {name}: {os.strerror(errno.ENAMETOOLONG)}\n"


@pytest.mark.parametrize("line", ["epochs = 2.5", "hole_ratio = [0.1]", 'on_nan = "Skip"', "lambda_pixel = inf"])
def test_a_wrong_value_in_a_recipe_is_refused_by_its_name(line: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(line)
    assert line.partition(" ")[0] in refusal("train", "--config", tmp_path / "recipe.toml")


def test_the_public_names_load() -> None:
    assert set(onar.__all__) == set(onar._HOMES)
    for name in onar.__all__:
        assert callable(getattr(onar, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = onar.nothing


@pytest.mark.process
def test_the_public_names_survive_importing_every_module() -> None:
    code = """
import importlib, pkgutil, onar
for module in pkgutil.walk_packages(onar.__path__, "onar."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert all(not hasattr(getattr(onar, name), "__path__") and callable(getattr(onar, name)) for name in onar.__all__)
"""
    run_python("-c", code, code=0)


def test_masks_are_written_with_a_sheet(tmp_path: Path) -> None:
    said = run_onar("masks", "--output", tmp_path, "--count", 9, "--img_size", "40x64", "--hole_ratio", 0.2, 0.3)
    assert "white is the hole" in said.out
    masks = [read_mask(path) for path in sorted(tmp_path.glob("mask_*.png"))]
    assert len(masks) == 9
    assert all(mask.shape == (40, 64) and 0.18 < hole_share(mask) < 0.32 for mask in masks)
    assert Image.open(tmp_path / "sheet.png").width == 8 * (66 + 4) + 4
    assert [path.name for path in find_masks(tmp_path)] == [f"mask_{number:04}.png" for number in range(9)]


def test_masks_take_their_settings_from_a_training_recipe(tmp_path: Path) -> None:
    run_onar("masks", "--config", "laptop", "--output", tmp_path, "--count", 1)
    assert read_mask(tmp_path / "mask_0000.png").shape == (128, 128)


def test_the_keys_of_a_recipe_may_be_written_as_flags_are(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("img-size = 96\nbatch-size = 4\n")
    run_onar("masks", "--config", tmp_path / "recipe.toml", "--output", tmp_path, "--count", 1)
    assert read_mask(tmp_path / "mask_0000.png").shape == (96, 96)


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no /dev/stdin")
def test_a_recipe_may_come_through_a_pipe(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "onar", "masks", "--config", "/dev/stdin", "--output", tmp_path, "--count", "1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, input="img_size = 96")
    assert run.returncode == 0, run.stderr
    assert read_mask(tmp_path / "mask_0000.png").shape == (96, 96)
    assert "no such file" in run_onar("masks", "--config", tmp_path, "--output", tmp_path, code=2).err


def test_a_seed_that_cannot_be_draws_no_masks(tmp_path: Path) -> None:
    said = refusal("masks", "--output", tmp_path, "--seed", -1)
    assert said == "onar: --seed must be at least 0 and below 2^63, not -1\n"
    assert not list(tmp_path.iterdir())


def test_masks_of_a_folder_are_previewed(tmp_path: Path) -> None:
    Image.new("L", (20, 20), 255).save(tmp_path / "white.png")
    assert "100.0%" in run_onar("masks", "--output", tmp_path / "out", "--count", 1, "--masks", tmp_path).out


def test_the_doctor_names_what_is_unreadable_and_small(tmp_path: Path) -> None:
    for path in sorted(PHOTOS.glob("*.jpg"))[:3]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "broken.JPG").write_bytes(b"\xff\xd8 no photo")
    said = run_onar("check", tmp_path, "--img_size", 512).out
    assert re.search(r"photos +3 in", said)
    assert re.search(r"too small +3 ", said)
    assert "broken.JPG" in said


def test_a_folder_in_which_nothing_is_readable_fails_the_check(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_text("no photo")
    said = run_onar("check", tmp_path, code=1).err
    assert said.splitlines()[-1] == f"onar: none of the 1 photos in {tmp_path} could be read"


def test_the_demo_does_not_replace_a_folder_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "is no earlier demo" in run_onar("demo", "--output", tmp_path, code=1).err
    assert (tmp_path / "thesis.txt").exists()


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    said = run_onar("check", tmp_path / "nowhere", "--debug", code=1).err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("onar: no photos")
