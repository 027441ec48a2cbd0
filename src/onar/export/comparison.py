"""Numerical comparison of an exported network with the original, on the same photos and holes, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from onar.data.mask_sources import GeneratedMasks
from onar.data.photo_sets import ChosenPhotos, open_photos
from onar.errors import OnarError
from onar.metrics.held_out import Completer, complete_with, load_held_out
from onar.weights.bundled import bundled_photos

SIZES = ((96, 128), (256, 256), (333, 517))  # height and width of the photos on which an export is compared

HOLES = GeneratedMasks(hole_ratio=(0.01, 0.6))
SEED = 0

HALF_TOLERANCE = 2 / 255
"""Largest difference from the original, in [0, 1], of weights that are rounded to half precision."""


@dataclass(frozen=True)
class Int8Cost:
    """Cost of INT8, on photos that it was not calibrated on."""

    float32: float  # mean PSNR of composites in decibels
    int8: float  # the same in INT8
    calibrated: int  # number of photos calibrated on
    scored: int  # number of photos scored

    def __str__(self) -> str:
        return (
            f"INT8, calibrated on {self.calibrated} photos, costs {self.float32 - self.int8:.2f} dB of PSNR on "
            f"{self.scored} others: {self.int8:.2f} instead of {self.float32:.2f} dB"
        )


@dataclass(frozen=True)
class Exported:
    """Result of an export; its text is for the user."""

    path: Path  # the file, or the folder
    difference: float  # largest difference from the original in [0, 1], before any INT8
    # on which they were compared, as text
    photos: str = f"at {', '.join(f'{height} x {width}' for height, width in SIZES)}, in batches of 1 and 2"
    cost: Int8Cost | None = None  # of INT8; None in float32
    note: str = ""  # behind the size

    def __str__(self) -> str:
        files = [file for file in (self.path, *self.path.rglob("*")) if file.is_file()]
        size = f"{self.path}: {sum(file.stat().st_size for file in files) / 1e6:.2f} MB{self.note}"
        compared = f"compared with the original {self.photos}: differs by {self.difference:.1e} at most"
        return "\n".join([compared, *([str(self.cost)] if self.cost else []), size])


def compare(exported: Completer, generator: nn.Module, tolerance: float) -> float:
    """The largest difference on photos of `SIZES`, in batches of 1 and 2; raises `OnarError` above the tolerance."""
    complete, photos = complete_with(generator), ChosenPhotos(open_photos(bundled_photos()), np.arange(2))
    colours = [channel % 3 for channel in range(getattr(generator, "channels", 3))]  # any will do
    differences = [
        (exported(photo[:, colours], known) - complete(photo[:, colours], known)).abs().max()
        for height, width in SIZES
        for batch_size in (1, 2)
        for photo, known in load_held_out(photos, height, width, HOLES, SEED).batches(batch_size)
    ]
    return check_difference(float(torch.stack(differences).max()), tolerance)  # NaN if one of them is


def check_difference(difference: float, tolerance: float) -> float:
    """The difference; raises `OnarError` when it is above the tolerance, or NaN."""
    if not difference <= tolerance:
        raise OnarError(f"nothing is written: the export differs from the original by {difference:.1e}")
    return difference
