"""Run the commands and Python blocks of the documentation, in a folder with small photos.

Trainings are shortened by flags after the line, in Python by other defaults. `NOT_RUN` lists the lines that cannot run
here, with the reason.
"""

import ast
import json
import re
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from urllib.parse import unquote

import datasets
import numpy as np
import pyarrow
import pytest
import torch
from PIL import Image, ImageOps
from pyarrow import parquet

import onar
from onar.cli import app
from onar.evaluation.config import EvaluationConfig
from onar.settings.recipes import recipe_file
from tests.conftest import PHOTOS, REPOSITORY
from tests.support.convert_references import FlatUNet, RatioOfKnownValues
from tests.support.processes import SERVING, Process
from tests.support.runs import SMALL, SMALL_BLEND, SMALL_COLOURS, SMALL_FINDER, run_onar
from tools.pictures.page import IMAGES, MAX_BYTES, PICTURES

READMES = (REPOSITORY / "README.md", REPOSITORY / "README.tr.md")
TURKISH = (READMES[1], *sorted((REPOSITORY / "docs" / "tr").glob("*.md")))
DOCUMENTS = (*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md")))
MODEL_CARDS = [PHOTOS.parent / "weights" / name for name in ("MODEL_CARD.md", "FINDER_CARD.md")]

NOT_RUN = {
    r"pip install |python3 -m venv |source ": "would change the environment that the tests run in",
    r"make (demo|test|check|page|pictures|bench|ablations|soak|docs|release)\b": "installs things, and takes minutes",
    r"\.venv/bin/python -m benchmarks ": "takes minutes; tests/test_benchmarks.py runs the topics small",
    r"python model_script\.py": "tests/training/test_training.py runs the script with smaller constants",
    r"(docker|sudo|ONAR_API_KEY=.* docker) ": "needs Docker, or root; tests/test_deploy.py tests the files",
    r"curl ": "needs a server at that address; tests/serve/test_documents.py runs it against one",
    r"onar (weights get |complete .*--weights migan)": "downloads; tests/test_weights_store.py does it from here",
    r"ray start ": "joins this machine to a cluster that outlives the test",
    r"onar complete .*--engine ray": "starts Ray, or needs a cluster; tests/completion/test_on_ray.py does both",
    r"accelerate launch ": "needs two GPUs, or two machines",
    r"torchrun ": "needs two GPUs, or two machines; tests/training/test_processes.py runs processes on the CPU",
    r"#!/bin/bash|#SBATCH |head=|srun ": "needs SLURM",
}
"""Beginnings of lines that are not run, with the reason. Lines with `onar` are still parsed."""

PYTHON_NOT_RUN = {
    "http://127.0.0.1:7860/api/": "needs a server there; tests/serve/test_documents.py runs it against one"
}
"""Contents of Python blocks that are not run, with the reason."""

ONE_STEP = {**SMALL, "batch_size": 2, "epochs": 1, "max_steps": 1}
BY_STEPS = {"blend": SMALL_BLEND, "colours": SMALL_COLOURS, "finder": SMALL_FINDER}
"""Few steps for the commands that train small networks."""


@dataclass(frozen=True)
class Block:
    """A block of code, and the documents that contain it."""

    code: str
    """As printed in the first of them."""
    bare: str
    """Without comments."""
    documents: tuple[Path, ...]

    @property
    def lines(self) -> list[str]:
        """Joined lines of a shell block, without comments."""
        return [line for line in self.bare.splitlines() if line]


def printed(language: str, documents: Iterable[Path] = DOCUMENTS) -> list[Block]:
    """The blocks of a language; blocks that differ only in comments are one."""
    found: dict[str, Block] = {}
    for path in documents:
        for code in re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.S):
            bare = ast.dump(ast.parse(code)) if language == "python" else without_comments(code)
            earlier = found.get(bare, Block(code, bare, ()))
            found[bare] = replace(earlier, documents=(*earlier.documents, path))
    return list(found.values())


def without_comments(code: str) -> str:
    return "\n".join(re.split(r" +# ", line)[0].rstrip() for line in re.sub(r"\\\n\s*", "", code).splitlines())


def is_run(line: str) -> bool:
    return not any(re.match(beginning, line) for beginning in NOT_RUN)


