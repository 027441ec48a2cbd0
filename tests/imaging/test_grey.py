from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onar.imaging.grey import GREY_LEVELS, is_grey, to_grey
from onar.imaging.levels import unused_bits
from tests.conftest import PHOTOS

FILES = sorted(PHOTOS.glob("*.jpg"))


def everything(pixels: np.ndarray) -> np.ndarray:
    return np.ones(pixels.shape[:2], bool)


def grey_photo(height: int = 150, width: int = 200) -> np.ndarray:
    """A black-and-white photo in three channels."""
    return np.asarray(Image.open(FILES[3]).convert("L").convert("RGB").resize((width, height)))


@pytest.mark.parametrize("options", [{"format": "JPEG", "quality": 40}, {"format": "WEBP", "quality": 60}])
def test_black_and_white_photos_are_grey_after_lossy_compression(options: dict[str, Any]) -> None:
    file = BytesIO()
    Image.fromarray(grey_photo()).save(file, **options)
    pixels = np.asarray(Image.open(file).convert("RGB"))
    assert is_grey(pixels, everything(pixels))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_photos_in_colour_are_not_grey(path: object) -> None:
    pixels = np.asarray(Image.open(path).convert("RGB").resize((160, 120)))
    assert not is_grey(pixels, everything(pixels))


def test_a_tone_is_a_colour() -> None:
    sepia = (grey_photo() * [1, 0.95, 0.82]).astype(np.uint8)
    assert not is_grey(sepia, everything(sepia))


@pytest.mark.parametrize(("kind", "bits"), [(np.uint8, 8), (np.uint16, 12), (np.uint16, 16)])
def test_one_coloured_pixel_is_enough_if_it_counts(kind: type, bits: int) -> None:
    pixels, counts = (grey_photo().astype(np.uint32) * (2**bits - 1) // 255).astype(kind), np.ones((150, 200), bool)
    level = (2**bits - 1) // 255
    pixels[140, 190, 1] = pixels[140, 190, 0] - GREY_LEVELS * level
    assert is_grey(pixels, counts)
    pixels[140, 190, 1] -= level
    assert not is_grey(pixels, counts)
    counts[140, 190] = False
    assert is_grey(pixels, counts)


def test_where_nothing_counts_nothing_is_grey() -> None:
    assert not is_grey(grey_photo(), np.zeros((150, 200), bool))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_what_is_grey_keeps_its_value(kind: type) -> None:
    pixels = np.repeat(np.arange(0, np.iinfo(kind).max, 7, dtype=kind)[:, None, None], 3, axis=2)
    assert np.array_equal(to_grey(pixels), pixels[..., 0])


@pytest.mark.parametrize("seed", range(8))
def test_bits_are_unused_by_the_pixels_that_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 200, size=2).tolist()) + ((3,) if seed % 2 else ())
    pixels = rng.integers(0, 1 << int(rng.integers(1, 17)), shape).astype(np.uint16)
    counts = rng.random(shape[:2]) < rng.choice([0, 0.01, 0.9, 1])
    pixels[~counts] |= 1 << 15
    assert unused_bits(pixels, counts) == unused_bits(pixels[counts])
