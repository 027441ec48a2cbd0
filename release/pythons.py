"""The Pythons of this machine, and virtual environments made with them."""

from __future__ import annotations

import os
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from release.contents import REPOSITORY

_SAY_VERSION = "import ensurepip, sys, venv; print(*sys.version_info[:3])"
"""A Python that cannot make virtual environments with pip fails."""


class CommandFailed(Exception):
    """A command ended with another exit code than 0; says what it printed last."""


@dataclass(frozen=True)
class Python:
    """One that can make virtual environments."""

    program: Path
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"Python {'.'.join(map(str, self.version))}"


def oldest_and_newest() -> list[Python]:
    """Of the Pythons here that Onar works with: on the PATH, and those of pyenv. One when there is one.

    The shims of pyenv stand for these, and are slow.
    """
    lowest = _lowest_version()
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin"))
    found: dict[tuple[int, ...], Python] = {}
    for program in (program for folder in folders for program in sorted(folder.glob("python3.[0-9]*"))):
        minor = program.name.removeprefix("python3.")
        if minor.isdecimal() and (3, int(minor)) >= lowest and program.parent.name != "shims":
            version = _version(program)
            if version:
                found.setdefault(version, Python(program, version))
    return [found[version] for version in sorted({min(found), max(found)})] if found else []


def _lowest_version() -> tuple[int, ...]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))


def _version(program: Path) -> tuple[int, ...] | None:
    answer = subprocess.run([program, "-c", _SAY_VERSION], capture_output=True, text=True, check=False)
    return tuple(map(int, answer.stdout.split())) if answer.returncode == 0 else None


class Environment:
    """A fresh virtual environment, which sees nothing of the repository."""

    def __init__(self, python: Python, folder: Path) -> None:
        """Make it in a folder that is not there yet."""
        self.folder = folder
        run([python.program, "-m", "venv", folder], folder.parent)

    def install(self, requirement: str) -> None:
        """Install a requirement in the versions that Onar is tested with."""
        constraints = ["--constraint", REPOSITORY / "constraints.txt"]
        self.run("python", "-m", "pip", "install", "--quiet", *constraints, requirement)

    def run(self, program: str, *arguments: object) -> str:
        """Run one of its programs in the folder beside it; gives what is printed, without the last line's end."""
        return run([self.folder / "bin" / program, *arguments], self.folder.parent)


def run(command: list[object], folder: Path) -> str:
    """Run a command that knows no other packages than its own.

    Raises:
        CommandFailed: its exit code is not 0.
    """
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip()[-1000:]
        raise CommandFailed(f"exit code {done.returncode} of {' '.join(words)}: {last}")
    return done.stdout.strip()
