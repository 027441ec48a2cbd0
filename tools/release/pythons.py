"""The Pythons of this machine, and virtual environments made with them."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

from tools.release.contents import REPOSITORY

_SAY_VERSION = "import ensurepip, sys, venv; print(*sys.version_info[:3])"
"""Prints the version; fails without venv and pip."""

TIMEOUT_MINUTES = 30
"""Timeout of one command: pip may try hundreds of large files before it reports a conflict."""


class CommandFailed(Exception):
    """A command failed; the message has its last output."""


@dataclass(frozen=True)
class Python:
    """A Python that can create virtual environments."""

    program: Path
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"Python {'.'.join(map(str, self.version))}"


def oldest_and_newest() -> list[Python]:
    """The oldest and the newest supported Python on the PATH and of pyenv; one if there is only one.

    The shims of pyenv are skipped: they are slow duplicates.
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
    """A fresh virtual environment, isolated from the repository."""

    def __init__(self, python: Python, folder: Path) -> None:
        """Create it in a new folder."""
        self.folder = folder
        run([python.program, "-m", "venv", folder], folder.parent)

    def install(self, requirement: str, constraints: Path = REPOSITORY / "constraints.txt") -> None:
        """Install a requirement, by default in the versions that Onar is tested with."""
        self.run("python", "-m", "pip", "install", "--constraint", constraints, requirement)

    def run(self, program: str, *arguments: object) -> str:
        """Run one of its programs in the folder beside it; returns the output, stripped."""
        return run([self.folder / "bin" / program, *arguments], self.folder.parent)

    @contextmanager
    def started(self, program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
        """Start one of its programs, to read its output while it runs; it ends after the block or the timeout."""
        folder = self.folder.parent
        words = [str(word) for word in (self.folder / "bin" / program, *arguments)]
        with subprocess.Popen(
            words, cwd=folder, env=_surroundings(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            end = Timer(60 * TIMEOUT_MINUTES, process.kill)
            end.start()
            try:
                yield process
            finally:
                end.cancel()
                process.terminate()


def run(command: list[object], folder: Path) -> str:
    """Run a command isolated from other packages, which writes only to the folder; raises `CommandFailed`."""
    words = [str(word) for word in command]
    try:
        options = {"cwd": folder, "env": _surroundings(folder), "timeout": 60 * TIMEOUT_MINUTES}
        done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"{' '.join(words)} did not end in {TIMEOUT_MINUTES} minutes") from None
    if done.returncode:
        conflict = conflict_in(done.stdout)
        last = (done.stderr or done.stdout).strip()[-1000:]
        raise CommandFailed(conflict or f"exit code {done.returncode} of {' '.join(words)}: {last}")
    return done.stdout.strip()


def conflict_in(printed: str) -> str:
    """The conflicting requirements in the output of pip, in one line; empty if there are none."""
    lines = re.findall(r"^ +((?:.*\S depends on |The user requested ).*)$", printed, re.M)
    return f"pip finds no versions that fit: {', '.join(dict.fromkeys(lines))}" if lines else ""


def _surroundings(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return kept | {"HF_HOME": str(folder / "hugging_face"), "WANDB_MODE": "offline"}
