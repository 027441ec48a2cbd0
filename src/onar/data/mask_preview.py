"""Write generated masks to files, with a sheet that shows them at a glance."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from onar.config import ImageSize, MaskConfig
from onar.data.mask_sources import mask_source
from onar.errors import UsageError
from onar.imaging.images import write_image
from onar.imaging.listing import MASK_NAME, MASK_SHEET
from onar.imaging.sheets import mask_sheet
from onar.masks import hole_share, mask_from_holes
from onar.setting_checks import check_seed

SHEET_COLUMNS = 8


def write_masks(output: Path, count: int, img_size: ImageSize, seed: int, config: MaskConfig) -> str:
    """Write `count` masks and a sheet into a folder.

    Args:
        output: folder, made when missing.
        count: how many masks, at least 1.
        img_size: side in pixels, or (height, width).
        seed: mask i depends on (seed, i) alone.
        config: how holes are made.

    Returns:
        One line that says what was written.

    Raises:
        UsageError: the count, the size or the seed cannot be.
    """
    height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
    if count < 1 or min(height, width) < 1:
        raise UsageError(f"--count and --img_size must be at least 1, not {count} and {img_size}")
    check_seed(seed)
    source = mask_source(config)
    rngs = [np.random.default_rng((seed, index)) for index in range(count)]
    masks = [mask_from_holes(source(height, width, rng)) for rng in rngs]
    for index, mask in enumerate(masks):
        write_image(output / MASK_NAME.format(index), mask)
    write_image(output / MASK_SHEET, mask_sheet(masks, SHEET_COLUMNS))
    shares = [hole_share(mask) for mask in masks]
    return (
        f"{count} masks and {MASK_SHEET} are in {output}; white is the hole, "
        f"{min(shares):.1%} to {max(shares):.1%} of the photo (mean {np.mean(shares):.1%})"
    )
