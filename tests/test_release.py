"""Names of the release agree, and contents of the wheel are checked."""

import ast
import re
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tests.conftest import PHOTOS, REPOSITORY
from tools.release.contents import PAGE, WEIGHTS, faults_of_wheel
from tools.release.lowest import NoLowerBound, extras_for_users, lowest_versions, write_lowest
from tools.release.pythons import conflict_in, oldest_and_newest

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [*PROJECT["dependencies"], *chain.from_iterable(EXTRAS.values())]
CITATION = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_version_is_the_same_everywhere() -> None:
    changes = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## (\d\S*)", changes, re.M)[0]  # above it may stand what is not released yet
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
    names += [f"onar/assets/weights/{name}" for name in WEIGHTS]
    names += ["onar/py.typed", "onar/assets/photos_attribution.md"]
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


def test_the_lowest_versions_are_those_that_the_project_allows(tmp_path: Path) -> None:
    file = write_lowest(tmp_path / "lowest.txt", extras_for_users())
    lowest = dict(line.split("==") for line in file.read_text(encoding="utf-8").splitlines())
    wanted = [*PROJECT["dependencies"], *(line for name in extras_for_users() for line in EXTRAS[name])]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(lowest[requirement.name])
    assert lowest.keys() == {Requirement(line).name for line in wanted}


def test_every_extra_is_for_users_or_for_developers() -> None:
    assert set(extras_for_users()) == EXTRAS.keys() - {"bench", "dev", "docs", "release"}


def test_what_is_imported_is_declared_even_where_another_package_brings_it() -> None:
    imported = set()
    for module in PHOTOS.parents[1].rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    declared = {re.sub(r"[-_.]+", "-", Requirement(line).name).lower() for line in REQUIREMENTS}
    packages = packages_distributions()
    for name in imported - set(sys.stdlib_module_names) - {"onar", "_typeshed"}:
        brought_by = {re.sub(r"[-_.]+", "-", package).lower() for package in packages.get(name, [name])}
        assert brought_by & declared, name


def test_of_several_lower_bounds_the_highest_counts() -> None:
    assert lowest_versions(["a>=1.9,<3", "b==2", "a>=1.10"]) == {"a": Version("1.10"), "b": Version("2")}


@pytest.mark.parametrize("requirement", ["a", "a<2", "a!=1.5"])
def test_a_requirement_without_a_lower_bound_is_named(requirement: str) -> None:
    with pytest.raises(NoLowerBound, match=f"{requirement} has no lower bound"):
        lowest_versions([requirement])


def test_versions_that_are_tested_are_not_below_the_bounds() -> None:
    tested = dict(re.findall(r"^([\w.-]+)==(\S+)$", (REPOSITORY / "constraints.txt").read_text(encoding="utf-8"), re.M))
    for requirement in map(Requirement, REQUIREMENTS):
        if requirement.name in tested:
            assert requirement.specifier.contains(tested[requirement.name]), requirement


def test_a_conflict_of_versions_is_one_line() -> None:
    printed = """
The conflict is caused by:
    onar 1.0.0 depends on rich>=13
    cyclopts 4.0.0 depends on rich>=13.6.0
    The user requested (constraint) rich==13

To fix this you could try to:
"""
    assert conflict_in(printed) == (
        "pip finds no versions that fit: onar 1.0.0 depends on rich>=13, cyclopts 4.0.0 depends on rich>=13.6.0, "
        "The user requested (constraint) rich==13"
    )
    assert conflict_in("Successfully installed rich-13.6.0") == ""
