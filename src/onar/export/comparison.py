"""Numerical comparison of an exported generator with the original, on the same photos and holes."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from onar.data.mask_sources import GeneratedMasks
from onar.data.photo_sets import ChosenPhotos, open_photos
from onar.metrics.held_out import Completer, complete_with, load_held_out
from onar.weights.bundled import bundled_photos

SIZES = ((96, 128), (256, 256), (333, 517))
"""Height and width of the photos on which an export is compared."""

HOLES = GeneratedMasks(hole_ratio=(0.01, 0.6))
SEED = 0

HALF_TOLERANCE = 2 / 255
"""Largest difference from the original, in [0, 1], of weights that are rounded to half precision."""


def largest_difference(exported: Completer, generator: nn.Module) -> float:
    """The largest difference between two completers on bundled photos with holes, of `SIZES`, in batches of 1 and 2."""
    complete, photos = complete_with(generator), ChosenPhotos(open_photos(bundled_photos()), np.arange(2))
    colours = [channel % 3 for channel in range(getattr(generator, "channels", 3))]  # any will do
    differences = [
        (exported(photo[:, colours], known) - complete(photo[:, colours], known)).abs().max()
        for height, width in SIZES
        for batch_size in (1, 2)
        for photo, known in load_held_out(photos, height, width, HOLES, SEED).batches(batch_size)
    ]
    return float(torch.stack(differences).max())  # NaN if one of them is


def say_difference(difference: float) -> str:
    """The largest difference, as text for the user."""
    sizes = ", ".join(f"{height} x {width}" for height, width in SIZES)
    return f"compared with the original at {sizes}, in batches of 1 and 2: differs by {difference:.1e} at most"