SHELL = printed("bash")
PYTHON = printed("python")
SHELL_RUN = [block for block in SHELL if any(is_run(line) for line in block.lines)]
PYTHON_RUN = [block for block in PYTHON if not any(part in block.code for part in PYTHON_NOT_RUN)]


def name_of(block: Block) -> str:
    first = next(line for line in block.code.splitlines() if line and is_run(line))
    return f"{'+'.join(path.name for path in block.documents)}: {first[:60]}"


def onar_lines(documents: Iterable[Path]) -> list[list[str]]:
    """The arguments of every line with `onar`, those that are not run included."""
    lines = (shlex.split(line) for block in printed("bash", documents) for line in block.lines)
    others = ("pip", "#SBATCH", "docker", "sudo")
    return [line[line.index("onar") + 1 :] for line in lines if "onar" in line and line[0] not in others]


# ---------------------------------------------------------------- fixtures
@pytest.fixture(scope="module", autouse=True)
def no_network_and_nothing_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Block downloads, and cache shards in a folder of the test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("empty_torch_cache")))
        copies = tmp_path_factory.mktemp("copies")
        patch.setenv("HF_HOME", str(copies))
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", copies)
        yield


@pytest.fixture(scope="module")
def prepared(photos: Path, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files that the documentation names."""
    folder = tmp_path_factory.mktemp("documented")
    for name in ("photos", "data", "test_photos"):
        shutil.copytree(photos, folder / name)
    shutil.copytree(finished, folder / "inpainting_results")
    checkpoints = folder / "inpainting_results" / "checkpoints"
    shutil.copy(next(checkpoints.glob("step_*.pt")), checkpoints / "step_00001000.pt")
    (folder / "examples").symlink_to(REPOSITORY / "examples")
    photo = Image.open(next(photos.glob("*.jpg")))
    mask = Image.new("L", photo.size)
    mask.paste(255, (30, 20, 50, 34))
    erased = photo.copy()
    erased.putalpha(ImageOps.invert(mask))
    for place, picture in (
        ("photo.jpg", photo), ("mask.png", mask), ("erased.png", erased), ("scans/a.jpg", photo),
        ("masks/a.png", mask),
    ):  # fmt: skip
        (folder / place).parent.mkdir(exist_ok=True)
        picture.save(folder / place)
    write_annotations(folder, photo.size)
    write_shards(sorted(photos.rglob("*.jpg")), folder / "shards")
    torch.save(FlatUNet(RatioOfKnownValues, 4, 3, "last").state_dict(), folder / "snapshot.pth")
    run_onar("convert", folder / "snapshot.pth", "--output", folder / "converted.safetensors")
    run_onar("export", "--weights", finished / "generator_final.pth", "--output", folder / "model.onnx")
    return folder


def write_annotations(folder: Path, size: tuple[int, int]) -> None:
    """Write holes as COCO and labelme annotations: polygons, run lengths, a rectangle."""
    width, height = size
    triangle = [10, 10, 40, 10, 10, 30]
    runs = {"size": [height, width], "counts": [height * (width - 20), height * 10, height * 10]}
    coco = {
        "images": [{"id": 1, "file_name": "scans/a.jpg", "width": width, "height": height}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [triangle], "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 1, "segmentation": runs, "iscrowd": 1},
        ],
        "categories": [{"id": 1, "name": "hole"}],
    }
    (folder / "annotations.json").write_text(json.dumps(coco))
    corners = [[width - 20, 0], [width - 10.5, height - 1]]
    polygon = {"shape_type": "polygon", "points": [triangle[at : at + 2] for at in (0, 2, 4)]}
    shapes = [polygon, {"shape_type": "rectangle", "points": corners}]
    label = {"imageWidth": width, "imageHeight": height, "shapes": shapes}
    (folder / "scans" / "a.json").write_text(json.dumps(label))


def write_shards(photos: list[Path], folder: Path) -> None:
    folder.mkdir()
    pictures = [{"bytes": path.read_bytes(), "path": path.name} for path in photos]
    parquet.write_table(pyarrow.table({"image": pictures}), folder / "0.parquet")
    with tarfile.open(folder / "0.tar", "w") as tar:
        for path in photos:
            tar.add(path, path.name)


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `prepared` as the working directory."""
    shutil.copytree(prepared, tmp_path / "here", symlinks=True)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


# ---------------------------------------------------------------- shell
def shortened(line: list[str], number: int) -> list[str]:
    """The arguments of a line, with flags that make it short."""
    more: dict[str, object] = {}
    if line[0] == "train":
        more = {"results_dir": f"run_{number}", **ONE_STEP}
        if "bundled" in line:  # a network of its own shape
            more = {**more, "img_size": 64}
            del more["base_channels"], more["depth"]
        if "--stream" in line:  # the first hundred photos are held out, and there are ten
            more["val_data"] = "photos"
    elif line[0] in BY_STEPS:
        more = dict(BY_STEPS[line[0]])
    elif line[0] == "evaluate":
        more = {"masks": "masks"}
    missing = [(f"--{name}", str(value)) for name, value in more.items() if f"--{name}" not in line]
    return [*line, *chain.from_iterable(missing)]


SAY_WHAT_IS_STARTED = """
onar() { for word in "$@"; do printf '%s\\0' "$word"; done; printf '\\0'; env -0; }
"""


def assert_it_serves(script: str) -> None:
    """Run a shell script that ends in `onar serve` until it listens."""
    said = subprocess.run(["sh", "-ec", f"{SAY_WHAT_IS_STARTED}{script}"], capture_output=True, text=True, check=True)
    words, _, variables = said.stdout.partition("\0\0")
    environment = dict(variable.split("=", 1) for variable in variables.split("\0") if variable)
    command = ["-m", "onar", *words.split("\0"), "--port", "0"]
    with Process(*command, preloaded=SERVING, env=environment) as process:
        serving = any(line.startswith("serving at ") for line in iter(process.stdout.readline, ""))
        process.terminate()
    assert serving


@pytest.mark.process
@pytest.mark.parametrize("block", SHELL_RUN, ids=name_of)
def test_a_shell_block_runs(block: Block, folder: Path) -> None:
    lines = [line for line in block.lines if is_run(line)]
    if lines[-1].startswith("onar serve"):
        assert_it_serves("\n".join(lines))
        return
    for number, line in enumerate(lines):
        program, *arguments = shlex.split(line)
        assert program == "onar"
        words = shortened(arguments, number)
        run_onar(*words)  # in this process, which is faster
        for flag in {"--output", "--results_dir"} & set(words):
            assert (folder / words[words.index(flag) + 1]).exists()


@pytest.mark.parametrize("documents", [sorted(set(DOCUMENTS) - set(TURKISH)), TURKISH], ids=["English", "Turkish"])
def test_a_line_of_every_verb_runs_in_either_language(documents: list[Path]) -> None:
    run = {line.split()[1] for block in printed("bash", documents) for line in block.lines if line.startswith("onar ")}
    assert run == {
        "blend", "check", "colours", "complete", "convert", "evaluate", "export", "find", "finder", "init", "masks",
        "serve", "train", "weights",
    }  # fmt: skip  # and `make demo`


def test_every_line_that_starts_onar_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "config", ())  # nothing of a line that was run before
    lines = onar_lines(DOCUMENTS)
    assert len(lines) > 20
    for tokens in lines:
        if "--config" in tokens:
            place = tokens.index("--config")
            assert recipe_file(tokens[place + 1]).is_file()
            del tokens[place : place + 2]
        app.parse_args(tokens, exit_on_error=False, print_error=False)


