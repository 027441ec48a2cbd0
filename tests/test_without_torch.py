"""Onar without extras: only with the packages that it declares."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import distribution
from pathlib import Path

import httpx
import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

from onar import Inpainter, PConvUNet, random_mask
from onar.checkpoint import load_generator, save_safetensors, save_weights
from onar.inference.backends import OnnxBackend, TorchBackend
from onar.models import PyramidFill
from onar.weights.bundled import bundled_weights
from tests.conftest import PHOTOS
from tests.support.pictures import COFFEE
from tests.support.server import needs_page

pytestmark = pytest.mark.process


def declared_packages() -> set[str]:
    """Names of the packages that `pip install onar` brings, itself included."""
    found: set[str] = set()
    waiting = [Requirement("onar")]
    while waiting:
        requirement = waiting.pop()
        if requirement.name in found:
            continue
        found.add(requirement.name)
        for line in distribution(requirement.name).requires or []:
            needed = Requirement(line)
            extras = (*requirement.extras, "")
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has Onar and its declared packages only; they are lent from where the tests run."""
    environment = tmp_path_factory.mktemp("plain")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    for name in declared_packages():
        lent = distribution(name)
        for top in {file.parts[0] for file in lent.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            if not (packages / top).exists():
                (packages / top).symlink_to(lent.locate_file(top))
    return environment / "bin" / "python"


def onar(python: Path, *arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "onar", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@contextmanager
def serving(python: Path, *arguments: str, folder: Path) -> Iterator[str]:
    """The address of a server, which prints no errors."""
    command = [str(python), "-m", "onar", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline(), process.stdout.readline()]
        try:
            yield lines[1].split()[2]
        finally:
            process.terminate()
            _, said = process.communicate()
    assert said == ""


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    holes = random_mask(320, 480, rng=np.random.default_rng(0), hole_ratio=(0.1, 0.2))
    Image.fromarray(holes).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def test_there_is_no_torch(python: Path) -> None:
    for name in ("torch", "matplotlib", "onnx", "jinja2"):
        tried = subprocess.run([python, "-c", f"import {name}"], capture_output=True, text=True, check=False)
        assert f"No module named '{name}'" in tried.stderr


def test_a_photo_is_completed_as_pytorch_would(python: Path, mask: Path, tmp_path: Path) -> None:
    photo, hole = np.asarray(Image.open(COFFEE)), np.asarray(Image.open(mask)) > 0
    completed = {}
    for texture in ("auto", "network"):
        output = f"{texture}.png"
        words = "complete", COFFEE, "--mask", mask, "--texture", texture, "--output", output
        done = onar(python, *words, folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        completed[texture] = np.asarray(Image.open(tmp_path / output))
        assert np.array_equal(completed[texture][~hole], photo[~hole])
    assert not np.array_equal(completed["auto"], completed["network"])
    # Copied texture has a network of its own, whose gain can double a difference of one level.
    with_torch = Inpainter(load_generator(bundled_weights()), 256, "cpu")(photo, hole, texture="network")
    assert np.abs(completed["network"].astype(int) - with_torch).max() <= 1


def test_holes_are_scored_and_learned_distances_say_what_they_need(python: Path, tmp_path: Path) -> None:
    arguments = ["--data", PHOTOS, "--count", 1, "--img_size", 64, "--masks_per_range", 1, "--output", "report.json"]
    done = onar(python, "evaluate", *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "report.json").read_text())["overall"]["scores"]["onar"]
    assert 10 < scores["psnr"] < 60
    assert scores["st_lpips"] is None
    assert 'ST-LPIPS: not available: pip install "onar[train,offline]"' in done.stdout
    assert 'onar: report.html needs pip install "onar[evaluate]" (jinja2 is missing)' in done.stderr
    assert "The report: report.json\n" in done.stdout
    assert not (tmp_path / "report.html").exists()


def heic_bytes() -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (64, 48), "red")).save(file, format="HEIF")
    return file.getvalue()


