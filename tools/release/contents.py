"""Required and forbidden contents of the wheel and the source distribution."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "onar"

MAX_MEGABYTES = 40
"""Maximum size of a file of the release: weights, photos and the page have 27 MB in total."""

PAGE = (
    *("index.html", "page.js", "page.css", "folder.html", "folder.js", "folder.css", "sw.js", "worker.js"),
    "uplot.js",
    *("patchmatch.wasm", "ort.wasm.gz", "ort-gpu.wasm.gz"),
)
WEIGHTS = ("onar.onnx", "texture.onnx", "finder.onnx", "MODEL_CARD.md", "FINDER_CARD.md", "credits.tsv")

_FOREIGN = re.compile(
    r"(^|/)(tests|benchmarks|node_modules|__pycache__|shared|\.git|\.venv|site|build|dist)/|\.(py[co]|map|pth|pt|tsx?)$"
)
_FOREIGN_TO_SOURCES = re.compile(r"(^|/)(node_modules|__pycache__|shared|\.git|\.venv|build|dist)/|\.(py[co]|pth|pt)$")


def faults_of_wheel(wheel: Path) -> list[str]:
    """The faults of a wheel, one line each."""
    names = zipfile.ZipFile(wheel).namelist()
    (information,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    return [
        *_missing(_wanted_in_wheel(information), names),
        *(f"does not belong in a wheel: {name}" for name in names if _FOREIGN.search(name)),
        *(
            f"neither the package nor its metadata: {name}"
            for name in names
            if not name.startswith(("onar/", information))
        ),
        *_faults_of_size(wheel),
    ]


def _wanted_in_wheel(information: str) -> list[str]:
    photos = sorted((PACKAGE / "assets" / "photos").glob("*.jpg"))
    modules = sorted(PACKAGE.rglob("*.py"))
    return [
        *(f"onar/{module.relative_to(PACKAGE).as_posix()}" for module in modules),
        "onar/py.typed",
        *(f"onar/assets/page/{name}" for name in PAGE),
        "onar/assets/page/licences/onnxruntime-web.txt",
        *(f"onar/assets/weights/{name}" for name in WEIGHTS),
        *(f"onar/assets/photos/{photo.name}" for photo in photos),
        "onar/assets/photos_attribution.md",
        f"{information}/entry_points.txt",
        f"{information}/licenses/LICENSE",
        f"{information}/licenses/src/onar/assets/photos_attribution.md",
    ]


def faults_of_sources(archive: Path) -> list[str]:
    """The faults of a source distribution, one line each."""
    with tarfile.open(archive) as tar:
        names = [member.name.split("/", 1)[-1] for member in tar.getmembers() if member.isfile()]
    wanted = ["pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "src/onar/assets/page/page.js"]
    return [
        *_missing(wanted, names),
        *(f"does not belong among the sources: {name}" for name in names if _FOREIGN_TO_SOURCES.search(name)),
        *_faults_of_size(archive),
    ]


def _missing(wanted: Iterable[str], names: Iterable[str]) -> list[str]:
    there = set(names)
    return [f"missing: {name}" for name in wanted if name not in there]


def _faults_of_size(file: Path) -> list[str]:
    megabytes = file.stat().st_size / 1e6
    return [f"{file.name} has {megabytes:.1f} MB, more than {MAX_MEGABYTES}"] if megabytes > MAX_MEGABYTES else []
