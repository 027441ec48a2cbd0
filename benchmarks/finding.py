"""Finding damage of kinds that no training drew: precision, recall and F1, clean photos, repairs.

python -m benchmarks.finding --data FOLDER_OR_LIST [--clean FOLDER_OR_LIST] [--weights finder.onnx] [--count 100]
                             [--repairs 100]

The photos must be none that the network was trained on, and undamaged.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.completing import LAUNCHER, REPEATS
from benchmarks.networks import PHOTOS
from benchmarks.table import Table
from onar import Inpainter
from onar.data.damage.ageing import age, scan
from onar.data.damage.drawing import draw_damage
from onar.data.damage.kinds import CHANNELS, DUST, RESERVED, SCRATCHES, DamageKind
from onar.data.photo_sets import Photos, open_photos
from onar.finding.config import FindOptions
from onar.finding.damage import DamageNetwork
from onar.imaging.images import open_photo
from onar.masks.holes import near
from onar.metrics.finding import Found, count_found, hat_response
from onar.metrics.learned_distances import st_lpips

Photo = NDArray[np.uint8]
Marks = NDArray[np.bool_]
Find = Callable[[Photo], Marks]
"""A photo to marks, 2×H×W."""
MAX_SIDE = 1200
HAT_LEVELS = range(6, 150, 6)
GROWTH = 2  # pixels by which marks grow before they are filled
CLEAN_LIMIT = 0.002
SETS: Mapping[str, Sequence[int]] = {"scratches": (SCRATCHES,), "dust": (DUST,), "both": (SCRATCHES, DUST)}
NOTE = (
    "Kinds of damage that no training drew, on photos that none saw, aged before and scanned (blur, grain, JPEG) "
    "after; pixels of all photos together, at a tolerance of 2 pixels. The hats are the larger of black-hat and "
    "top-hat with the threshold that is best for this very row; marking nothing has an F1 of 0."
)
REPAIR_NOTE = (
    f"Marks of both channels, grown by {GROWTH} pixels, filled by the bundled weights, against the same scan without "
    "damage; PSNR in marked places is that of the damaged pixels and the marked ones. The hats have the threshold "
    "that is best for finding."
)


@dataclass(frozen=True)
class Sample:
    """A scan with damage, the same scan without it, and the truth."""

    photo: Photo
    undamaged: Photo
    truth: Marks  # 2×H×W


def read(photos: Photos, count: int) -> list[Photo]:
    """The first photos, the longest side at most `MAX_SIDE`."""
    read = []
    for index in range(min(count, len(photos))):
        with open_photo(photos[index]) as file:
            scale = min(1.0, MAX_SIDE / max(file.height, file.width))
            size = round(scale * file.height), round(scale * file.width)
            read.append(file.read_crop((0, 0, file.width, file.height), *size))
    return read


def draw_samples(photos: Sequence[Photo], kinds: Mapping[str, DamageKind], seed: int) -> Iterator[Sample]:
    """Each photo with damage of those kinds."""
    for number, photo in enumerate(photos):
        rng = np.random.default_rng((seed, number))
        aged = age(photo, rng)
        damaged, truth = draw_damage(aged, rng, kinds)
        both = (scan(one, np.random.default_rng((seed, number, 1))) for one in (damaged, aged))
        yield Sample(*both, truth)


def kinds_of(channels: Sequence[int]) -> dict[str, DamageKind]:
    """The reserved kinds of some channels."""
    return {name: kind for name, kind in RESERVED.items() if kind.channel in channels}


def score(find: Find, samples: Sequence[Sample], channels: Sequence[int]) -> Found:
    """Pixels found of some channels in all samples."""
    both = ((find(one.photo)[list(channels)].any(0), one.truth[list(channels)].any(0)) for one in samples)
    return sum((count_found(marked, truth) for marked, truth in both), Found())


def hats_over(level: int, photo: Photo) -> Marks:
    """The baseline's marks, as both channels."""
    return np.stack([hat_response(photo) >= level] * len(CHANNELS))


def best_hats(samples: Sequence[Sample], channels: Sequence[int]) -> tuple[int, Found]:
    """The threshold that is best for these samples, and what it finds."""
    scored = [(level, score(partial(hats_over, level), samples, channels)) for level in HAT_LEVELS]
    return max(scored, key=lambda one: one[1].f1)


def finding_table(find: Find, photos: Sequence[Photo]) -> Table:
    """Precision, recall and F1, and misses and false marks beside those of the hats."""
    rows = []
    for name, channels in SETS.items():
        samples = list(draw_samples(photos, kinds_of(channels), seed=1))
        ours = score(find, samples, channels)
        level, theirs = best_hats(samples, channels)
        rows += [_row(f"{name}: onar", ours, theirs), _row(f"{name}: hats over {level}", theirs, theirs)]
    header = ["damage and method", "precision", "recall", "F1", "misses against hats", "false marks against hats"]
    return Table("Finding", NOTE, header, rows)


def _row(name: str, one: Found, other: Found) -> list[str]:
    misses = (one.true - one.hit) / max(1, other.true - other.hit)
    false = (one.marked - one.right) / max(1, other.marked - other.right)
    return [name, *(f"{value:.3f}" for value in (one.precision, one.recall, one.f1)), f"{misses:.2f}", f"{false:.2f}"]


