"""Trials of Onar in an environment. Each returns its finding in a few words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tools.release.pythons import Environment

SMALL = "--img_size 32 --batch_size 2 --num_workers 0 --base_channels 4 --depth 3 --discriminator_channels 4"
ONE_STEP = f"{SMALL} --max_steps 1 --epochs 1 --lambda_content 0 --device cpu".split()
"""Flags of a training of one step. Without the content loss, whose network's weights would be downloaded."""

WRITE_HEIC = """
import sys
import pillow_heif
from PIL import Image
pillow_heif.register_heif_opener()
Image.open(sys.argv[1]).save(sys.argv[2])
"""
WRITE_PARQUET = """
import sys
import datasets
datasets.load_dataset("imagefolder", data_dir=sys.argv[1], split="train").to_parquet(sys.argv[2])
"""

PHOTO = "skimage_coffee.jpg"
COUNT = 4
"""Photos in a small folder."""


class CheckFailed(Exception):
    """A trial failed; the message is the reason, in one line."""


# ---------------------------------------------------------------- without an extra


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
    photo = bundled_photos(environment) / PHOTO
    width, height = Image.open(photo).size
    size_and_holes = ["--img_size", f"{height}x{width}", "--hole_ratio", 0.05, 0.2]
    environment.run("onar", "masks", "--output", folder / "masks", "--count", 1, *size_and_holes)
    complete(environment, folder, "completed.png")
    filled = check_fill(np.asarray(Image.open(photo).convert("RGB")), folder / "completed.png", folder)
    return f"{filled} of {PHOTO} filled, known pixels bit-identical"


@contextmanager
def serving(environment: Environment, *flags: object) -> Iterator[str]:
    """The address of `onar serve` on a free port; afterwards it must end silently."""
    with environment.started("onar", "serve", "--port", 0, *flags) as process:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if found := re.search(r"serving at (\S+)", line):
                break
        else:
            raise CheckFailed(f"the server did not start: {' '.join(printed).strip()[-500:]}")
        yield found[1]
        process.terminate()
        said = process.stdout.read()
    if said:
        raise CheckFailed(f"the server says: {said.strip()[-500:]}")


def serves(environment: Environment, folder: Path) -> str:
    """`onar serve` starts, and fills the hole of a photo that is uploaded."""
    with serving(environment) as url:
        return fills(url, environment, folder)


def fills(url: str, environment: Environment, folder: Path) -> str:
    """A server at an address fills the hole of a photo that is uploaded."""
    photo = bundled_photos(environment) / PHOTO
    files = {"photo": photo.read_bytes(), "mask": mask_in(folder).read_bytes()}
    answer = httpx.post(f"{url}/api/complete", files=files, data={"format": "png"}, timeout=600)
    if answer.status_code != 200:
        raise CheckFailed(f"answer {answer.status_code} {answer.text[:200]}")
    (folder / "served.png").write_bytes(answer.content)
    filled = check_fill(np.asarray(Image.open(photo).convert("RGB")), folder / "served.png", folder)
    return f"{filled} of {PHOTO} filled over HTTP"


def evaluates(environment: Environment, folder: Path) -> str:
    """`onar evaluate` scores the weights that come with Onar."""
    return f"{report(environment, folder, 'report.json')['psnr']:.1f} dB"


# ---------------------------------------------------------------- with extras


def exports_the_page(environment: Environment, folder: Path) -> str:
    """`onar export --format web`."""
    site = folder / "site"
    environment.run("onar", "export", "--weights", "bundled", "--format", "web", "--output", site)
    missing = [name for name in ("index.html", "onar.json", "generator-*.onnx.gz") if not any(site.glob(name))]
    if missing:
        raise CheckFailed(f"the folder lacks {', '.join(missing)}")
    return f"{sum(file.stat().st_size for file in site.rglob('*') if file.is_file()) / 1e6:.1f} MB"


def trains(environment: Environment, folder: Path, *flags: object) -> str:
    """One step of a tiny network on the bundled photos, and its weights complete a photo."""
    photos = bundled_photos(environment)
    environment.run("onar", "train", "--data", photos, "--results_dir", folder / "run", *ONE_STEP, *flags)
    complete(environment, folder, "trained.png", "--weights", folder / "run" / "generator_final.pth")
    torch = environment.run("python", "-c", "import torch; print(torch.__version__)")
    return f"one step with PyTorch {torch}; its weights complete a photo"


def trains_with_curves(environment: Environment, folder: Path) -> str:
    """A training that validates, and writes what TensorBoard reads."""
    found = trains(environment, folder, "--val_data", small_photos(environment, folder), "--track", "tensorboard")
    if not list((folder / "run").rglob("events.out.tfevents.*")):
        raise CheckFailed("the run holds no events for TensorBoard")
    return f"{found}; events for TensorBoard"


def reports(environment: Environment, folder: Path) -> str:
    """`onar evaluate` writes its page, and measures the learned distance whose weights come with the extra offline."""
    scores = report(environment, folder, "page.json", "--baselines")
    if scores["st_lpips"] is None or not (folder / "page.html").is_file():
        raise CheckFailed("ST-LPIPS is not measured, or there is no page")
    return f"ST-LPIPS {scores['st_lpips']:.3f}, and a page"


