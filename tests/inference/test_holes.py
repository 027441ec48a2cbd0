"""The holes of a mask, and of a photo in which holes were erased."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw

from onar.errors import OnarError, UsageError
from onar.imaging.images import read_mask
from onar.inference.holes import _grown, as_holes, fill_visible, find_holes, mask_of_alpha
from onar.masks.generation import random_mask

HOLE = np.zeros((60, 80), bool)
HOLE[20:40, 30:60] = True


# ---------------------------------------------------------------- erased holes
def erased(hole: np.ndarray, softness: float, opacity: int = 255) -> np.ndarray:
    """The alpha of a photo after a brush with a soft edge went over a hole."""
    left = cv2.GaussianBlur(np.where(hole, 0.0, 1.0), None, softness) if softness else np.where(hole, 0.0, 1.0)
    return np.rint(left * opacity).astype(np.uint8)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("opacity", [255, 254, 200])
@pytest.mark.parametrize("softness", [0, 1, 3])
def test_no_rim_of_a_soft_eraser_stays(softness: float, opacity: int, bits: int) -> None:
    alpha = erased(HOLE, softness, opacity)
    mask = mask_of_alpha(alpha if bits == 8 else alpha.astype(np.uint16) * 257)
    assert (mask[alpha < 0.97 * opacity] == 255).all()
    assert (mask[alpha == opacity] == 0).all()


def test_what_is_transparent_for_itself_is_no_hole() -> None:
    alpha = erased(HOLE, 2)
    alpha[5:10, 5:20] = 180
    mask = mask_of_alpha(alpha)
    assert not mask[:12].any()
    assert mask[HOLE].all()


def test_what_a_soft_brush_went_over_is_hole_where_nothing_is_erased_more() -> None:
    assert np.array_equal(mask_of_alpha(np.where(HOLE, 180, 255).astype(np.uint8)) == 255, HOLE)
    assert not mask_of_alpha(np.full((9, 9), 180, np.uint8)).any()
    assert mask_of_alpha(np.zeros((9, 9), np.uint8)).all()


@pytest.mark.parametrize("seed", range(20))
def test_with_hard_edges_what_is_erased_is_the_hole(seed: int) -> None:
    mask = random_mask(50, 70, rng=np.random.default_rng(seed))
    assert np.array_equal(mask_of_alpha(255 - mask), mask)


# ---------------------------------------------------------------- strokes on a transparent layer
COLOURS = ["black", "white", "red", "lime", "blue", "yellow", "gray", "#102030", "#808080"]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_strokes_on_a_transparent_layer_are_holes_whatever_their_colour(mode: str, colour: str) -> None:
    layer = Image.new("RGBA", (80, 60))
    layer.paste(colour, (0, 0), Image.fromarray(HOLE))
    assert np.array_equal(as_holes(layer.convert(mode)), HOLE)


def test_strokes_of_several_colours_with_soft_edges_are_holes_where_they_cover_half() -> None:
    layer = Image.new("RGBA", (80, 60), (255, 255, 255, 0))
    draw = ImageDraw.Draw(layer)
    draw.line((5, 5, 70, 50), fill=(255, 0, 0, 255), width=7)
    draw.line((70, 5, 5, 50), fill=(255, 255, 0, 255), width=7)
    draw.line((5, 30, 70, 30), fill=(0, 0, 90, 100), width=5)
    assert np.array_equal(as_holes(layer), np.asarray(layer.getchannel("A")) >= 128)


def test_a_mask_of_black_and_white_is_one_though_it_is_transparent_in_part() -> None:
    pixels = np.dstack([np.where(HOLE, 255, 0)] * 3 + [np.full(HOLE.shape, 255)]).astype(np.uint8)
    for colour in (0, 255):
        pixels[:, 50:] = (colour, colour, colour, 0)
        expected = HOLE.copy()
        expected[:, 50:] = False
        assert np.array_equal(as_holes(Image.fromarray(pixels)), expected)


def test_a_mask_in_memory_is_set_upright_as_one_in_a_file_is() -> None:
    lying = Image.fromarray(HOLE.astype(np.uint8) * 255).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[274] = 6
    lying.info["exif"] = exif.tobytes()
    assert np.array_equal(as_holes(lying), HOLE)


# ---------------------------------------------------------------- masks of another size
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_smaller_mask_is_enlarged_by_whole_pixels(factor: int) -> None:
    mask = random_mask(30, 40, rng=np.random.default_rng(0))
    height, width = 30 * factor, 40 * factor
    hole = find_holes(mask, size=(height, width))
    assert np.array_equal(hole, np.kron(mask == 255, np.ones((factor, factor), bool)))
    assert np.array_equal(find_holes(255 - mask, invert=True, size=(height, width)), hole)


def test_no_thin_hole_is_lost_in_a_smaller_photo() -> None:
    mask = np.zeros((400, 600), np.uint8)
    mask[101] = mask[:, 303] = 255
    hole = find_holes(mask, size=(100, 150))
    assert hole.sum() == 150 + 100 - 1


@pytest.mark.parametrize("size", [(37, 53), (101, 33), (2000, 1333)])
def test_halves_of_odd_sizes_fit_and_other_proportions_do_not(size: tuple[int, int]) -> None:
    height, width = size
    for half in ((height // 2, width // 2), (-(-height // 2), -(-width // 2)), (height // 2, -(-width // 2))):
        assert find_holes(np.full(half, 255, np.uint8), size=size).shape == size
    with pytest.raises(OnarError, match="its proportions differ"):
        find_holes(np.zeros((height, 2 * width), np.uint8), size=size)
    with pytest.raises(OnarError, match="its proportions differ"):
        find_holes(np.zeros((width, height), np.uint8), size=size)


# ---------------------------------------------------------------- masks of more than 8 bits
@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("kind", ["uint16", "int32", "uint32", "int64", "uint64"])
def test_a_mask_of_wider_integers_is_a_hole_where_it_is_white(kind: str, white: int) -> None:
    expected = np.eye(8, 9, dtype=bool)
    assert np.array_equal(as_holes((expected * white).astype(kind)), expected)


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("name", ["grey.png", "colour.png", "with_alpha.png", "16.tif", "32.tif", "colour.tif"])
def test_a_mask_file_of_more_than_8_bits_is_a_hole_where_it_is_white(tmp_path: Path, name: str, white: int) -> None:
    expected = np.zeros((8, 9), bool)
    expected[2:5, 3:7] = True
    values = (expected * white).astype(np.int32 if name == "32.tif" else np.uint16)
    if "colour" in name:
        values = np.repeat(values[..., None], 3, axis=2)
    if "alpha" in name:
        values = np.dstack([values, values, values, np.full_like(values, 65535)])
    if name.endswith(".png"):
        cv2.imwrite(str(tmp_path / name), values)
    else:
        tifffile.imwrite(tmp_path / name, values, photometric="rgb" if values.ndim == 3 else "minisblack")
    assert np.array_equal(find_holes(read_mask(tmp_path / name)), expected)


@pytest.mark.parametrize("mode", ["I", "I;16"])
def test_a_mask_picture_of_more_than_8_bits_is_a_hole_where_it_is_white(mode: str) -> None:
    expected = np.eye(8, 9, dtype=bool)
    picture = Image.fromarray((expected * 255).astype(np.int32 if mode == "I" else np.uint16))
    assert picture.mode == mode
    assert np.array_equal(as_holes(picture), expected)


@pytest.mark.parametrize("kind", ["uint16", "int32"])
def test_a_mask_of_zeros_and_ones_is_refused_in_wider_integers_too(kind: str) -> None:
    with pytest.raises(UsageError, match=r"brightest value is 1, .* as bool, or times 255"):
        as_holes(np.eye(8, 9, dtype=kind))


def test_negative_numbers_are_no_mask() -> None:
    with pytest.raises(UsageError, match="no mask: it holds negative values, down to -1"):
        as_holes(-np.eye(8, 9, dtype=np.int32))


# ---------------------------------------------------------------- holes grown


def some_holes(rng: np.random.Generator, height: int, width: int, kind: str) -> np.ndarray:
    """A mask, uint8 H×W, with holes of a kind anywhere, also at edges and in corners."""
    mask = np.zeros((height, width), np.uint8)
    if kind == "specks":
        mask[rng.integers(height, size=5), rng.integers(width, size=5)] = 255
    elif kind == "strokes":
        mask = random_mask(height, width, rng=rng)
    elif kind == "strip":
        mask[:, rng.integers(width)] = 255
    elif kind == "corners":
        mask[[0, 0, -1, -1], [0, -1, 0, -1]] = 255
    return mask if kind != "all" else ~mask


@pytest.mark.parametrize("kind", ["specks", "strokes", "strip", "corners", "none", "all"])
@pytest.mark.parametrize("seed", range(6))
def test_holes_grow_as_by_the_distance_over_the_whole_mask(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    mask = some_holes(rng, *rng.integers(1, 700, size=2).tolist(), kind)
    reach = int(rng.choice([1, 2, 5, 31, 32, 33, 64, 200, 1000]))
    hole = mask >= 128
    expected = hole
    if hole.any():
        distance = cv2.distanceTransform((~hole).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        expected = distance <= reach
    before = mask.copy()
    assert np.array_equal(find_holes(mask, dilate=reach), expected)
    assert np.array_equal(mask, before)
    near = _grown(hole, reach, cv2.DIST_C, cv2.DIST_MASK_3)
    square = cv2.dilate(hole.view(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) if reach < 70 else near
    assert np.array_equal(near, square > 0)


# ---------------------------------------------------------------- filling in place


def opposite(pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Holes filled with the opposite colours, in another array."""
    return opposite_in_place(pixels.copy(), hole)


