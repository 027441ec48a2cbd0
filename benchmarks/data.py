"""Throughput of masks and of training photos."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from benchmarks.networks import PHOTOS
from benchmarks.table import Table
from benchmarks.timing import REPEATS, Times, interleave
from onar import TrainConfig, random_mask
from onar.data.from_config import find_training_data, open_loader, start_batches
from onar.masks.defaults import MASK_TYPES

MASKS = 20
SIZES = (256, 512)
MASKS_NOTE = "Medians, one process. With a hole ratio, shapes are added until it is reached."
PHOTOS_NOTE = (
    "The bundled photos, decoded, cropped, mirrored, with irregular holes, in batches of 4, as `onar train` reads "
    "them, on an idle processor. The start of the reading processes is not counted."
)


def measure() -> list[Table]:
    """Masks by type, photos by reading processes."""
    masks = [
        [mask_type, "any" if ratio is None else f"{ratio[0]:.0%} to {ratio[1]:.0%}", *cells]
        for mask_type in MASK_TYPES
        for ratio in (None, (0.01, 0.6))
        for cells in [[f"{MASKS / _time_masks(size, mask_type, ratio).median:.0f}" for size in SIZES]]
    ]
    photos = [[str(workers), *(f"{photos_per_second(size, workers):.0f}" for size in SIZES)] for workers in (0, 1, 2)]
    pixels = [f"{size} pixels" for size in SIZES]
    return [
        Table("Masks per second", MASKS_NOTE, ["mask type", "hole ratio", *pixels], masks),
        Table("Photos per second", PHOTOS_NOTE, ["reading processes", *pixels], photos),
    ]


def _time_masks(size: int, mask_type: str, hole_ratio: tuple[float, float] | None) -> Times:
    def draw() -> None:
        rng = np.random.default_rng(0)
        for _ in range(MASKS):
            random_mask(size, size, mask_type, rng=rng, hole_ratio=hole_ratio)

    functions: dict[str, Callable[[], object]] = {"draw": draw}
    return interleave(functions)["draw"]


def photos_per_second(size: int, num_workers: int) -> float:
    """Speed of the training loader over some passes through the bundled photos."""
    config = TrainConfig(data=PHOTOS, val_share=0, img_size=size, batch_size=4, num_workers=num_workers)
    data = find_training_data(config)
    batches = start_batches(config, data, rank=0, world_size=1)
    loader = open_loader(config, data, batches, None)
    photos, started = 0, 0.0
    for epoch in range(1 + REPEATS // 2):
        batches.start(epoch)
        photos += sum(len(sample["photo"]) for sample in loader)
        if epoch == 0:  # warm-up: the processes start
            photos, started = 0, time.perf_counter()
    return photos / (time.perf_counter() - started)
