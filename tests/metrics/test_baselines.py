from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onar.errors import OnarError, UsageError
from onar.masks.generation import random_mask
from onar.metrics.baselines import BASELINES, RADIUS
from onar.metrics.patchmatch import no_patchmatch

PHOTOS = Path(__file__).parents[2] / "src/onar/assets/photos"

every_baseline = pytest.mark.parametrize("name", BASELINES)


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    return np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize((96, 64)))


@pytest.fixture(scope="module")
def mask(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    mask = random_mask(64, 96, hole_ratio=(0.3, 0.3), rng=np.random.default_rng(0))
    mask[:10, :10] = 255  # a hole at the border
    return mask


@every_baseline
def test_known_pixels_stay_bit_identical_and_the_photo_untouched(name, photo, mask) -> None:
    before = photo.copy()
    filled = BASELINES[name].fill(photo, mask)
    assert (filled.shape, filled.dtype) == (photo.shape, np.uint8)
    np.testing.assert_array_equal(filled[mask == 0], photo[mask == 0])
    np.testing.assert_array_equal(photo, before)


@every_baseline
def test_hole_content_makes_no_difference(name, photo, mask) -> None:
    garbage = np.random.default_rng(0).integers(0, 256, photo.shape, dtype=np.uint8)
    other = np.where((mask == 0)[..., None], photo, garbage)
    np.testing.assert_array_equal(BASELINES[name].fill(photo, mask), BASELINES[name].fill(other, mask))


@every_baseline
def test_a_photo_of_one_colour_is_restored(name, mask) -> None:
    plain = np.full((64, 96, 3), (200, 60, 130), np.uint8)
    filled = BASELINES[name].fill(np.where((mask == 0)[..., None], plain, 0).astype(np.uint8), mask)
    assert np.abs(filled.astype(int) - plain).max() <= 4


@pytest.mark.parametrize("name", ["telea", "navier_stokes", "biharmonic"])
def test_neighbourhoods_beat_the_mean_colour(name, photo, mask) -> None:
    def squared_error(fill) -> float:
        return float(((fill(photo, mask).astype(float) - photo)[mask > 0] ** 2).mean())

    assert squared_error(BASELINES[name].fill) < 0.5 * squared_error(BASELINES["mean"].fill)


@pytest.mark.parametrize(("name", "method"), [("telea", cv2.INPAINT_TELEA), ("navier_stokes", cv2.INPAINT_NS)])
def test_holes_away_from_the_border_are_filled_as_opencv_does(name, method, photo, mask) -> None:
    inner = np.pad(mask[12:-12, 12:-12], 12)
    np.testing.assert_array_equal(BASELINES[name].fill(photo, inner), cv2.inpaint(photo, inner, RADIUS, method))


@every_baseline
def test_a_photo_without_holes_comes_back_unchanged(name, photo) -> None:
    filled = BASELINES[name].fill(photo, np.zeros((64, 96), np.uint8))
    np.testing.assert_array_equal(filled, photo)
    assert filled is not photo


@every_baseline
@pytest.mark.parametrize("shape", [(1, 1), (5, 7)])
def test_a_photo_that_is_all_hole_becomes_mid_grey(name, shape) -> None:
    assert (BASELINES[name].fill(np.full((*shape, 3), 9, np.uint8), np.full(shape, 255, np.uint8)) == 128).all()


@every_baseline
@pytest.mark.parametrize("shape", [(1, 2), (1, 9), (9, 1), (2, 2), (3, 40)])
def test_thin_and_tiny_photos_are_filled_the_same_way_each_time(name, shape) -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    mask = np.zeros(shape, np.uint8)
    mask[-1, -1] = mask[0, shape[1] // 2] = 255
    mask[0, 0] = 0
    first = BASELINES[name].fill(photo, mask)
    np.testing.assert_array_equal(first[mask == 0], photo[mask == 0])
    for _ in range(5):
        np.testing.assert_array_equal(BASELINES[name].fill(photo.copy(), mask), first)


@every_baseline
def test_a_bool_mask_means_the_same(name, photo, mask) -> None:
    np.testing.assert_array_equal(BASELINES[name].fill(photo, mask >= 128), BASELINES[name].fill(photo, mask))


def test_copied_texture_is_rougher_than_a_smooth_surface(photo, mask) -> None:
    def roughness(name: str) -> float:
        return float(np.abs(np.diff(BASELINES[name].fill(photo, mask).astype(int), axis=1))[mask[:, 1:] > 0].mean())

    assert min(roughness("patchmatch_2"), roughness("patchmatch_5")) > 1.2 * roughness("biharmonic")


def test_a_mask_of_another_size_is_refused(photo) -> None:
    with pytest.raises(UsageError, match="same height and width"):
        BASELINES["telea"].fill(photo, np.zeros((64, 95), np.uint8))


def test_without_scikit_image_the_error_says_what_to_install(photo, mask, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.restoration", None)
    with pytest.raises(OnarError, match=r'pip install "onar\[evaluate\]"'):
        BASELINES["biharmonic"].fill(photo, mask)


def test_without_patchmatch_the_error_says_what_to_install(photo, mask, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "patchmatch.patch_match", None)
    assert no_patchmatch() is not None
    with pytest.raises(OnarError, match="pip install pypatchmatch"):
        BASELINES["patchmatch_5"].fill(photo, mask)
