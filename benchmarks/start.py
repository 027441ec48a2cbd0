"""Cost of a start of `onar complete`: a small hole in a small photo, with and without the cache of graphs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.networks import PHOTOS
from benchmarks.table import Table
from onar.inference.session_cache import OFF, VARIABLE

HEIGHT, WIDTH, SIDE = 864, 1152, 60
REPEATS = 5
# A small process starts it: Linux counts the pages of the parent in the peak of its child.
LAUNCHER = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
    "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
    "print(used.ru_utime + used.ru_stime, used.ru_maxrss)"
)
NOTE = (
    "A hole of 60 x 60 pixels in a JPEG of 1 megapixel, one process each, in turns; medians of five. Seconds are of "
    "all CPUs. The first start after an installation fills the cache of graphs, which the next ones read."
)


def measure() -> list[Table]:
    """Starts with an empty cache, a filled one, and none, and the command without work."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        complete = ["complete", *_files(folder), "--overwrite", "--device", "cpu"]
        measured: dict[str, list[tuple[float, float]]] = {}
        for repeat in range(REPEATS):
            cache = str(folder / f"cache{repeat}")
            starts = {"first": (complete, cache), "next": (complete, cache), "no cache": (complete, OFF)}
            for start, (arguments, place) in (starts | {"--version": (["--version"], OFF)}).items():
                measured.setdefault(start, []).append(_run(arguments, place))
    rows = [
        [start, f"{median(seconds for seconds, _ in runs):.2f}", f"{median(size for _, size in runs):.0f}"]
        for start, runs in measured.items()
    ]
    return [Table("Start", NOTE, ["start", "CPU seconds", "memory, MB"], rows)]


def _files(folder: Path) -> list[str]:
    """A photo and a mask, as arguments."""
    photo, mask = folder / "photo.jpg", folder / "mask.png"
    with Image.open(min(PHOTOS.glob("*.jpg"))) as picture:
        picture.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(photo, quality=90)
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    hole[(HEIGHT - SIDE) // 2 : (HEIGHT + SIDE) // 2, (WIDTH - SIDE) // 2 : (WIDTH + SIDE) // 2] = 255
    Image.fromarray(hole).save(mask)
    return [str(photo), "--mask", str(mask), "--output", str(folder / "completed.jpg")]


def _run(arguments: list[str], cache: str) -> tuple[float, float]:
    """CPU seconds and MB of one `onar` process."""
    command = [sys.executable, "-c", LAUNCHER, sys.executable, "-m", "onar", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | {VARIABLE: cache})
    seconds, kilobytes = done.stdout.split()
    return float(seconds), int(kilobytes) / 1024
