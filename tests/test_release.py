"""What names the release agrees, and what the wheel holds is looked at."""

import re
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from release.contents import PAGE, WEIGHTS, faults_of_wheel
from release.pythons import oldest_and_newest
from tests.conftest import PHOTOS, REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_version_is_the_same_everywhere() -> None:
    changes = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = next(name for name in re.findall(r"^## (\S+)", changes, re.M) if name != "Unreleased")
    assert PROJECT["version"] == CITATION["version"] == newest


def test_the_papers_to_cite_are_those_of_the_readme() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    cited = re.findall(r"^- .*?\*(.*?)\.?\*", readme.split("## Acknowledgements")[1], re.M)
    assert len(cited) >= 4
    assert set(cited) <= {reference["title"] for reference in CITATION["references"]}


def test_the_templates_of_issues_have_what_the_host_asks_for() -> None:
    templates = [path for path in (REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    assert len(templates) == 3
    for path in templates:
        template = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= template.keys()
        assert "Türkçe" in template["description"]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """An empty file of each name that a wheel must have."""
    names = [f"onar/{path.relative_to(PHOTOS.parents[1]).as_posix()}" for path in PHOTOS.parents[1].rglob("*.py")]
    names += [f"onar/assets/photos/{path.name}" for path in PHOTOS.glob("*.jpg")]
    names += [f"onar/assets/page/{name}" for name in (*PAGE, "licences/onnxruntime-web.txt")]
    names += [f"onar/assets/weights/{name}" for name in WEIGHTS] + [
        "onar/py.typed",
        "onar/assets/photos_attribution.md",
    ]
    kept = ("entry_points.txt", "licenses/LICENSE", "licenses/src/onar/assets/photos_attribution.md")
    names += [f"onar-1.0.0.dist-info/{name}" for name in kept]
    path = tmp_path / "onar-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return path


def test_a_wheel_with_all_that_it_must_hold_has_no_fault(wheel: Path) -> None:
    assert faults_of_wheel(wheel) == []


@pytest.mark.parametrize(
    "name",
    ["tests/test_words.py", "onar/assets/page/node_modules/a.js", "onar/assets/page/page.js.map", "benchmark.py"],
)
def test_what_does_not_belong_in_a_wheel_is_a_fault(wheel: Path, name: str) -> None:
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(name, "")
    assert all(name in fault for fault in faults_of_wheel(wheel))
    assert faults_of_wheel(wheel)


def test_the_pythons_that_are_tried_can_run_onar() -> None:
    pythons = oldest_and_newest()
    assert 1 <= len(pythons) <= 2
    assert [python.version for python in pythons] == sorted({python.version for python in pythons})
    assert pythons[0].version >= (3, 11)
