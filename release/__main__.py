"""Build the release in `dist` and try it: python -m release. Prints a line for each check; exit code 1 if one fails.

Every environment is fresh and is deleted again. With PyTorch and its CUDA libraries one takes 6 GB and some minutes.
"""

from __future__ import annotations

import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from release.contents import PACKAGE, REPOSITORY, faults_of_sources, faults_of_wheel
from release.pythons import CommandFailed, Environment, oldest_and_newest, run

DIST = REPOSITORY / "dist"
SMALL = "--img_size 32 --batch_size 2 --num_workers 0 --base_channels 4 --depth 3 --discriminator_channels 4"
ONE_STEP = f"{SMALL} --max_steps 1 --epochs 1 --lambda_content 0 --device cpu".split()
"""Flags of a training of one step. Without the content loss, whose network's weights would be downloaded."""


class CheckFailed(Exception):
    """What is wrong, in one line."""


class Checks:
    """Runs checks, says how each went, and counts those that failed."""

    def __init__(self) -> None:
        self.failed = 0

    def run(self, what: str, check: Callable[[], str]) -> bool:
        """Run one, which says in a word or two what it found."""
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
    """Nothing is missing, nothing too many."""
    if faults:
        raise CheckFailed(f"{'; '.join(faults[:5])} ({len(faults)} in all)")
    return "what belongs there, and nothing else"


def metadata() -> str:
    """The long description renders, and no field is wrong."""
    run([sys.executable, "-m", "twine", "check", "--strict", *DIST.glob("onar-*")], DIST)
    return "twine check passes for both"


# ---------------------------------------------------------------- an installation


def says_its_version(environment: Environment) -> str:
    """`onar --version` and `onar --help`, of the wheel and not of the repository."""
    place = environment.run("python", "-c", "import onar; print(onar.__file__)")
    if not Path(place).is_relative_to(environment.folder):
        raise CheckFailed(f"onar comes from {place}")
    if "complete" not in environment.run("onar", "--help"):
        raise CheckFailed("onar --help does not name the verbs")
    return environment.run("onar", "--version")


def completes(environment: Environment, folder: Path) -> str:
    """A bundled photo with a drawn mask: known pixels bit-identical, the hole filled."""
    photos = environment.run("python", "-c", "from onar.bundled import bundled_photos; print(bundled_photos())")
    photo = Path(photos) / "skimage_coffee.jpg"
    width, height = Image.open(photo).size
    size_and_holes = ["--img_size", f"{height}x{width}", "--hole_ratio", 0.05, 0.2]
    environment.run("onar", "masks", "--output", folder / "masks", "--count", 1, *size_and_holes)
    mask, result = folder / "masks" / "mask_0000.png", folder / "completed.png"
    environment.run("onar", "complete", photo, "--mask", mask, "--output", result)
    hole = np.asarray(Image.open(mask)) >= 128
    before, after = (np.asarray(Image.open(file).convert("RGB")) for file in (photo, result))
    if not np.array_equal(before[~hole], after[~hole]):
        raise CheckFailed("known pixels have changed")
    changed = (before[hole] != after[hole]).any(axis=1).mean()
    if changed < 0.9:
        raise CheckFailed(f"of the hole, only {changed:.0%} of the pixels were filled")
    return f"{hole.mean():.0%} of {photo.name} filled, known pixels bit-identical"


def exports_the_page(environment: Environment, folder: Path) -> str:
    """`onar export --format web`."""
    site = folder / "site"
    environment.run("onar", "export", "--weights", "bundled", "--format", "web", "--output", site)
    missing = [name for name in ("index.html", "onar.json", "generator-*.onnx.gz") if not any(site.glob(name))]
    if missing:
        raise CheckFailed(f"the folder lacks {', '.join(missing)}")
    return f"{sum(file.stat().st_size for file in site.rglob('*') if file.is_file()) / 1e6:.1f} MB"


def trains(environment: Environment, folder: Path) -> str:
    """One step of a tiny network on the bundled photos, and its weights complete a photo."""
    photos = environment.run("python", "-c", "from onar.bundled import bundled_photos; print(bundled_photos())")
    environment.run("onar", "train", "--data", photos, "--results_dir", folder / "run", *ONE_STEP)
    weights, result = folder / "run" / "generator_final.pth", folder / "trained.png"
    environment.run(
        "onar", "complete", Path(photos) / "skimage_coffee.jpg", "--mask", folder / "masks" / "mask_0000.png",
        "--output", result, "--weights", weights,
    )  # fmt: skip
    torch = environment.run("python", "-c", "import torch; print(torch.__version__)")
    return f"one step with PyTorch {torch}; its weights complete a photo"


def check_installation(checks: Checks, environment: Environment, name: str, folder: Path) -> None:
    """All that is tried in an environment: without PyTorch first, then with it."""
    (wheel,) = DIST.glob("*.whl")

    def install(extra: str) -> str:
        environment.install(f"{wheel}{extra}")
        return f"{len(environment.run('python', '-m', 'pip', 'list').splitlines()) - 2} packages"

    if not checks.run(f"{name}: install the wheel", lambda: install("")):
        return
    checks.run(f"{name}: onar --version, --help", lambda: says_its_version(environment))
    checks.run(f"{name}: onar complete", lambda: completes(environment, folder))
    if not checks.run(f"{name}: install the extra train", lambda: install("[train]")):
        return
    checks.run(f"{name}: onar export --format web", lambda: exports_the_page(environment, folder))
    checks.run(f"{name}: onar train", lambda: trains(environment, folder))


def main() -> int:
    """Run all checks; gives the exit code."""
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
        with tempfile.TemporaryDirectory(prefix="onar_release_") as folder:
            environment = Environment(python, Path(folder) / "environment")
            check_installation(checks, environment, str(python), Path(folder))
    print("The release is good." if not checks.failed else f"{checks.failed} checks failed.")
    return 1 if checks.failed or not pythons else 0


if __name__ == "__main__":
    sys.exit(main())
