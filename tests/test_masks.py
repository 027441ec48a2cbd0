import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from onar.errors import UsageError
from onar.masks import shapes
from onar.masks.defaults import MASK_TYPES
from onar.masks.generation import random_mask
from onar.masks.holes import (
    HOLE_RATIO_RANGES,
    augment_mask,
    composite,
    fit_holes,
    hole_share,
    holes_from_mask,
    is_mostly_grey,
    known_from_mask,
    mask_from_known,
)
from tests.conftest import PHOTOS

ODD_SIZES = [(1, 1), (1, 7), (3000, 20), (37, 513)]
every_type = pytest.mark.parametrize("mask_type", MASK_TYPES)


def draw(seed, height=128, width=128, mask_type="irregular", **options):
    return random_mask(height, width, mask_type, rng=np.random.default_rng(seed), **options)


def thickest(mask):
    """Diameter of the largest disc of holes."""
    return 2 * cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()


@every_type
@pytest.mark.parametrize("hole_ratio", [None, (0.01, 0.6)])
def test_same_seed_gives_the_same_mask_and_other_seeds_others(mask_type, hole_ratio):
    first, again, other = (draw(seed, mask_type=mask_type, hole_ratio=hole_ratio) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_global_numpy_seed_is_neither_used_nor_changed():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    random_mask(32, 32)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@every_type
@pytest.mark.parametrize("size", ODD_SIZES)
@pytest.mark.parametrize("hole_ratio", [None, (1e-9, 1e-9), (0.01, 0.6)])
def test_masks_of_any_size_are_binary_and_never_empty(mask_type, size, hole_ratio):
    for seed in range(10):
        mask = draw(seed, *size, mask_type, hole_ratio=hole_ratio)
        assert ((mask.shape, mask.dtype), mask.max()) == ((size, np.uint8), 255)
        assert set(np.unique(mask)) <= {0, 255}


@pytest.mark.parametrize("size", [128, 256, 1024])
def test_stroke_thickness_is_bounded_and_scales_with_the_shorter_side(size):
    limit = 40 * size / 512
    widths = [thickest(draw(seed, size, size + 64, max_masks=1, max_thickness=40)) for seed in range(30)]
    assert 0.4 * limit < np.median(widths) <= limit + 2


def test_same_seed_draws_the_same_picture_at_another_size():
    small, large = ([holes_from_mask(draw(seed, size, size)) for seed in range(20)] for size in (256, 512))
    differences = [np.mean(fit_holes(one, 512, 512) != other) for one, other in zip(small, large, strict=True)]
    assert np.median(differences) < 0.01


@every_type
def test_more_shapes_cover_more(mask_type):
    few, many = ([draw(seed, mask_type=mask_type, max_masks=most) for seed in range(40)] for most in (1, 12))
    assert np.mean([hole_share(mask) for mask in many]) > 2 * np.mean([hole_share(mask) for mask in few])


@pytest.mark.parametrize("ratio", [0.1, 0.5])
def test_rectangles_are_full_and_no_longer_than_max_size_ratio(ratio):
    for seed in range(50):
        mask = draw(seed, 100, 240, "rectangle", max_masks=1, max_size_ratio=ratio)
        _, _, width, height = cv2.boundingRect(mask)
        assert height <= ratio * 100
        assert width <= ratio * 240
        assert np.count_nonzero(mask) == height * width


@every_type
@pytest.mark.parametrize("target", [0.01, 0.1, 0.35, 0.6])
def test_hole_ratio_is_met_within_a_point(mask_type, target):
    shares = [hole_share(draw(seed, 512, 512, mask_type, hole_ratio=(target, target))) for seed in range(10)]
    assert shares == pytest.approx([target] * 10, rel=0.04, abs=0.0125)


@every_type
def test_hole_ratios_spread_evenly_over_the_six_ranges(mask_type):
    rng = np.random.default_rng(0)
    shares = [hole_share(random_mask(256, 256, mask_type, rng=rng, hole_ratio=(0.01, 0.6))) for _ in range(300)]
    assert min(shares) >= 0.01
    assert max(shares) <= 0.602
    for low, high in HOLE_RATIO_RANGES:
        assert sum(low < share <= high for share in shares) == pytest.approx(300 * (high - low) / 0.59, abs=20)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"mask_type": "circle"}, "irregular or rectangle or mixed"),
        ({"height": 0}, "0 x 8"),
        ({"max_masks": 0}, "max_masks"),
        ({"max_thickness": 0}, "max_thickness"),
        ({"max_size_ratio": 1.5}, "max_size_ratio"),
        ({"hole_ratio": (0.5, 0.2)}, "hole_ratio"),
        ({"hole_ratio": (0.5, 1.0)}, "hole_ratio"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, names):
    with pytest.raises(UsageError, match=names):
        random_mask(**{"height": 8, "width": 8, **arguments})


def test_a_new_mask_type_is_one_function_and_one_line(monkeypatch):
    def draw_pixel(canvas, rng, limits):
        canvas[rng.integers(canvas.shape[0]), 0] = 255

    monkeypatch.setitem(MASK_TYPES, "pixel", "one pixel")
    monkeypatch.setattr(shapes, "draw_pixel", draw_pixel, raising=False)
    assert np.count_nonzero(draw(0, mask_type="pixel", max_masks=1)) == 1


def test_known_is_the_opposite_of_the_mask_at_threshold_128():
    known = known_from_mask(np.array([[0, 127, 128, 255]], np.uint8))
    assert (known.dtype, known.tolist()) == (np.float32, [[[1, 1, 0, 0]]])
    assert known_from_mask(np.array([[False, True]])).tolist() == [[[1, 0]]]