def test_what_is_listed_as_not_run_is_in_the_documents() -> None:
    lines = [line for block in SHELL for line in block.lines]
    assert all(any(re.match(beginning, line) for line in lines) for beginning in NOT_RUN)
    assert all(any(part in block.code for block in PYTHON) for part in PYTHON_NOT_RUN)


# ---------------------------------------------------------------- Python
@pytest.fixture
def small_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set defaults for one step of a small network and one scored mask."""
    smaller = {onar.TrainConfig.__init__: {**ONE_STEP, "results_dir": Path("run")}}
    smaller |= {EvaluationConfig.__init__: {"masks": Path("masks")}}
    for function, defaults in smaller.items():
        monkeypatch.setattr(function, "__kwdefaults__", {**function.__kwdefaults__, **defaults})
    monkeypatch.setattr(onar.PConvUNet.__init__, "__defaults__", (SMALL["base_channels"], SMALL["depth"], "none", 0))


@pytest.mark.parametrize("block", PYTHON_RUN, ids=name_of)
@pytest.mark.usefixtures("small_defaults")
def test_a_python_block_runs(block: Block, folder: Path) -> None:
    exec(compile(block.code, block.documents[0].name, "exec"), {"__name__": "__main__"})
    for name in re.findall(r'save\("([^"]+)"\)|output=Path\("([^"]+)"\)', block.code):
        assert (folder / "".join(name)).exists()


@pytest.mark.parametrize("program", ["pycocotools", "labelme"])
def test_the_holes_of_annotations_become_mask_files(program: str, folder: Path) -> None:
    (block,) = (one for one in PYTHON if ("pycocotools" if program == "pycocotools" else "imageWidth") in one.code)
    (folder / "masks" / "a.png").unlink()
    exec(compile(block.code, program, "exec"), {})
    width, height = Image.open(folder / "photo.jpg").size
    hole = np.asarray(Image.open(folder / "masks" / "a.png")) == 255
    assert hole.shape == (height, width)
    assert hole[:, width - 19 : width - 11].all()
    assert not hole[:, width - 9 :].any()
    assert hole[12, 12:35].all()
    assert not hole[32:, : width - 21].any()


# ---------------------------------------------------------------- names, languages, links
def test_the_names_that_programs_import_are_kept() -> None:
    """All other names may move."""
    assert set(onar.__all__) == {
        "CompletionConfig", "Discriminator", "Inpainter", "Job", "OnarError", "Outcome", "PConvUNet",
        "PartialConv2d", "PyramidFill", "TrainConfig", "UsageError", "complete_files", "evaluate",
        "extend", "find", "random_mask", "train", "write_pairs",
    }  # fmt: skip
    from onar.checkpoint import load_generator
    from onar.masks import composite, known_from_mask
    from onar.models import GENERATORS, Discriminator, PartialConv2d, PConvUNet, PyramidFill
    from onar.settings.training import TrainConfig

    assert TrainConfig is onar.TrainConfig
    assert (Discriminator, PartialConv2d, PConvUNet) == (onar.Discriminator, onar.PartialConv2d, onar.PConvUNet)
    networks = {name: generator.network for name, generator in GENERATORS.items()}
    assert {"PConvUNet": PConvUNet, "PyramidFill": PyramidFill}.items() <= networks.items()
    assert all(callable(one) for one in (load_generator, composite, known_from_mask))


def test_python_blocks_import_public_names_alone() -> None:
    kept = {"onar", "onar.masks", "onar.checkpoint", "onar.models", "onar.settings.training"}
    imported = {module for block in PYTHON for module in re.findall(r"^(?:from|import) (onar[\w.]*)", block.code, re.M)}
    assert imported <= kept


def test_the_readmes_show_the_same() -> None:
    english, turkish = (path.read_text(encoding="utf-8") for path in READMES)
    for language in ("bash", "python"):
        shown = [[block.bare for block in printed(language, [path])] for path in READMES]
        assert shown[0] == shown[1]
    for pattern in (r"^#+ ", r"^\|", r"!\[", r"^- ", r"^```", r"`onar \w+`", r"\.\[[\w,]+\]"):
        assert len(re.findall(pattern, english, re.M)) == len(re.findall(pattern, turkish, re.M)), pattern


@pytest.mark.parametrize("document", [*DOCUMENTS, *MODEL_CARDS], ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.S)
    for address in re.findall(r"\]\(([^)\s]+)\)", text):
        if address.startswith(("http:", "https:")):
            continue
        path, _, heading = unquote(address).partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), address
        if heading:
            assert heading in headings(target), address


def test_the_pictures_of_the_page_are_those_that_the_script_takes_and_all_are_shown() -> None:
    taken = {f"page_{name}.jpg" for name in PICTURES}
    assert {path.name for path in IMAGES.glob("page_*")} == taken
    shown = "".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    assert all(f"images/{name})" in shown for name in taken)
    assert all((IMAGES / name).stat().st_size <= MAX_BYTES for name in taken)


def headings(document: Path) -> set[str]:
    """The anchors of a document's headings."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
