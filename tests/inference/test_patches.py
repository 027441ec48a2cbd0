"""PatchMatch's program in Python: what it is given, and where it cannot run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from onar.errors import OnarError
from onar.fills import patches
from onar.fills.patches import MAX_RADIUS, copy_patches, no_patches

PHOTO = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
HOLE = np.zeros((40, 60), bool)
HOLE[10:30, 20:40] = True


@pytest.mark.parametrize(
    ("hole", "radius"), [(HOLE, 0), (HOLE, MAX_RADIUS + 1), (HOLE[1:], 2), (np.zeros((40, 60, 3), bool), 2)]
)
def test_other_radii_and_sizes_are_refused(hole: np.ndarray, radius: int) -> None:
    with pytest.raises(ValueError, match=f"no patches of radius {radius}"):
        copy_patches(PHOTO, hole, radius)


@pytest.mark.parametrize("radius", [1, 4, 20, MAX_RADIUS])
def test_without_a_known_patch_the_fill_stays(radius: int) -> None:
    rim = np.ones_like(HOLE)
    rim[0] = False
    known = PHOTO[0]
    assert (copy_patches(PHOTO, rim, radius) == PHOTO.clip(known.min(axis=0), known.max(axis=0))).all()
    assert (copy_patches(PHOTO, np.ones_like(HOLE), radius) == PHOTO).all()


def test_without_holes_a_photo_stays_and_is_another_array() -> None:
    for photo in (PHOTO, PHOTO[:0]):
        copied = copy_patches(photo, np.zeros(photo.shape[:2], bool), 2)
        assert (copied == photo).all()
        assert copied is not photo


def test_a_program_that_cannot_run_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "_PROGRAM", tmp_path / "patchmatch.wasm")
    for content in (None, b"", b"no program"):
        if content is not None:
            (tmp_path / "patchmatch.wasm").write_bytes(content)
        patches._program.cache_clear()
        assert "patchmatch.wasm" in str(no_patches())
        with pytest.raises(OnarError, match="texture cannot be copied"):
            copy_patches(PHOTO, HOLE, 2)
    monkeypatch.undo()
    patches._program.cache_clear()
    assert no_patches() is None


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))  # less than a program reserves
import numpy as np
from onar.fills.patches import copy_patches
from tests.inference.test_patches import HOLE, PHOTO
sys.stdout.buffer.write(copy_patches(PHOTO, HOLE, 2).tobytes())
sys.stdout.flush()
try:
    copy_patches(np.zeros((9000, 9000, 3), np.uint8), np.eye(9000, dtype=bool), 2)
except MemoryError as error:
    sys.exit(str(error))
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="limits addresses as Linux does")
def test_patches_are_the_same_where_addresses_are_limited() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, timeout=300)
    assert done.stdout == copy_patches(PHOTO, HOLE, 2).tobytes()
    assert done.stderr.strip() == b"not enough memory to copy patches"