@pytest.mark.parametrize("size", ODD_SIZES)
def test_mask_to_known_and_back_is_the_same_mask(size):
    mask = draw(1, *size)
    known = known_from_mask(mask)
    assert known.shape == (1, *size)
    assert np.array_equal(mask_from_known(known), mask)
    assert np.array_equal(mask_from_known(known[0]), mask)


@pytest.mark.parametrize("convert", [known_from_mask, hole_share])
@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.float32), np.zeros((0, 4), np.uint8)]
)
def test_what_is_no_mask_is_refused(convert, wrong):
    with pytest.raises(UsageError, match="a mask is a uint8 or bool array of height x width"):
        convert(wrong)


@pytest.mark.parametrize("wrong", [np.zeros((3, 4, 4), np.float32), np.zeros((4, 4), np.uint8), np.zeros(4)])
def test_what_is_not_known_is_refused(wrong):
    with pytest.raises(UsageError, match="known is a float array of 1 x height x width"):
        mask_from_known(wrong)


def test_hole_share_counts_white_pixels():
    assert hole_share(np.array([[0, 127], [128, 0]], np.uint8)) == 0.25
    assert hole_share(np.ones((2, 2), bool)) == 1.0


def test_augmented_masks_are_the_eight_symmetries():
    rng = np.random.default_rng(0)
    mask = np.array([[0, 255, 0], [0, 0, 255]], np.uint8)
    seen = {(turned.shape, turned.tobytes()) for turned in (augment_mask(mask, rng) for _ in range(200))}
    symmetries = [np.rot90(side, quarter) for side in (mask, mask[::-1]) for quarter in range(4)]
    assert seen == {(turned.shape, turned.tobytes()) for turned in symmetries}


@pytest.mark.parametrize("size", ODD_SIZES)
def test_fitted_holes_have_the_size_and_about_the_share(size):
    hole = np.zeros((64, 48), bool)
    hole[16:48] = True
    fitted = fit_holes(hole, *size)
    assert (fitted.shape, fitted.dtype) == (size, bool)
    assert min(size) == 1 or hole_share(fitted) == pytest.approx(0.5, abs=0.05)


def test_fitted_holes_are_those_at_the_nearest_place():
    hole = np.random.default_rng(0).random((64, 48)) < 0.5
    assert np.array_equal(fit_holes(hole, 64, 48), hole)
    assert np.array_equal(fit_holes(hole, 192, 96), np.kron(hole, np.ones((3, 2), bool)))


def test_holes_cannot_be_fitted_to_nothing():
    with pytest.raises(UsageError, match="0 x 4"):
        fit_holes(np.ones((2, 2), bool), 0, 4)


def test_photos_are_mostly_grey_and_masks_are_not():
    photos = [np.asarray(Image.open(path).convert("L")) for path in sorted(PHOTOS.glob("*.jpg"))]
    assert all(is_mostly_grey(photo) for photo in photos)
    mask = draw(0, 320, 480)
    soft = np.asarray(Image.fromarray(mask).filter(ImageFilter.GaussianBlur(4)))
    assert not any(is_mostly_grey(one) for one in (mask, soft, 255 - mask, np.zeros_like(mask), mask // 255))


@pytest.mark.parametrize("wrap", [torch.from_numpy, np.asarray], ids=["torch", "numpy"])
@pytest.mark.parametrize("size", ODD_SIZES)
def test_composite_leaves_known_pixels_bit_identical_and_fills_holes(wrap, size):
    rng = np.random.default_rng(0)
    photo, completed = rng.random((2, 1, 3, *size), dtype=np.float32)
    known = known_from_mask(draw(0, *size))[None]
    result = np.asarray(composite(wrap(photo), wrap(completed), wrap(known)))
    assert result.dtype == np.float32
    assert result.tobytes() == np.where(known == 1, photo, completed).tobytes()


def test_composite_gives_gradients_to_the_completed_holes_only():
    photo, known = torch.rand(1, 3, 2, 2), torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    completed = torch.rand(1, 3, 2, 2, requires_grad=True)
    composite(photo, completed, known).sum().backward()
    assert torch.equal(completed.grad, (1 - known).expand(1, 3, 2, 2))


@pytest.mark.parametrize("wrap", [torch.from_numpy, np.asarray], ids=["torch", "numpy"])
def test_composite_takes_nothing_from_under_the_hole_nor_from_behind_the_photo(wrap):
    photo, completed, known = np.full((3, 1, 1, 2, 2), np.nan, np.float32)
    known[...] = [[1, 0], [0, 1]]
    photo[known == 1], completed[known == 0] = 0.25, 0.75
    result = np.asarray(composite(wrap(photo), wrap(completed), wrap(known)))
    assert np.array_equal(result, np.where(known == 1, np.float32(0.25), np.float32(0.75)))


ADDED = """
from pathlib import Path
from onar.masks import defaults

entry = '    "object":'
exec(Path(defaults.__file__).read_text().replace(entry, '    "corner": "a corner",\\n' + entry), vars(defaults))

from onar.masks import shapes

shapes.draw_corner = lambda canvas, rng, limits: canvas.__setitem__((0, 0), 255)

import onar
from onar.serve.masks.routes import MaskSettings, draw
from onar.settings.training import MaskConfig

assert onar.random_mask(8, 8, "corner", max_masks=1).sum() == 255
assert draw(MaskConfig(mask_type="corner"), seed=0).flags.startswith("--mask_type corner")
assert "corner" in MaskSettings.model_json_schema()["properties"]["mask_type"]["enum"]
try:
    MaskConfig(mask_type="round")
except onar.errors.UsageError as error:
    assert "mixed, corner or object" in str(error), error
"""


def test_a_mask_type_that_is_added_is_one_of_the_settings_and_of_the_pages():
    subprocess.run([sys.executable, "-c", ADDED], check=True)
