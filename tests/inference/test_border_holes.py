"""Large holes that reach the border: half of what is around them is not there, and networks oscillate in them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onar import Inpainter
from onar.weights.bundled import bundled_photos

SQUARE = 32
STRIPES = np.array([[1, -2, 1]], np.float32) / 4
"""Passes the highest frequency, of lines of one pixel, and little else."""

Holes = NDArray[np.bool_]


@pytest.fixture(scope="module")
def inpainter() -> Inpainter:
    return Inpainter.load(device="cpu")


def border_hole(height: int, width: int, rng: np.random.Generator) -> Holes:
    """A third to two thirds of a photo at one of its sides, or at a corner."""
    hole = np.zeros((height, width), bool)
    if rng.random() < 0.3:
        hole[: int(height * rng.uniform(0.5, 0.8)), : int(width * rng.uniform(0.5, 0.8))] = True
    else:
        hole[: int(height * rng.uniform(0.33, 0.67))] = True
    hole = np.rot90(hole, 2 * int(rng.integers(2)))
    if rng.random() < 0.5:
        hole = cv2.resize(np.rot90(hole).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return np.ascontiguousarray(hole)


def stripes(photo: NDArray[np.uint8], where: Holes, side: int) -> float:
    """The largest mean energy at the Nyquist frequency, along rows and columns, in squares inside `where`."""
    grey = photo.astype(np.float32).mean(axis=2)
    energy = sum(cv2.filter2D(grey, -1, kernel) ** 2 for kernel in (STRIPES, STRIPES.T))
    inside = cv2.blur(where.astype(np.float32), (side, side), borderType=cv2.BORDER_CONSTANT) > 1 - 1e-4
    return float(cv2.blur(energy, (side, side))[inside].max())


def check(inpainter: Inpainter, photo: NDArray[np.uint8], hole: Holes) -> None:
    """No pixel leaves the range of what is known, and no square has stripes that the photo has nowhere."""
    filled = inpainter(photo, hole)
    known = photo[~hole]
    assert (filled[hole] >= known.min(axis=0)).all()
    assert (filled[hole] <= known.max(axis=0)).all()
    assert stripes(filled, hole, SQUARE) <= 1.1 * stripes(photo, ~hole, SQUARE // 2)  # a texture may have had less room


@pytest.mark.parametrize("seed", range(12))
def test_fills_have_no_stripes_and_stay_in_the_range_of_what_is_known(inpainter: Inpainter, seed: int) -> None:
    rng = np.random.default_rng(seed)
    paths = sorted(bundled_photos().glob("*.jpg"))
    photo = np.asarray(Image.open(paths[seed % len(paths)]).convert("RGB").resize((384, 288)))
    check(inpainter, photo, border_hole(*photo.shape[:2], rng))


@pytest.mark.soak
@pytest.mark.parametrize("number", range(200))
def test_the_same_holds_in_photos_that_chose_nothing(inpainter: Inpainter, shared_data: Path, number: int) -> None:
    paths = sorted((shared_data / "photos_val").glob("*.jpg"))
    photo = np.asarray(Image.open(paths[number % len(paths)]).convert("RGB"))
    check(inpainter, photo, border_hole(*photo.shape[:2], np.random.default_rng((200, number))))
