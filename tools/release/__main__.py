"""Build the release in `dist` and try it: python -m tools.release.

Prints a line for each check; exit code 1 if one fails.

It is tried on the oldest and the newest Python in the versions of `constraints.txt`, and on the oldest in the lowest
that pyproject.toml allows. Every environment is fresh and is deleted again. With PyTorch and its CUDA libraries one
takes 6 GB and some minutes.
"""

from __future__ import annotations

import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tools.release import client, image, trials
from tools.release.contents import PACKAGE, REPOSITORY, faults_of_sources, faults_of_wheel
from tools.release.lowest import extras_for_users, write_lowest
from tools.release.pythons import CommandFailed, Environment, Python, oldest_and_newest, run
from tools.release.trials import CheckFailed

DIST = REPOSITORY / "dist"


class Checks:
    """Runs checks, prints their results, and counts failures."""

    def __init__(self) -> None:
        self.failed = 0

    def run(self, what: str, check: Callable[[], str]) -> bool:
        """Run one check, which returns its finding in a few words."""
        start = time.monotonic()
        try:
            found = check()
        except (CheckFailed, CommandFailed) as error:
            self.failed += 1
            print(f"FAILED  {what}: {error}", flush=True)
            return False
        print(f"ok      {what}: {found} ({time.monotonic() - start:.0f} s)", flush=True)
        return True


# ---------------------------------------------------------------- the files


def build() -> str:
    """The source distribution, and the wheel from it."""
    if not (PACKAGE / "assets" / "page" / "index.html").is_file():
        raise CheckFailed("src/onar/assets/page holds no page: make page")
    for earlier in DIST.glob("onar-*"):
        earlier.unlink()
    run([sys.executable, "-m", "build", "--outdir", DIST, REPOSITORY], REPOSITORY)
    return ", ".join(f"{file.name} {file.stat().st_size / 1e6:.1f} MB" for file in sorted(DIST.glob("onar-*")))


def version_in_names() -> str:
    """Both files carry the version of pyproject.toml."""
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    names = sorted(file.name for file in DIST.glob("onar-*"))
    if names != [f"onar-{version}-py3-none-any.whl", f"onar-{version}.tar.gz"]:
        raise CheckFailed(f"dist holds {', '.join(names)}")
    return version


def no_faults(faults: list[str]) -> str:
    """Nothing is missing, and nothing forbidden is included."""
    if faults:
        raise CheckFailed(f"{'; '.join(faults[:5])} ({len(faults)} in all)")
    return "what belongs there, and nothing else"


def metadata() -> str:
    """The long description renders, and no field is wrong."""
    run([sys.executable, "-m", "twine", "check", "--strict", *DIST.glob("onar-*")], DIST)
    return "twine check passes for both"


# ---------------------------------------------------------------- the installations


def check_installation(checks: Checks, environment: Environment, python: Python) -> None:
    """Trials in the tested versions: first without PyTorch, then with it."""
    name, folder = str(python), environment.folder.parent
    if not check_base(checks, environment, name, folder, REPOSITORY / "constraints.txt"):
        return
    checks.run(f"{name}: a generated client", lambda: client.fills_a_hole(environment, python, folder))
    checks.run(f"{name}: the steps of deploy/Dockerfile", lambda: image.builds_and_serves(python, folder))
    if not checks.run(f"{name}: install the extra train", lambda: installs(environment, "[train]")):
        return
    checks.run(f"{name}: onar export --format web", lambda: trials.exports_the_page(environment, folder))
    checks.run(f"{name}: onar train", lambda: trials.trains(environment, folder))


def check_lowest(checks: Checks, environment: Environment, name: str, folder: Path) -> None:
    """Trials in the lowest versions that pyproject.toml allows: first without extras, then with all."""
    if not check_base(checks, environment, name, folder, write_lowest(folder / "lowest.txt", [])):
        return
    extras = extras_for_users()
    constraints = write_lowest(folder / "lowest_with_extras.txt", extras)
    wanted = f"[{','.join(extras)}]"
    if not checks.run(f"{name}: install {wanted}", lambda: installs(environment, wanted, constraints)):
        return
    for what, trial in trials.WITH_EXTRAS.items():
        checks.run(f"{name}: {what}", partial(trial, environment, folder))


def check_base(checks: Checks, environment: Environment, name: str, folder: Path, constraints: Path) -> bool:
    """Install the wheel without extras, and try it; returns whether it could be installed."""
    if not checks.run(f"{name}: install the wheel", lambda: installs(environment, "", constraints)):
        return False
    checks.run(f"{name}: onar --version, --help", lambda: trials.says_its_version(environment))
    for what, trial in trials.WITHOUT_EXTRAS.items():
        checks.run(f"{name}: {what}", partial(trial, environment, folder))
    return True


def installs(environment: Environment, extras: str, constraints: Path = REPOSITORY / "constraints.txt") -> str:
    """The wheel of `dist`."""
    (wheel,) = DIST.glob("*.whl")
    environment.install(f"{wheel}{extras}", constraints)
    return f"{len(environment.run('python', '-m', 'pip', 'list').splitlines()) - 2} packages"


@contextmanager
def fresh_environment(python: Python) -> Iterator[Environment]:
    """A temporary environment in its own folder."""
    with tempfile.TemporaryDirectory(prefix="onar_release_") as folder:
        yield Environment(python, Path(folder) / "environment")


def main() -> int:
    """Run all checks; returns the exit code."""
    checks = Checks()
    if not checks.run("build", build):
        return 1
    checks.run("version", version_in_names)
    checks.run("source distribution", lambda: no_faults(faults_of_sources(next(DIST.glob("*.tar.gz")))))
    checks.run("wheel", lambda: no_faults(faults_of_wheel(next(DIST.glob("*.whl")))))
    checks.run("metadata", metadata)
    pythons = oldest_and_newest()
    if len(pythons) < 2:
        print(f"There is only one Python here that can be tried: {', '.join(map(str, pythons)) or 'none'}", flush=True)
    for python in pythons:
        with fresh_environment(python) as environment:
            check_installation(checks, environment, python)
    for python in pythons[:1]:
        with fresh_environment(python) as environment:
            check_lowest(checks, environment, f"{python}, lowest versions", environment.folder.parent)
    print("The release is good." if not checks.failed else f"{checks.failed} checks failed.")
    return 1 if checks.failed or not pythons else 0


if __name__ == "__main__":
    sys.exit(main())
