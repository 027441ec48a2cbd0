"""The lowest versions that pyproject.toml allows, as constraints for pip."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from tools.release.contents import REPOSITORY

_FOR_DEVELOPERS = ("bench", "dev", "docs", "release")


class NoLowerBound(Exception):
    """A requirement has no lower bound."""


def extras_for_users() -> list[str]:
    """The extras for users."""
    return [extra for extra in _project()["optional-dependencies"] if extra not in _FOR_DEVELOPERS]


def write_lowest(file: Path, extras: Sequence[str]) -> Path:
    """Write the lower bounds of all requirements of Onar and these extras, one per line.

    pip then installs exactly these, or says which of them cannot be: a bound that names no release, or one below what
    another package needs. uv's `lowest-direct` would take the next version that fits, and the bound would stay wrong.
    """
    project = _project()
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    file.write_text("".join(f"{name}=={bound}\n" for name, bound in lowest_versions(lines).items()), encoding="utf-8")
    return file


def lowest_versions(requirements: Iterable[str]) -> dict[str, Version]:
    """The lower bound of each package, the highest of several; raises `NoLowerBound` for one without."""
    found: dict[str, Version] = {}
    for requirement in map(Requirement, requirements):
        bounds = [Version(part.version) for part in requirement.specifier if part.operator in ("==", ">=", "~=")]
        if not bounds:
            raise NoLowerBound(f"{requirement} has no lower bound in pyproject.toml")
        earlier = [found[requirement.name]] if requirement.name in found else []
        found[requirement.name] = max(bounds + earlier)
    return found


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project
