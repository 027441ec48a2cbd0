"""The steps of deploy/Dockerfile without Docker: its lines, with the folders of the image inside another folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from tools.release import trials
from tools.release.contents import REPOSITORY
from tools.release.pythons import Environment, Python, run
from tools.release.trials import CheckFailed

DOCKERFILE = REPOSITORY / "deploy" / "Dockerfile"
PREFIX = "/opt/onar"
"""The image's environment; the stage that builds it works in another folder."""

MAX_MEGABYTES, BASE_MEGABYTES = 700, 150
"""The largest image, and an upper bound of python:3.12-slim, unpacked."""


@dataclass(frozen=True)
class Instruction:
    """An instruction of a Dockerfile."""

    word: str
    text: str

    @property
    def words(self) -> list[str]:
        """The text as words: a list in JSON, or as a shell reads it."""
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)


def instructions(dockerfile: str) -> list[Instruction]:
    """The instructions of a Dockerfile in order, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", dockerfile)
    lines = (line for line in joined.splitlines() if line.strip() and not line.startswith("#"))
    return [Instruction(*line.split(maxsplit=1)) for line in lines]


def only(word: str, found: list[Instruction]) -> Instruction:
    """The instruction of a word that a Dockerfile has once."""
    (instruction,) = (each for each in found if each.word == word)
    return instruction


def health_command(found: list[Instruction]) -> list[str]:
    """The command of HEALTHCHECK."""
    text = only("HEALTHCHECK", found).text
    return Instruction("CMD", text[text.index("CMD") + 3 :].strip()).words


class _Installed(Environment):
    """An environment that the steps have made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder


def follow_steps(python: Python, root: Path) -> Environment:
    """Follow COPY and RUN of the stage that builds; `root` is the image's root."""
    found = instructions(DOCKERFILE.read_text(encoding="utf-8"))
    stage = found[: 1 + max(place for place, each in enumerate(found) if each.word == "RUN")]
    work = root / only("WORKDIR", stage).text.lstrip("/")
    work.mkdir(parents=True)
    for step in stage:
        if step.word == "COPY":
            *sources, target = step.words
            for source in sources:
                _copy(REPOSITORY / source, work / target)
        elif step.word == "RUN":
            program, *words = shlex.split(step.text.replace(PREFIX, f"{root}{PREFIX}"))
            run([python.program if program == "python" else program, *words], work)
    return _Installed(root / PREFIX.lstrip("/"))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def builds_and_serves(python: Python, folder: Path) -> str:
    """The image's steps run, it is small enough, and its command fills a hole and is healthy."""
    environment = follow_steps(python, folder / "image")
    megabytes = BASE_MEGABYTES + _megabytes(environment.folder)
    if megabytes > MAX_MEGABYTES:
        raise CheckFailed(f"the image has about {megabytes:.0f} MB, and {MAX_MEGABYTES} are allowed")
    trials.completes(environment, folder)
    found = instructions(DOCKERFILE.read_text(encoding="utf-8"))
    flags = only("CMD", found).words[1:]
    with trials.serving(environment, *flags, "--open_to_all") as url:
        port = url.rpartition(":")[2]
        program, *words = health_command(found)
        environment.run(program, *(word.replace("7860", port) for word in words))
        filled = trials.fills(f"http://127.0.0.1:{port}", environment, folder)
    return f"about {megabytes:.0f} MB with Debian and Python; {filled}"


def _megabytes(folder: Path) -> float:
    files = (Path(place) / name for place, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_size for file in files) / 1e6