def opposite_in_place(pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
    pixels[hole] = np.iinfo(pixels.dtype).max - pixels[hole]
    return pixels


@pytest.mark.parametrize("fill", [opposite, opposite_in_place])
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("has_alpha", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_fill_changes_visible_holes_only(
    seed: int, has_alpha: bool, channels: tuple[int, ...], bits: int, fill: Callable[..., np.ndarray]
) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(2, 150, size=2).tolist()
    kind, white = np.uint8 if bits == 8 else np.uint16, (1 << bits) - 1
    pixels = rng.integers(0, white + 1, (height, width, *channels)).astype(kind)
    alpha = rng.integers(0, 3, (height, width)).astype(kind) if has_alpha else None
    hole = random_mask(height, width, rng=rng) > 0
    pixels[0], hole[0] = white, False  # the known pixels use all bits
    if alpha is not None:
        alpha[0] = 1
    if bits == 12 and alpha is None:
        pixels[hole] |= 1 << 15  # what a hole holds does not count
    filled, original = pixels.copy(), pixels.copy()
    fill_visible(filled, alpha, hole, fill)
    shown = hole if alpha is None else hole & (alpha > 0)
    expected = pixels.copy()
    expected[shown] = white - (pixels[shown] & white)
    assert np.array_equal(filled, expected)
    assert np.array_equal(pixels, original)
