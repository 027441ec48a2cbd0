"""PatchMatch in the browser is that of Python: the same program, the same pictures."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onar.fills.patches import copy_patches
from tests.conftest import PHOTOS
from tests.support.front_end import needs_vitest, run_vitest
from tests.support.random_fills import Bytes, Holes, random_hole, random_photo, random_size


def filled(photo: Bytes, hole: Holes, radius: int, seed: int) -> dict[str, Any]:
    """The fill of Python, for JSON."""
    filled = copy_patches(photo, hole, radius, seed)
    arrays = {"photo": photo, "hole": (255 * hole).astype(np.uint8), "filled": filled}
    texts = {key: base64.b64encode(array.tobytes()).decode() for key, array in arrays.items()}
    return {"height": hole.shape[0], "width": hole.shape[1], "radius": radius, "seed": seed, **texts}


def random_fill(seed: int) -> dict[str, Any]:
    """A photo of any shape with holes at its borders, filled by Python."""
    rng = np.random.default_rng(seed)
    height, width = random_size(rng, 300)
    photo, hole = random_photo(height, width, rng), random_hole(height, width, rng)
    return filled(photo, hole, radius=int(rng.integers(1, 6)), seed=seed)


def compare(fills: list[dict[str, Any]], folder: Path) -> None:
    (folder / "fills.json").write_text(json.dumps(fills))
    assert "skipped" not in run_vitest("patchmatch.test.ts", "VITE_PATCHMATCH", folder / "fills.json")


@needs_vitest
def test_the_browser_copies_the_patches_that_python_copies(tmp_path: Path) -> None:
    fills = []
    for name, radius, seed in [("skimage_coffee.jpg", 4, 0), ("pexels_286758.jpg", 2, 7)]:
        photo = np.asarray(Image.open(PHOTOS / name).convert("RGB").crop((40, 40, 240, 190)))
        hole = np.zeros(photo.shape[:2], bool)
        hole[50:90, 60:130] = hole[120:124, 10:180] = True
        fills.append(filled(photo, hole, radius, seed))
    compare(fills, tmp_path)


@needs_vitest
def test_both_fill_holes_at_all_borders_alike_and_within_the_range_of_what_is_known(tmp_path: Path) -> None:
    compare([random_fill(seed) for seed in range(25)], tmp_path)


@needs_vitest
@pytest.mark.soak
def test_both_fill_thousands_of_holes_alike(tmp_path: Path) -> None:
    for first in range(0, 2000, 200):
        compare([random_fill(seed) for seed in range(first, first + 200)], tmp_path)
