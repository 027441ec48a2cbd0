"""Scaling of the cost: time against pixels, batch size, and photos in the folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.networks import PHOTOS, forward_and_backward, photo_with_holes
from benchmarks.table import Table, milliseconds
from benchmarks.timing import interleave
from onar import PConvUNet, TrainConfig
from onar.data.from_config import find_training_data, open_loader, start_batches

SIDES = (256, 512, 768, 1024)
BATCHES = (1, 2, 4, 8)
PHOTO_COUNTS = (25, 50, 100, 200)
NOTE = (
    "Medians in ms. The slope is that of log(time) against log(size): 1 is linear. Below 1, fixed costs matter; above "
    "1, caches are exceeded."
)


def measure() -> list[Table]:
    """One row for each size that is varied."""
    generator = PConvUNet().to(memory_format=torch.channels_last).eval()
    rows = [
        _row("pixels a side, generator forward", {side: _forward(generator, side, 1) for side in SIDES}, power=2),
        _row("photos in a batch of 256 pixels, generator forward", {n: _forward(generator, 256, n) for n in BATCHES}),
    ]
    with TemporaryDirectory() as folder:
        reading = {count: partial(_read, _many_photos(Path(folder), count)) for count in PHOTO_COUNTS}
        rows.append(_row("photos in the folder, an epoch of reading at 256 pixels", reading))
    return [Table("Growth", NOTE, ["varied", "time", "slope"], rows)]


def _row(what: str, functions: Mapping[int, Callable[[], object]], power: int = 1) -> list[str]:
    """Time the functions and fit the slope; `power` turns a side into pixels."""
    times = interleave({str(amount): function for amount, function in functions.items()})
    seconds = [one.median for one in times.values()]
    slope = np.polyfit(power * np.log(list(functions)), np.log(seconds), 1)[0]
    return [what, ", ".join(f"{name}: {milliseconds(one.median)}" for name, one in times.items()), f"{slope:.2f}"]


def _forward(generator: PConvUNet, side: int, batch: int) -> Callable[[], object]:
    photo, known = photo_with_holes(side, side, batch)
    return forward_and_backward(partial(generator, photo, known), [])["forward"]


def _many_photos(folder: Path, count: int) -> Path:
    """A folder of `count` links to the bundled photos."""
    photos = sorted(PHOTOS.glob("*.jpg"))
    linked = folder / str(count)
    linked.mkdir()
    for index in range(count):
        (linked / f"{index}.jpg").symlink_to(photos[index % len(photos)])
    return linked


def _read(folder: Path) -> None:
    config = TrainConfig(data=folder, val_share=0, img_size=256, num_workers=0)
    data = find_training_data(config)
    for _ in open_loader(config, data, start_batches(config, data, rank=0, world_size=1), None):
        pass