def clean_table(find: Find, photos: Sequence[Photo]) -> Table:
    """The share of pixels that are marked in photos without damage."""
    rows = []
    for name, changed in {"as they are": photos, "aged and scanned": [*undamaged_scans(photos)]}.items():
        shares = np.array([find(photo).any(0).mean() for photo in changed])
        texts = f"{np.mean(shares <= CLEAN_LIMIT):.0%}", f"{np.quantile(shares, 0.9):.3%}", f"{np.median(shares):.3%}"
        rows.append([name, str(len(shares)), *texts])
    header = ["photos", "count", f"at most {CLEAN_LIMIT:.1%} marked", "90th percentile", "median"]
    return Table("Clean photos", "Both channels together, before growing.", header, rows)


def undamaged_scans(photos: Sequence[Photo]) -> Iterator[Photo]:
    """Each photo aged and scanned."""
    for number, photo in enumerate(photos):
        rng = np.random.default_rng((2, number))
        yield scan(age(photo, rng), rng)


def repair_table(find: Find, photos: Sequence[Photo]) -> Table:
    """How near repaired photos are to the undamaged ones."""
    samples = list(draw_samples(photos, RESERVED, seed=3))
    level, _ = best_hats(samples, SETS["both"])
    distance, inpainter = st_lpips(), Inpainter.load()
    rows = []
    methods = {"onar": find, f"hats over {level}": partial(hats_over, level)}
    for name, method in methods.items():
        figures = np.array([_repair_figures(method, inpainter, distance, sample) for sample in samples])
        nearer, gain, before, after, lp_before, lp_after = figures.T
        rows.append(
            [
                name,
                f"{nearer.mean():.0%}",
                f"{np.median(gain):.1f}",
                f"{np.mean(gain >= 6):.0%}",
                f"{before.mean():.2f}",
                f"{after.mean():.2f}",
                f"{lp_before.mean():.4f}",
                f"{lp_after.mean():.4f}",
            ]
        )
    header = [
        "method",
        "nearer",
        "gain in marked places, dB, median",
        "6 dB or more",
        "PSNR damaged",
        "PSNR repaired",
        "ST-LPIPS damaged",
        "ST-LPIPS repaired",
    ]
    return Table("Repair", REPAIR_NOTE, header, rows)


def repair(find: Find, inpainter: Inpainter, photo: Photo) -> tuple[Photo, Marks]:
    """A photo with its marks filled, and them, H×W."""
    marks = near(find(photo).any(0), GROWTH)
    return inpainter(photo, marks), marks


def _repair_figures(find: Find, inpainter: Inpainter, distance: torch.nn.Module, one: Sample) -> list[float]:
    """Whether it is nearer, gain in marked places in dB, and PSNR and ST-LPIPS of the damaged and the repaired."""
    repaired, marks = repair(find, inpainter, one.photo)
    places = marks | one.truth.any(0)
    errors = [((picture.astype(float) - one.undamaged) ** 2).mean(-1) for picture in (one.photo, repaired)]
    before, after = (float(error.mean()) for error in errors)
    inside = [float(error[places].mean()) if places.any() else 0.0 for error in errors]
    gain = 10 * np.log10((inside[0] + 0.1) / (inside[1] + 0.1))
    damaged, filled, true = (_tensor(picture) for picture in (one.photo, repaired, one.undamaged))
    learned = float(distance(damaged, true)), float(distance(filled, true))
    return [float(after < before), gain, _psnr(before), _psnr(after), *learned]


def _tensor(photo: Photo) -> torch.Tensor:
    return torch.from_numpy(photo.copy()).permute(2, 0, 1)[None] / 255


def _psnr(error: float) -> float:
    return float(10 * np.log10(255**2 / max(error, 1e-3)))


def cost_table() -> Table:
    """Seconds and memory of `onar find` on a photo of 12 megapixels."""
    with TemporaryDirectory() as name:
        photo = Path(name) / "photo.jpg"
        with Image.open(min(PHOTOS.glob("*.jpg"))) as picture:
            picture.convert("RGB").resize((4032, 3024), Image.Resampling.BICUBIC).save(photo, quality=90)
        find = ["find", str(photo), "--what", "scratches,dust", "--output", str(photo.with_name("mask.png"))]
        command = [
            sys.executable,
            "-c",
            LAUNCHER,
            sys.executable,
            "-m",
            "onar",
            *find,
            "--max_share",
            "1",
            "--overwrite",
        ]
        runs = [_run(command) for _ in range(REPEATS)]
    seconds, gigabytes = (median(one) for one in zip(*runs, strict=True))
    note = (
        "`onar find` from JPEG to PNG, its start included; median of three, and the peak resident set of the process."
    )
    return Table("12 MP", note, ["seconds", "memory, GB"], [[f"{seconds:.1f}", f"{gigabytes:.2f}"]])


def _run(command: list[str]) -> tuple[float, float]:
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - started, int(done.stdout.split()[-1]) / 2**20


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.finding", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clean", type=Path)
    parser.add_argument("--weights", type=Path, default=Path("src/onar/assets/weights/finder.onnx"))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--repairs", type=int, default=100, help="photos to repair, which takes most of the time")
    given = parser.parse_args()
    network = DamageNetwork(given.weights, CHANNELS)
    photos = read(open_photos(given.data), given.count)
    clean = read(open_photos(given.clean), given.count) if given.clean else photos

    def find(photo: Photo) -> Marks:
        return network.find(photo, None, FindOptions.sensitivity)

    print(finding_table(find, photos), flush=True)
    print(clean_table(find, clean), flush=True)
    print(repair_table(find, photos[: given.repairs]), flush=True)
    print(cost_table())


if __name__ == "__main__":
    main()
