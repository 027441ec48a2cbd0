"""PatchMatch in the browser is that of the Python package: the same C++, the same pictures."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
from PIL import Image

from onar.patchmatch import fill_with_patches
from tests.conftest import PHOTOS
from tests.front_end import needs_vitest, run_vitest


@needs_vitest
def test_the_browser_copies_the_patches_that_python_copies(tmp_path: Path) -> None:
    fills = []
    for name, radius, seed in [("skimage_coffee.jpg", 4, 0), ("pexels_286758.jpg", 2, 7)]:
        photo = np.asarray(Image.open(PHOTOS / name).convert("RGB").crop((40, 40, 240, 190)))
        hole = np.zeros(photo.shape[:2], bool)
        hole[50:90, 60:130] = hole[120:124, 10:180] = True
        filled = fill_with_patches(photo, hole, radius, seed)
        arrays = {"photo": photo, "hole": (255 * hole).astype(np.uint8), "filled": filled}
        texts = {key: base64.b64encode(array.tobytes()).decode() for key, array in arrays.items()}
        fills.append({"height": 150, "width": 200, "radius": radius, "seed": seed, **texts})
    (tmp_path / "fills.json").write_text(json.dumps(fills))
    printed = run_vitest("patchmatch.test.ts", "VITE_PATCHMATCH", tmp_path / "fills.json")
    assert "skipped" not in printed
