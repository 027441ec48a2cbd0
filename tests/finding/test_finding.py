"""Damage and text in arrays and pictures, as masks."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import onar
from benchmarks.stamps import STYLES, Stamp, draw_stamp
from onar.errors import OnarError, UsageError
from onar.finding.damage import MARGIN, SIDE, DamageNetwork, halve, windows
from onar.finding.finder import TooMuchFoundError, finder_of
from onar.finding.kinds import KINDS, WITHOUT_EXTRA, MissingExtraError, kinds_of, missing_extra
from onar.weights.bundled import finder_weights
from tests.conftest import PHOTOS

Photo = NDArray[Any]
MASK_VALUES = {0, 255}

needs_finder = pytest.mark.skipif(not finder_weights().is_file(), reason="the network is not in the package yet")
needs_text = pytest.mark.skipif(missing_extra(KINDS["text"]) is not None, reason="the extra text is not installed")
EACH_KIND = [pytest.param(name, marks=needs_text if kind.extra else needs_finder) for name, kind in KINDS.items()]


def a_photo(height: int = 240, width: int = 320) -> Photo:
    return np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize((width, height)))


def with_line(photo: Photo, start: tuple[int, int], end: tuple[int, int]) -> tuple[Photo, NDArray[np.bool_]]:
    """A photo with a bright line, soft as scans are, and its pixels."""
    layer = np.zeros(photo.shape[:2], np.uint8)
    cv2.line(layer, start, end, 255, 2, cv2.LINE_AA)
    share = cv2.GaussianBlur(layer, (0, 0), 0.7)[..., None] / 255
    return (photo * (1 - share) + 245 * share).round().astype(np.uint8), share[..., 0] > 0.4


def scratched(height: int = 240, width: int = 320) -> tuple[Photo, NDArray[np.bool_]]:
    """A photo with a scratch in its left part, and the pixels of it."""
    return with_line(a_photo(height, width), (width // 5, 0), (width // 4, height - 1))


def stamped(seed: int = 0, **options: Any) -> tuple[Photo, NDArray[np.bool_]]:
    photo = a_photo(480, 640)
    return draw_stamp(photo, Stamp("'98 12 25", **options))


def spoiled(name: str) -> Photo:
    return stamped()[0] if name == "text" else scratched()[0]


# ---------------------------------------------------------------- any photo, any options
@pytest.mark.parametrize("name", EACH_KIND)
@pytest.mark.parametrize("seed", range(4))
def test_a_mask_has_the_size_of_its_photo_and_two_values(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for height, width in [(1, 1), (1, 70), (40, 2), *rng.integers(1, 200, (2, 2)).tolist()]:
        kind, channels = rng.choice([np.uint8, np.uint16]), rng.choice([0, 3])
        shape = (height, width, 3) if channels else (height, width)
        photo = rng.integers(0, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)
        mask = onar.find(photo, name, max_share=1)
        assert (mask.shape, mask.dtype) == ((height, width), np.uint8)
        assert set(np.unique(mask).tolist()) <= MASK_VALUES


@pytest.mark.parametrize("name", EACH_KIND)
def test_a_higher_sensitivity_never_marks_less(name: str) -> None:
    masks = [onar.find(spoiled(name), name, sensitivity=at, max_share=1) > 0 for at in (0.0, 0.3, 0.5, 0.8, 1.0)]
    assert all((more | less == more).all() for less, more in pairwise(masks))
    assert masks[2].any()


@pytest.mark.parametrize("name", EACH_KIND)
def test_marks_grow_by_pixels(name: str) -> None:
    photo = spoiled(name)
    masks = [onar.find(photo, name, grow=by, max_share=1) > 0 for by in (0, 1, 4)]
    assert all((more | less == more).all() and more.sum() > less.sum() for less, more in pairwise(masks))
    assert np.array_equal(
        onar.find(photo, name, max_share=1), onar.find(photo, name, grow=KINDS[name].grow, max_share=1)
    )


@pytest.mark.parametrize("name", EACH_KIND)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_marked_outside_a_rectangle_in_pixels_or_shares(name: str, seed: int) -> None:
    photo, rng = spoiled(name), np.random.default_rng(seed)
    height, width = photo.shape[:2]
    left, top = int(rng.integers(0, width - 1)), int(rng.integers(0, height - 1))
    wide, tall = int(rng.integers(2, width)), int(rng.integers(2, height))
    for within in [(left, top, wide, tall), (left / width, top / height, wide / width, tall / height)]:
        mask = onar.find(photo, name, within=within, max_share=1)
        mask[top : top + tall, left : left + wide] = 0
        assert not mask.any()


@needs_finder
def test_several_kinds_are_the_union_of_each() -> None:
    photo = scratched()[0]
    each = [onar.find(photo, name) for name in WITHOUT_EXTRA]
    assert np.array_equal(onar.find(photo, WITHOUT_EXTRA), np.maximum(*each))
    assert np.array_equal(onar.find(photo, ", ".join(WITHOUT_EXTRA)), np.maximum(*each))


# ---------------------------------------------------------------- damage
@needs_finder
@pytest.mark.parametrize("change", [
    pytest.param(lambda photo: photo, id="8 bits"),
    pytest.param(lambda photo: photo.astype(np.uint16) * 257, id="16 bits"),
    pytest.param(lambda photo: photo.astype(np.uint16) << 2, id="10 of 16 bits"),
    pytest.param(lambda photo: np.asarray(Image.fromarray(photo).convert("L")), id="grey"),
])  # fmt: skip
def test_a_scratch_is_found_in_every_depth(change: Callable[[Photo], Photo]) -> None:
    photo, line = scratched()
    mask = onar.find(change(photo), "scratches", sensitivity=0.7) > 0
    assert mask[line].mean() > 0.7
    assert mask[:, 200:].mean() < 0.02


@needs_finder
def test_a_scratch_is_found_across_windows() -> None:
    photo, line = with_line(np.tile(a_photo(), (1, 6, 1)), (SIDE - 3 * MARGIN, 60), (SIDE + 3 * MARGIN, 150))
    mask = onar.find(photo, "scratches", sensitivity=0.7, max_share=1) > 0
    joint = slice(SIDE - 2 * MARGIN, SIDE + MARGIN)
    assert mask[:, joint][line[:, joint]].mean() > 0.7


def test_windows_cover_each_pixel_once_with_context() -> None:
    for height, width in [(1, 1), (SIDE, SIDE), (SIDE + 1, 10), (2500, 1700)]:
        seen = np.zeros((height, width), int)
        for core, shown in windows(height, width):
            seen[core.slices] += 1
            assert max(shown.height, shown.width) <= SIDE
            assert core.top - shown.top in (0, core.top, MARGIN)
        assert (seen == 1).all()


def test_halving_repeats_the_last_row_of_an_odd_side() -> None:
    assert halve(np.array([[0, 2, 4], [2, 4, 6], [8, 8, 8]], np.uint8)).tolist() == [[2, 5], [8, 8]]


@needs_finder
def test_transparent_pixels_are_neither_seen_nor_marked() -> None:
    photo, _ = scratched()
    alpha = np.full(photo.shape[:2], 255, np.uint8)
    alpha[:, 200:] = 0
    garbage = photo.copy()
    garbage[:, 200:] = np.random.default_rng(0).integers(0, 256, garbage[:, 200:].shape)
    masks = [onar.find(Image.fromarray(np.dstack([one, alpha])), "scratches,dust") for one in (photo, garbage)]
    assert np.array_equal(*masks)
    assert not masks[0][:, 200:].any()
    assert masks[0].any()


@needs_finder
def test_the_mask_of_a_turned_picture_is_upright(tmp_path: Path) -> None:
    photo, _ = scratched(120, 200)
    picture = Image.fromarray(np.rot90(photo).copy())
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    picture.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as turned:
        mask = onar.find(turned, "scratches", max_share=1)
    assert np.array_equal(mask, onar.find(photo, "scratches", max_share=1))


def test_a_file_that_is_no_such_network_is_refused() -> None:
    from onar.weights.bundled import texture_weights

    with pytest.raises(OnarError, match="its metadata name no threshold"):
        DamageNetwork(texture_weights(), WITHOUT_EXTRA, "cpu")


# ---------------------------------------------------------------- text
@needs_text
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("colour", ["orange", "red"])
@pytest.mark.parametrize("turns", [0, 1, 3])
@pytest.mark.parametrize("corner", ["bottom right", "bottom left"])
def test_a_date_stamp_is_found(style: str, colour: str, turns: int, corner: str) -> None:
    photo, strokes = stamped(style=style, colour=colour, turns=turns, corner=corner, height=0.05)
    mask = onar.find(photo, "text") > 0
    assert mask[strokes].mean() > 0.98
    assert mask.mean() < 10 * strokes.mean()


@needs_text
def test_a_caption_is_found_by_its_strokes_and_not_its_box() -> None:
    from PIL import ImageDraw, ImageFont

    picture = Image.fromarray(a_photo(480, 640))
    before = np.asarray(picture).astype(int)
    ImageDraw.Draw(picture).text((60, 60), "Summer by the sea", "white", ImageFont.load_default(36))
    strokes = np.abs(np.asarray(picture).astype(int) - before).max(axis=2) > 60
    mask = onar.find(picture, "text") > 0
    assert mask[strokes].mean() > 0.97
    rows, columns = np.nonzero(strokes)
    box = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert box.mean() < 0.9
    assert mask[200:].sum() == 0


@needs_text
@pytest.mark.parametrize("photo", sorted(PHOTOS.glob("*.jpg"))[::8], ids=lambda path: path.stem)
def test_photos_without_text_stay_unmarked(photo: Path) -> None:
    with Image.open(photo) as picture:
        assert not onar.find(picture.convert("RGB"), "text").any()


@needs_text
def test_a_text_is_found_without_network_home_or_a_writable_package(tmp_path: Path) -> None:
    program = (
        "import socket, sys, numpy as np, onar\n"
        "def refuse(*_, **__): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "onar.find(np.zeros((64, 64, 3), np.uint8), 'text')\n"
        "print([name for name in sys.modules if name.startswith('rapidocr')])\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "ONAR_CACHE": "off"}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == ("[]\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onar.finding.text_networks.find_spec", lambda _: None)
    finder_of.__globals__["_kept_finder"].cache_clear()
    with pytest.raises(MissingExtraError, match=r'pip install "onar\[text\]" \(rapidocr is missing\)'):
        finder_of("text").load()
    finder_of.__globals__["_kept_finder"].cache_clear()


# ---------------------------------------------------------------- wrong use
@needs_finder
def test_a_photo_of_which_too_much_would_be_marked_is_refused() -> None:
    with pytest.raises(TooMuchFoundError, match=r"% of the photo would be marked, and max_share allows 0\.1%"):
        onar.find(scratched()[0], "scratches", max_share=0.001)


@pytest.mark.parametrize(("options", "message"), [
    ({"what": "wires"}, "what takes some of scratches,dust,text, not 'wires'"),
    ({"what": ""}, "what takes some of"),
    ({"what": ["dust", 3]}, "what takes some of"),
    ({"sensitivity": 1.5}, "sensitivity must be from 0 to 1"),
    ({"sensitivity": float("nan")}, "sensitivity takes a number"),
    ({"grow": -1}, "grow must be from 0 to 1000"),
    ({"within": (0, 0, 0, 1)}, "within takes W and H above 0"),
    ({"within": (-1, 0, 1, 1)}, "within takes X and Y of at least 0"),
    ({"within": (500, 0, 10, 10)}, "within 500 0 10 10 holds no pixel of the photo of 320 x 240"),
    ({"within": (1, 2)}, "within takes"),
    ({"max_share": 0}, "max_share must be above 0"),
])  # fmt: skip
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        onar.find(a_photo(), **{"what": "dust", **options})


@pytest.mark.parametrize("photo", [
    None, "photo.jpg", np.zeros((4, 4), float), np.zeros((4, 4, 4), np.uint8), np.zeros(4, np.uint8),
    np.zeros((0, 4, 3), np.uint8), Image.new("CMYK", (4, 4)), [[1, 2]],
])  # fmt: skip
def test_what_is_no_photo_is_refused(photo: Any) -> None:
    with pytest.raises(UsageError, match="photo is"):
        onar.find(photo)


def test_kinds_come_in_one_order() -> None:
    assert [kind.name for kind in kinds_of(["text", "dust,scratches"])] == ["scratches", "dust", "text"]
