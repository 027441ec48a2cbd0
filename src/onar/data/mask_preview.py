"""Write generated masks to files, with a contact sheet."""

from __future__ import annotations

import re
from math import ceil, sqrt
from pathlib import Path

import numpy as np

from onar.data.mask_sources import mask_source
from onar.errors import FieldError, printable
from onar.imaging.listing import MASK_NAME, MASK_SHEET, exist_already
from onar.imaging.sheets import mask_sheet, reduced
from onar.imaging.writing import write_image
from onar.masks.holes import hole_share, mask_from_holes
from onar.settings.checks import validated
from onar.settings.options import ImageSize
from onar.settings.ranges import PositiveInt, Seed
from onar.settings.training import MaskConfig
from onar.system.console import progress_bar

MIN_COLUMNS = 8
MAX_WIDTH = 4096
"""Maximum width of the sheet's rows in pixels; masks are reduced to fit."""
_A_MASK = re.compile(r"mask_(\d{4,})\.png")


def write_masks(
    output: Path, count: int, img_size: ImageSize, seed: int, config: MaskConfig, *, overwrite: bool = False
) -> str:
    """Write `count` masks and a contact sheet into a folder, created if missing; returns a summary of one line.

    `img_size` is the side in pixels, or (height, width); mask i depends only on (seed, i). `overwrite` replaces the
    masks of an earlier call, and removes the rest of a larger set.

    Raises:
        UsageError: the count, the size or the seed is invalid, or the folder holds masks of an earlier call.
        OnarError: a file cannot be written, or has appeared meanwhile.

    >>> import tempfile
    >>> summary = write_masks(Path(tempfile.mkdtemp()), 2, 64, 0, MaskConfig())
    >>> summary[:21]
    '2 masks and sheet.png'
    """
    height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
    for name, hint, value in (("count", PositiveInt, count), ("img_size", ImageSize, img_size), ("seed", Seed, seed)):
        validated(name, hint, value)
    source = mask_source(config)
    earlier = _earlier_masks(output, config, overwrite)
    columns = max(MIN_COLUMNS, ceil(sqrt(count)))
    shares, shown = [], []
    for index in progress_bar(range(count), desc="Writing masks", unit="mask", delay=1):
        mask = mask_from_holes(source(height, width, np.random.default_rng((seed, index))))
        write_image(output / MASK_NAME.format(index), mask, overwrite=overwrite)
        shares.append(hole_share(mask))
        shown.append(reduced(mask, MAX_WIDTH // columns))
    left = [path for number, path in earlier.items() if number >= count]
    for path in left:
        path.unlink(missing_ok=True)
    write_image(output / MASK_SHEET, mask_sheet(shown, columns), overwrite=overwrite)
    return (
        f"{count} masks and {MASK_SHEET} are in {output}; white is the hole, "
        f"{min(shares):.1%} to {max(shares):.1%} of the photo (mean {np.mean(shares):.1%})"
        + (f"; {len(left)} of an earlier, larger set are removed" if left else "")
    )


def _earlier_masks(output: Path, config: MaskConfig, overwrite: bool) -> dict[int, Path]:
    """The masks of an earlier call by number; raises `UsageError` if they must not be replaced."""
    if not output.is_dir():
        return {}
    if config.masks is not None and config.masks.is_dir() and output.samefile(config.masks):
        raise FieldError("output", f"{printable(output)} is the folder of `masks`: name another")
    earlier = {int(found[1]): path for path in output.iterdir() if (found := _A_MASK.fullmatch(path.name))}
    there = [*(earlier[number] for number in sorted(earlier)), *output.glob(MASK_SHEET)]
    if there and not overwrite:
        exist = exist_already(there)
        raise FieldError(
            "output",
            f"is in use: {exist}; choose another one, or replace the whole set with `overwrite`",
        )
    return earlier
