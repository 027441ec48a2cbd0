"""`onar complete` as a user runs it: time and memory by the size of photo and hole."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from benchmarks.networks import PHOTOS
from benchmarks.table import Table
from onar import PConvUNet
from onar.checkpoint import save_weights

SIZES = {"1 MP": (864, 1152), "12 MP": (3024, 4032), "24 MP": (4000, 6000)}
HOLES = {"small": 0.02, "large": 0.35}
# Linux counts the pages of the process that starts another as that one's, so a small process starts it.
LAUNCHER = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)
NOTE = (
    "A JPEG in, a PNG out, with the default generator (base 64, depth 8) in PyTorch: one process each, its start "
    "included. The hole is a rectangle in the middle whose sides are the given share of the photo's. Memory is the "
    "largest resident set of the process."
)


def measure() -> list[Table]:
    """Photo sizes × hole sizes."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        weights = folder / "generator.pth"
        torch.manual_seed(0)
        save_weights(weights, PConvUNet())
        rows = [
            [photo, f"{share:.0%}", f"{seconds:.1f}", f"{gigabytes:.2f}"]
            for photo, (height, width) in SIZES.items()
            for share in HOLES.values()
            for seconds, gigabytes in [_complete(folder, weights, height, width, share)]
        ]
    return [Table("`onar complete`", NOTE, ["photo", "hole, of each side", "seconds", "memory, GB"], rows)]


def _complete(folder: Path, weights: Path, height: int, width: int, share: float) -> tuple[float, float]:
    """Complete one photo in a process of its own; its seconds, and its memory in GB."""
    photo, mask = folder / "photo.jpg", folder / "mask.png"
    with Image.open(min(PHOTOS.glob("*.jpg"))) as picture:
        picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC).save(photo, quality=90)
    hole = np.zeros((height, width), np.uint8)
    rows, columns = (slice(round(n * (1 - share) / 2), round(n * (1 + share) / 2)) for n in (height, width))
    hole[rows, columns] = 255
    Image.fromarray(hole).save(mask)
    files = {"--mask": mask, "--output": folder / "completed.png", "--weights": weights}
    flags = [text for flag, path in files.items() for text in (flag, str(path))]
    command = [sys.executable, "-m", "onar", "complete", str(photo), *flags, "--overwrite"]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", LAUNCHER, *command], stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - started, int(done.stdout) / 2**20
