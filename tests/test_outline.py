"""A rough lasso shrinks onto the outline of what it holds."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onar.masks.outline import outline_object
from tests.conftest import PHOTOS


def scene(height: int, width: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A blob of one photo on another one, with a soft rim; and where it is."""
    rng = np.random.default_rng(seed)
    names = ("skimage_coffee.jpg", "skimage_chelsea.jpg")
    ground, thing = (np.asarray(Image.open(PHOTOS / name).convert("RGB").resize((width, height))) for name in names)
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radii = min(height, width) * 0.22 * (1 + 0.2 * np.sin(angles * rng.integers(2, 5)))
    centre = np.array([width, height]) * rng.uniform(0.4, 0.6, 2)
    outline = centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    blob = cv2.fillPoly(np.zeros((height, width), np.float32), [outline.astype(np.int32)], 1)
    soft = cv2.GaussianBlur(blob, (0, 0), 1)[..., None]
    return (ground * (1 - soft) + thing * soft).astype(np.uint8), blob > 0


def agreement(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


@pytest.mark.parametrize(("height", "width", "seed"), [(120, 160, 0), (480, 640, 1), (1500, 1100, 2)])
def test_a_lasso_shrinks_onto_the_object_and_stays_within_itself(height: int, width: int, seed: int) -> None:
    photo, thing = scene(height, width, seed)
    reach = min(height, width) // 14
    lasso = cv2.dilate(thing.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    top, left, tall, wide = (*np.argwhere(lasso).min(axis=0), *np.ptp(np.argwhere(lasso), axis=0) + 1)
    place = np.s_[top : top + tall, left : left + wide]
    found = outline_object(photo, lasso[place], int(top), int(left))
    assert not (found & ~lasso[place]).any()
    assert agreement(lasso, thing) < 0.65
    assert agreement(found, thing[place]) > 0.8
    grey = outline_object(photo[..., 1], lasso[place], int(top), int(left))
    assert not (grey & ~lasso[place]).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 3), (40, 2), (60, 60)])
def test_without_two_colours_no_object_is_found(shape: tuple[int, int]) -> None:
    plain = np.full((*shape, 3), 90, np.uint8)
    assert not outline_object(plain, np.ones(shape, bool)).any(), "nothing is round the lasso"
    inner = np.ones([max(1, side - 2) for side in shape], bool)
    found = outline_object(
        plain, inner, *(min(1, side - side_in) for side, side_in in zip(shape, inner.shape, strict=True))
    )
    assert found.shape == inner.shape
    assert not found.any() or found.all()
