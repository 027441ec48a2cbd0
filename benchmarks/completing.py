"""`onar complete` as a user runs it: time and memory by the size of photo and hole."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.networks import PHOTOS
from benchmarks.table import Table
from onar import PConvUNet
from onar.checkpoint import load_generator, save_weights
from onar.weights.bundled import bundled_weights

Mask = NDArray[np.uint8]

SIZES = {"1 MP": (864, 1152), "12 MP": (3024, 4032), "24 MP": (4000, 6000)}
SHARES = 0.02, 0.35
STAMPED = "12 MP"
# Linux counts the pages of the parent in the peak of its child, so a small process starts it.
LAUNCHER = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)
NOTE = (
    "From JPEG to PNG: one process each, including its start, in turns; medians of three. The bundled weights run "
    "on ONNX Runtime, and as a .pth file in PyTorch; the default generator (base 64, depth 8) in PyTorch. The hole is "
    "a rectangle in the middle whose sides are the given share of the photo's, or a camera's date stamp, painted over "
    "letter by letter: 125,000 pixels in 1225 x 566. Memory is the peak resident set of the process."
)
REPEATS = 3


def measure() -> list[Table]:
    """Photo sizes × holes × weights."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        weights = {"bundled": bundled_weights(), **_as_pth(folder)}
        rows = [
            [photo, name, which, f"{seconds:.1f}", f"{gigabytes:.2f}"]
            for photo, size in SIZES.items()
            for name, hole in _holes(photo, *size).items()
            for which, (seconds, gigabytes) in _compare(folder, weights, hole).items()
        ]
    return [Table("`onar complete`", NOTE, ["photo", "hole", "weights", "seconds", "memory, GB"], rows)]


def _holes(photo: str, height: int, width: int) -> dict[str, Mask]:
    """Masks of that size by name."""
    masks = {f"{share:.0%} of each side": _rectangle(height, width, share) for share in SHARES}
    return {**masks, "date stamp": date_stamp(height, width)} if photo == STAMPED else masks


def _rectangle(height: int, width: int, share: float) -> Mask:
    mask = np.zeros((height, width), np.uint8)
    rows, columns = (slice(round(n * (1 - share) / 2), round(n * (1 + share) / 2)) for n in (height, width))
    mask[rows, columns] = 255
    return mask


def date_stamp(height: int, width: int) -> Mask:
    """A date and a time in the lower right corner, each letter painted over with a brush; at least 700×1350."""
    mask = np.zeros((height, width), np.uint8)
    for row, text in enumerate(("20 08", "14:32")):
        for column, letter in enumerate(text):
            place = width - 1350 + 275 * column, height - 600 + 400 * row
            cv2.putText(mask, letter, place, cv2.FONT_HERSHEY_SIMPLEX, 6.6, 255)
    return np.asarray(cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (29, 29))), np.uint8)


def _as_pth(folder: Path) -> dict[str, Path]:
    """The bundled weights as a file for PyTorch, and those of an untrained default generator."""
    torch.manual_seed(0)
    networks = {"bundled in PyTorch": load_generator(bundled_weights()), "default in PyTorch": PConvUNet()}
    sizes = {"bundled in PyTorch": 256, "default in PyTorch": 512}
    paths = {name: folder / name.partition(" ")[0] / "generator_final.pth" for name in networks}
    for name, path in paths.items():
        path.parent.mkdir()
        save_weights(path, networks[name])
        path.with_name("config.toml").write_text(f"img_size = {sizes[name]}\n")
    return paths


def _compare(folder: Path, weights: dict[str, Path], hole: Mask) -> dict[str, tuple[float, float]]:
    """Medians of seconds and of GB for each weights file."""
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in weights}
    for _ in range(REPEATS):
        for name, path in weights.items():
            measured[name].append(_complete(folder, path, hole))
    return {name: (median(one[0] for one in runs), median(one[1] for one in runs)) for name, runs in measured.items()}


def _complete(folder: Path, weights: Path, hole: Mask) -> tuple[float, float]:
    """Complete one photo in a new process; returns its seconds, and its memory in GB."""
    photo, mask = folder / "photo.jpg", folder / "mask.png"
    with Image.open(min(PHOTOS.glob("*.jpg"))) as picture:
        picture.convert("RGB").resize(hole.shape[::-1], Image.Resampling.BICUBIC).save(photo, quality=90)
    Image.fromarray(hole).save(mask)
    files = {"--mask": mask, "--output": folder / "completed.png", "--weights": weights}
    flags = [text for flag, path in files.items() for text in (flag, str(path))]
    command = [sys.executable, "-m", "onar", "complete", str(photo), *flags, "--overwrite"]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", LAUNCHER, *command], stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - started, int(done.stdout) / 2**20