def test_a_heic_photo_is_known_by_its_bytes_and_the_extra_named(python: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(heic_bytes())  # as phones and browsers rename it
    Image.new("L", (64, 48), 255).save(tmp_path / "mask.png")
    words = "complete", "photo.jpg", "--mask", "mask.png", "--output", "out.png"
    done = onar(python, *words, folder=tmp_path)
    said = 'the file is HEIC, which needs pip install "onar[heic]"'
    assert (done.returncode, done.stderr) == (1, f"onar: photo.jpg: {said}\n")
    with serving(python, "--weights", "pyramid", "--no-page", folder=tmp_path) as address:
        files = {"photo": heic_bytes(), "mask": (tmp_path / "mask.png").read_bytes()}
        answer = httpx.post(f"{address}/api/complete", files=files)
    assert answer.status_code == 415
    assert answer.json() == {"error": "missing_decoder", "message": f"the photo: {said}"}


def test_masks_are_written(python: Path, tmp_path: Path) -> None:
    done = onar(python, "masks", "out", "--count", 2, "--img_size", 64, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "sheet.png").exists()


def test_photos_are_checked(python: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_text("no photo")
    (tmp_path / COFFEE.name).write_bytes(COFFEE.read_bytes())
    done = onar(python, "check", ".", "--img_size", 512, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"photos +1 in", done.stdout)
    assert re.search(r"too small +1 ", done.stdout)
    assert "broken.jpg" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "extras"),
    [
        ("train --data .", "train"),
        ("train --data . --config laptop", "train,offline"),
        ("train --data . --config laptop --lambda_content 0", "train"),
        ("demo", "train,offline"),
        ("blend --data .", "train,offline"),
        ("colours --data .", "train,offline"),
        ("export --output model.onnx", "train"),
        ("convert photo.jpg --output model.safetensors", "train"),
    ],
)
def test_a_verb_names_all_extras_that_it_needs_in_one_line(
    python: Path, arguments: str, extras: str, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(COFFEE.read_bytes())
    done = onar(python, *arguments.split(), folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f'onar: {arguments.split()[0]} needs pip install "onar[{extras}]" (torch')
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        "train --data nowhere",
        "train --data . --init_weights nowhere",
        "blend --data . --weights nowhere",
        "colours --data . nowhere --weights bundled",
        "export --output model.onnx --weights nowhere",
        "convert nowhere --output model.safetensors",
        "complete photo.jpg --mask mask.png --output out.png --weights nowhere",
        "complete photo.jpg --mask mask.png --output out.png --blend nowhere",
    ],
)
@pytest.mark.usefixtures("mask")
def test_a_file_that_is_not_there_is_named_before_extras(python: Path, arguments: str, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(COFFEE.read_bytes())
    done = onar(python, *arguments.replace("nowhere", "nowhere.pth").split(), folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "onar: cannot read nowhere.pth: No such file or directory\n"


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_weights_that_need_torch_say_so_in_one_line(python: Path, mask: Path, tmp_path: Path, ending: str) -> None:
    save = save_weights if ending == ".pth" else partial(save_safetensors, metadata={"training_size": "64"})
    save(tmp_path / f"mine{ending}", PConvUNet(4, 3))
    arguments = ["complete", COFFEE, "--mask", mask, "--output", "out.png", "--weights", f"mine{ending}"]
    done = onar(python, *arguments, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f'onar: mine{ending} needs pip install "onar[train]"')
    assert f"onar export --weights mine{ending} --output mine.onnx" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.png").exists()


def test_from_python_a_name_that_needs_torch_says_so(python: Path, tmp_path: Path) -> None:
    tried = subprocess.run([python, "-c", "import onar; onar.train"], capture_output=True, text=True, check=False)
    assert tried.stderr.splitlines()[-1].startswith('ModuleNotFoundError: onar.train needs pip install "onar[train]"')


@needs_page
def test_serving_needs_nothing_more_for_its_page(python: Path, tmp_path: Path) -> None:
    with serving(python, folder=tmp_path) as address:
        site = httpx.get(f"{address}/onar.json", timeout=60)
    assert site.status_code == 200


def test_a_cpu_is_for_onnx_runtime_whatever_is_installed() -> None:
    assert isinstance(Inpainter.load(device="cpu").backend, OnnxBackend)
    assert isinstance(Inpainter(PyramidFill(), device="cpu").backend, TorchBackend)