def exports_int8(environment: Environment, folder: Path) -> str:
    """`onar export --int8` of the trained network; the file completes a photo."""
    file, photos = folder / "tiny.onnx", bundled_photos(environment)
    flags = ["--weights", folder / "run" / "generator_final.pth", "--int8", "--calibration", photos]
    environment.run("onar", "export", "--output", file, *flags)
    complete(environment, folder, "int8.png", "--weights", file)
    return f"{file.name} {file.stat().st_size / 1e3:.0f} kB, which completes a photo"


def reads_heic(environment: Environment, folder: Path) -> str:
    """A HEIC file is completed."""
    file = folder / "photo.heic"
    environment.run("python", "-c", WRITE_HEIC, bundled_photos(environment) / PHOTO, file)
    environment.run("onar", "complete", file, "--mask", mask_in(folder), "--output", folder / "heic.png")
    return "a HEIC photo is completed"


def streams(environment: Environment, folder: Path) -> str:
    """A training on a stream from Parquet, which Weights & Biases follows without a network."""
    environment.run("python", "-c", WRITE_PARQUET, small_photos(environment, folder), folder / "photos.parquet")
    source = ["--data", f"hf:parquet:{folder / 'photos.parquet'}", "--stream", "--photos_per_epoch", 4]
    environment.run("onar", "train", *source, "--results_dir", folder / "streamed", *ONE_STEP, "--track", "wandb")
    return "one step on a stream from Parquet"


def works_on_ray(environment: Environment, folder: Path) -> str:
    """`onar complete --engine ray`."""
    photos, completed = small_photos(environment, folder), folder / "by_ray"
    flags = ["--output", completed, "--engine", "ray", "--ray_workers", 1]
    environment.run("onar", "complete", photos, "--mask", mask_in(folder), *flags)
    count = len(list(completed.glob("*.*")))
    if count != COUNT:
        raise CheckFailed(f"of {COUNT} photos, {count} were completed")
    return f"{count} photos completed"


Trial = Callable[[Environment, Path], str]

WITHOUT_EXTRAS: dict[str, Trial] = {"onar complete": completes, "onar serve": serves, "onar evaluate": evaluates}
WITH_EXTRAS: dict[str, Trial] = {
    "onar train": trains_with_curves,
    "onar train, streamed": streams,
    "onar evaluate, page": reports,
    "onar export --format web": exports_the_page,
    "onar export --int8": exports_int8,
    "onar complete, HEIC": reads_heic,
    "onar complete --engine ray": works_on_ray,
}
"""In this order: later trials use files of earlier ones."""


# ---------------------------------------------------------------- shared by trials


def bundled_photos(environment: Environment) -> Path:
    """The folder of the photos that come with Onar."""
    return Path(
        environment.run("python", "-c", "from onar.weights.bundled import bundled_photos; print(bundled_photos())")
    )


def small_photos(environment: Environment, folder: Path) -> Path:
    """Some of them in a separate folder, each with the size of PHOTO."""
    small, photos = folder / "photos", bundled_photos(environment)
    if not small.is_dir():
        small.mkdir()
        for photo in sorted(photos.glob("*.jpg"))[:COUNT]:
            Image.open(photo).resize(Image.open(photos / PHOTO).size).save(small / photo.name)
    return small


def mask_in(folder: Path) -> Path:
    """The mask that `completes` has drawn, of the size of PHOTO."""
    return folder / "masks" / "mask_0000.png"


def complete(environment: Environment, folder: Path, name: str, *flags: object) -> None:
    """`onar complete` of PHOTO into a file of this name."""
    photo = bundled_photos(environment) / PHOTO
    environment.run("onar", "complete", photo, "--mask", mask_in(folder), "--output", folder / name, *flags)


def check_fill(before: NDArray[np.uint8], result: Path, folder: Path) -> str:
    """The share of the photo that was filled; checks that it is the hole and nothing else."""
    hole, after = np.asarray(Image.open(mask_in(folder))) >= 128, np.asarray(Image.open(result).convert("RGB"))
    if not np.array_equal(before[~hole], after[~hole]):
        raise CheckFailed("known pixels have changed")
    changed = (before[hole] != after[hole]).any(axis=1).mean()
    if changed < 0.9:
        raise CheckFailed(f"of the hole, only {changed:.0%} of the pixels were filled")
    return f"{hole.mean():.0%}"


def report(environment: Environment, folder: Path, name: str, *flags: object) -> dict[str, float | None]:
    """The mean scores of the weights that come with Onar on one photo."""
    small = ["--count", 1, "--img_size", 64, "--masks_per_range", 1]
    photos, file = bundled_photos(environment), folder / name
    environment.run("onar", "evaluate", "--data", photos, *small, "--output", file, *flags)
    scores: dict[str, float | None] = json.loads(file.read_text(encoding="utf-8"))["overall"]["scores"]["onar"]
    return scores
