"""The endpoints of the page's editor; together they give the same files as completing."""

import asyncio
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from onar.imaging.decoding import Decoded
from onar.imaging.formats.png import write_png
from onar.imaging.formats.tiff import write_tiff
from onar.imaging.images import PhotoBytes, open_picture
from onar.serve.api import create_app
from onar.serve.config import ServeConfig
from onar.serve.editor.tasks import VIEW_SIZE
from onar.serve.weights import WeightsShelf
from onar.serve.worker import Worker
from tests.support.bad_requests import JPEG, MASK, PHOTO, a_zip, png_of_size
from tests.support.pictures import COFFEE, a_hole, encode, written
from tests.support.server import Server, run_async, server_in_process

pytestmark = pytest.mark.process

HEIGHT, WIDTH = 96, 128
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION = 0x0112


def ask(server: Server, path: str, files: list[tuple[str, bytes]], **fields: object) -> httpx.Response:
    parts = [*((name, ("file", content)) for name, content in files)]
    parts += [(name, (None, str(value))) for name, values in fields.items() for value in as_list(values)]
    return httpx.post(f"{server.url}/api/{path}", files=parts, timeout=60)


def asked(server: Server, path: str, files: list[tuple[str, bytes]], **fields: object) -> httpx.Response:
    answer = ask(server, path, files, **fields)
    assert answer.status_code == 200, answer.text
    return answer


def as_list(values: object) -> list[object]:
    return values if isinstance(values, list) else [values]


def colours() -> NDArray[np.uint8]:
    return np.asarray(Image.open(COFFEE).convert("RGB").resize((WIDTH, HEIGHT)))


def deep(bits: int = 16) -> NDArray[np.uint16]:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint16)
    return (colours().astype(np.uint16) * 256 + noise) >> (16 - bits)


def fading() -> NDArray[np.uint8]:
    """Alpha that is 0 on the left and 255 on the right."""
    return np.repeat(np.linspace(-40, 300, WIDTH).clip(0, 255).astype(np.uint8)[None], HEIGHT, axis=0)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010F] = "Camera"
    return exif


def pages() -> bytes:
    first, second = Image.fromarray(colours()), Image.fromarray(colours()[::-1])
    return encode(first, "TIFF", save_all=True, append_images=[second])


def gamma() -> bytes:
    whole = encode(colours())
    chunk = bytes.fromhex("0000000467414d41000186a0 31e8965f".replace(" ", ""))  # a gamma of 1
    return whole[:33] + chunk + whole[33:]


PHOTOS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encode(colours(), "JPEG", quality=80, icc_profile=PROFILE),
    "grey JPEG": lambda: encode(colours()[..., 0], "JPEG"),
    "JPEG on its side": lambda: encode(colours(), "JPEG", exif=turned(6)),
    "JPEG upside down": lambda: encode(colours(), "JPEG", exif=turned(3)),
    "JPEG of ink": lambda: encode(Image.fromarray(colours()).convert("CMYK"), "JPEG"),
    "PNG of 16 bits": lambda: written(write_png, np.dstack([deep(), fading() * np.uint16(257)]), icc_profile=PROFILE),
    "PNG of 12 in 16 bits": lambda: written(write_png, deep(12)),
    "grey PNG of 16 bits, in part transparent": lambda: written(
        write_png, np.dstack([deep()[..., 1], fading() * np.uint16(257)])
    ),
    "PNG, in part transparent": lambda: encode(np.dstack([colours(), fading()])),
    "PNG with a gamma": gamma,
    "PNG on its side": lambda: encode(colours(), exif=turned(8)),
    "GIF": lambda: encode(Image.fromarray(colours()).quantize(64), "GIF"),
    "WebP": lambda: encode(colours(), "WEBP", lossless=True, exif=turned(1)),
    "BMP": lambda: encode(colours(), "BMP"),
    "TIFF of 16 bits": lambda: written(write_tiff, deep()),
    "TIFF of two pages": pages,
}


def upright(photo: bytes) -> Decoded:
    """A photo as it is filled."""
    from onar.imaging.orientation import find_turn

    with open_picture(PhotoBytes("photo", photo)) as opened:
        return opened.decode(find_turn(opened.image))


def rectangle(photo: bytes) -> tuple[NDArray[np.bool_], tuple[slice, slice], str]:
    """A hole with an uneven edge, whole and as the part of the photo that it lies in."""
    hole = np.zeros(upright(photo).pixels.shape[:2], bool)
    hole[30:60, 40:70] = np.random.default_rng(1).random((30, 30)) < 0.8
    hole[30, 40] = hole[59, 69] = True
    return hole, (slice(30, 60), slice(40, 70)), "40,30"


def fill(server: Server, photo: bytes, **fields: object) -> httpx.Response:
    hole, place, at = rectangle(photo)
    mask = encode(hole[place].astype(np.uint8) * 255)
    return asked(server, "fill", [("photo", photo), ("mask", mask)], at=at, **fields)


# ---------------------------------------------------------------- all together
@pytest.mark.parametrize("name", PHOTOS)
def test_a_photo_with_a_fill_is_byte_for_byte_the_completed_photo(server: Server, name: str) -> None:
    photo = PHOTOS[name]()
    hole, _, at = rectangle(photo)
    saved = asked(server, "save", [("photo", photo), ("earlier", fill(server, photo).content)], earlier_at=at)
    completed = asked(server, "complete", [("photo", photo), ("mask", encode(hole.astype(np.uint8) * 255))])
    assert saved.content == completed.content
    assert saved.content != photo
    assert saved.headers["content-disposition"] == completed.headers["content-disposition"]


@pytest.mark.parametrize("name", PHOTOS)
def test_a_fill_is_as_deep_and_as_coloured_as_the_photo_and_transparent_elsewhere(server: Server, name: str) -> None:
    photo = PHOTOS[name]()
    hole, place, _ = rectangle(photo)
    answer = fill(server, photo)
    with open_picture(PhotoBytes("fill", answer.content)) as opened:
        filled = opened.decode(None)
        profile = opened.image.info.get("icc_profile")
        assert ORIENTATION not in opened.image.getexif()
    source = upright(photo)
    assert (filled.pixels.dtype, filled.pixels.ndim) == (source.pixels.dtype, source.pixels.ndim)
    assert (profile or b"") == source.icc_profile
    shown = hole[place] if source.alpha is None else hole[place] & (source.alpha[place] > 0)
    assert np.array_equal(filled.alpha, shown * np.iinfo(source.pixels.dtype).max)
    assert int(answer.headers["onar-filled"]) == np.count_nonzero(shown)


def test_a_later_fill_sees_the_earlier_ones_as_if_they_were_in_the_photo(server: Server) -> None:
    photo = PHOTOS["TIFF of 16 bits"]()
    first = fill(server, photo).content
    mask = encode(np.full((20, 40), 255, np.uint8))
    earlier = [("photo", photo), ("earlier", first)]
    second = asked(server, "fill", [*earlier, ("mask", mask)], earlier_at="40,30", at="60,50").content
    with_first = asked(server, "save", earlier, earlier_at="40,30").content
    assert second == asked(server, "fill", [("photo", with_first), ("mask", mask)], at="60,50").content
    assert second != asked(server, "fill", [("photo", photo), ("mask", mask)], at="60,50").content
    both = asked(server, "save", [*earlier, ("earlier", second)], earlier_at=["40,30", "60,50"]).content
    assert both == asked(server, "save", [("photo", with_first), ("earlier", second)], earlier_at="60,50").content


@pytest.mark.parametrize("name", ["JPEG", "PNG of 12 in 16 bits", "grey PNG of 16 bits, in part transparent"])
def test_parts_of_a_hole_that_lie_far_apart_are_filled_as_in_one_rectangle(server: Server, name: str) -> None:
    photo = PHOTOS[name]()
    mask = np.zeros(upright(photo).pixels.shape[:2], np.uint8)
    mask[2:12, 3:10] = mask[70:90, 80:120] = 255
    sheet = np.zeros((30, 40), np.uint8)
    sheet[:10, :7] = sheet[10:] = 255
    at, whole = "3,2,7,10;80,70,40,20", encode(mask)
    apart = asked(server, "fill", [("photo", photo), ("mask", encode(sheet))], at=at)
    together = asked(server, "fill", [("photo", photo), ("mask", whole)], at="0,0")
    assert Image.open(io.BytesIO(apart.content)).size == (40, 30)
    assert apart.headers["onar-filled"] == together.headers["onar-filled"]
    one = asked(server, "save", [("photo", photo), ("earlier", apart.content)], earlier_at=at).content
    other = asked(server, "save", [("photo", photo), ("earlier", together.content)], earlier_at="0,0").content
    assert one == other != photo


def test_without_a_fill_the_photo_comes_back_byte_for_byte_and_in_other_formats_whole(server: Server) -> None:
    photo = PHOTOS["JPEG"]()
    assert asked(server, "save", [("photo", photo)]).content == photo
    as_png = asked(server, "save", [("photo", photo)], format="png")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(as_png.content))), upright(photo).pixels)


@pytest.mark.parametrize("name", PHOTOS)
def test_a_crop_is_a_part_of_the_photo_with_its_depth_metadata_and_fills(server: Server, name: str) -> None:
    photo = PHOTOS[name]()
    _, _, at = rectangle(photo)
    sent = [("photo", photo), ("earlier", fill(server, photo).content)]
    whole = upright(asked(server, "save", sent, earlier_at=at, format="tiff").content)
    cropped = asked(server, "save", sent, earlier_at=at, format="tiff", crop="33,17,40,50")
    part = upright(cropped.content)
    assert part.pixels.dtype == whole.pixels.dtype
    assert np.array_equal(part.pixels, whole.pixels[17:67, 33:73])
    assert whole.alpha is None or np.array_equal(part.alpha, whole.alpha[17:67, 33:73])
    assert part.icc_profile == whole.icc_profile


def test_a_cropped_jpeg_says_its_size_and_that_it_is_compressed_again(server: Server) -> None:
    exif = turned(6)
    exif.get_ifd(0x8769).update({0xA002: WIDTH, 0xA003: HEIGHT})
    photo = encode(colours(), "JPEG", exif=exif)
    answer = asked(server, "save", [("photo", photo)], crop="8,8,40,50")
    assert [loss["key"] for loss in json.loads(answer.headers["onar-losses"])] == ["compresses"]
    with Image.open(io.BytesIO(answer.content)) as result:
        details = result.getexif().get_ifd(0x8769)
        assert (result.format, result.size, details[0xA002], details[0xA003]) == ("JPEG", (40, 50), 40, 50)
        assert result.getexif()[ORIENTATION] == 1
    assert np.abs(upright(answer.content).pixels.astype(int) - upright(photo).pixels[8:58, 8:48]).mean() < 4


def test_losses_are_reported_when_a_photo_is_opened_and_when_it_is_saved(server: Server) -> None:
    opened = asked(server, "view", [("photo", pages())])
    assert json.loads(opened.headers["onar-losses"]) == [{"key": "first_picture", "values": {"count": 2}}]
    photo = PHOTOS["PNG of 16 bits"]()
    assert "onar-losses" not in asked(server, "view", [("photo", photo)]).headers
    saved = asked(server, "save", [("photo", photo)], format="jpeg")
    assert [loss["key"] for loss in json.loads(saved.headers["onar-losses"])] == ["no_bits", "no_alpha", "compresses"]


# ---------------------------------------------------------------- one by one
@pytest.mark.parametrize("name", PHOTOS)
def test_a_view_shows_the_photo_as_it_is_filled(server: Server, name: str) -> None:
    photo = PHOTOS[name]()
    answer = asked(server, "view", [("photo", photo)])
    source = upright(photo)
    height, width = source.pixels.shape[:2]
    assert answer.headers["onar-size"] == f"{width}x{height}"
    view = Image.open(io.BytesIO(answer.content))
    assert (view.size, view.info.get("icc_profile") or b"") == ((width, height), source.icc_profile)
    assert np.abs(np.asarray(view.convert("RGB")).astype(int) - np.asarray(source.rgb)).mean() < 3
    assert ("A" in view.getbands()) == (source.alpha is not None)
    assert (b"gAMA" in answer.content) == (b"gAMA" in photo)


def test_a_large_photo_is_seen_smaller_and_whole(server: Server) -> None:
    answer = asked(server, "view", [("photo", encode(Image.open(COFFEE).resize((3000, 200)), "JPEG"))])
    assert answer.headers["onar-size"] == "3000x200"
    assert Image.open(io.BytesIO(answer.content)).size == (VIEW_SIZE, 171)


@pytest.mark.parametrize("name", ["JPEG on its side", "PNG of 12 in 16 bits", "PNG, in part transparent"])
def test_a_part_is_seen_with_every_pixel_or_with_the_mean_of_some(server: Server, name: str) -> None:
    photo = PHOTOS[name]()
    whole = Image.open(io.BytesIO(asked(server, "view", [("photo", photo)]).content))
    answer = asked(server, "view", [("photo", photo)], parts="10,20,30,40")
    part = Image.open(io.BytesIO(answer.content))
    assert (answer.headers["onar-size"], part.size) == (f"{whole.width}x{whole.height}", (30, 40))
    differences = np.abs(np.asarray(part, int) - np.asarray(whole.crop((10, 20, 40, 60)), int))
    assert differences.mean() < 4  # both may be JPEGs
    two = Image.open(io.BytesIO(asked(server, "view", [("photo", photo)], parts="0,0,5,9;10,20,30,40").content))
    assert two.size == (30, 49)
    assert np.abs(np.asarray(two.crop((0, 9, 30, 49)), int) - np.asarray(part, int)).mean() < 4
    reduced = asked(server, "view", [("photo", photo)], parts="10,20,30,40", reduction=4)
    smaller = Image.open(io.BytesIO(reduced.content))
    assert np.abs(np.asarray(smaller, int) - np.asarray(part.reduce(4), int)).mean() < 4


def test_a_mask_is_white_or_black_and_upright(server: Server) -> None:
    levels = np.tile(np.array([0, 127, 128, 255], np.uint8), (3, 1))
    answer = asked(server, "mask", [("mask", encode(levels))])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.content))), np.where(levels < 128, 0, 255))
    on_its_side = asked(server, "mask", [("mask", encode(levels, exif=turned(6)))])
    assert (answer.headers["onar-size"], on_its_side.headers["onar-size"]) == ("4x3", "3x4")


@pytest.mark.parametrize("heal", [False, True])
@pytest.mark.parametrize("name", PHOTOS)
def test_a_stroke_copies_at_the_photo_s_own_depth_and_nothing_else_changes(
    server: Server, name: str, heal: bool
) -> None:
    photo = PHOTOS[name]()
    source = upright(photo)
    strength = np.full((16, 16), 255, np.uint8)
    fields = {"at": "40,32", "offset": "-24,16", "heal": heal}
    cloned = asked(server, "clone", [("photo", photo), ("mask", encode(strength))], **fields)
    here, there = np.s_[32:48, 40:56], np.s_[48:64, 16:32]
    shown = np.ones((16, 16), bool)
    if source.alpha is not None:
        shown = (source.alpha[here] > 0) & (source.alpha[there] > 0)
    assert int(cloned.headers["onar-filled"]) == np.count_nonzero(shown)
    saved = asked(server, "save", [("photo", photo), ("earlier", cloned.content)], earlier_at="40,32", format="tiff")
    result = upright(saved.content)
    expected = source.pixels.copy()
    expected[here][shown] = (result if heal else source).pixels[here if heal else there][shown]
    assert np.array_equal(result.pixels, expected)
    assert source.alpha is None or np.array_equal(result.alpha, source.alpha)
    assert result.pixels.max() <= (4095 if "12 in 16" in name else np.iinfo(result.pixels.dtype).max)


def test_a_stroke_keeps_the_blocks_of_a_jpeg_that_it_does_not_touch_and_sees_earlier_fills(server: Server) -> None:
    photo = PHOTOS["JPEG on its side"]()
    sent = [("photo", photo), ("mask", encode(np.full((16, 16), 255, np.uint8)))]
    first = asked(server, "clone", sent, at="32,32", offset="0,40").content
    second = asked(server, "clone", [*sent, ("earlier", first)], earlier_at="32,32", at="64,32", offset="-32,0").content
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(first))), np.asarray(Image.open(io.BytesIO(second))))
    saved = asked(server, "save", [("photo", photo), ("earlier", first)], earlier_at="32,32").content
    before, after = (upright(each).pixels.astype(int) for each in (photo, saved))
    changed = np.abs(after - before).max(axis=2) > 0
    assert changed[32:48, 32:48].any()
    changed[16:64, 16:64] = False  # its blocks, and the next ones by the filter of their colours
    assert not changed.any()


def test_a_source_outside_of_the_photo_is_not_copied(server: Server) -> None:
    sent = [("photo", encode(colours())), ("mask", encode(np.full((9, 9), 255, np.uint8)))]
    partly = asked(server, "clone", sent, at="0,0", offset="-4,0")
    assert partly.headers["onar-filled"] == str(9 * 5)
    assert asked(server, "clone", sent, at="0,0", offset="0,-9", heal="true").headers["onar-filled"] == "0"


WITH_A_SQUARE = {
    "JPEG": lambda square: encode(square, "JPEG", quality=95),
    "grey PNG of 16 bits": lambda square: written(write_png, square[..., 2] * np.uint16(257)),
}


@pytest.mark.parametrize("name", WITH_A_SQUARE)
def test_an_outline_is_a_mask_within_its_lasso_that_sees_the_fills(server: Server, name: str) -> None:
    square = np.full((HEIGHT, WIDTH, 3), 90, np.uint8) + colours() // 8
    square[35:55, 45:65] = (240, 30, 200)
    photo = WITH_A_SQUARE[name](square)
    lasso = np.hypot(*(np.mgrid[:40, :40] - 19.5)) < 19
    sent = [("photo", photo), ("mask", encode(lasso.astype(np.uint8) * 255))]
    answer = asked(server, "outline", sent, at="35,25")
    outline = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert np.array_equal(outline[9:31, 9:31], np.full((22, 22), 255))
    assert np.count_nonzero(outline) <= 24**2
    assert not outline[~lasso].any()
    away = asked(
        server, "fill", [("photo", photo), ("mask", encode(np.full((26, 26), 255, np.uint8)))], at="42,32"
    ).content
    without = asked(server, "outline", [*sent, ("earlier", away)], at="35,25", earlier_at="42,32")
    assert np.count_nonzero(np.asarray(Image.open(io.BytesIO(without.content)))[10:30, 10:30]) < 200


def test_a_fill_has_the_weights_the_texture_and_the_try_that_were_chosen(server: Server) -> None:
    photo = encode(Image.open(COFFEE).convert("RGB").crop((0, 0, 200, 150)))
    mask = encode(np.full((60, 60), 255, np.uint8))

    def content(**fields: object) -> bytes:
        return asked(server, "fill", [("photo", photo), ("mask", mask)], at="50,40", **fields).content

    assert content(weights="pyramid") == content()
    tries = [
        content(),
        content(texture="patches"),
        content(texture="patches", seed=1),
        content(weights="generator_small.pth"),
        content(weights="generator_small.pth", feather=9),
    ]
    assert len(set(tries)) == len(tries)


def test_transparent_pixels_are_not_filled_nor_counted(server: Server) -> None:
    photo = encode(np.dstack([colours(), np.zeros((HEIGHT, WIDTH), np.uint8)]))
    assert fill(server, photo).headers["onar-filled"] == "0"


REFUSED = 422, "bad_request"
NOT_A_FILL = (*REFUSED, "an earlier fill is not one of this photo")
HOLE = {"photo": PHOTO, "mask": MASK}
NINE = {"photo": PHOTO, "mask": encode(np.full((9, 9), 255, np.uint8))}
FILL = {"photo": PHOTO, "earlier_at": "0,0"}
PARTS = {"photo": PHOTO, "parts": ";".join(["0,0,64,48"] * 4000)}
LARGE_FILLS = {"photo": PHOTO, "earlier": [png_of_size(1000, 1000)] * 241, "earlier_at": ["0,0"] * 241}
MANY_FILLS = {"photo": PHOTO, "earlier": [b"1"] * 1100, "earlier_at": ["0,0"] * 1100}
BAD: dict[str, tuple[str, dict[str, Any], int, str, str]] = {
    "text to look at": ("view", {"photo": b"text"}, 415, "not_a_picture", "the photo: not a picture"),
    "zip to look at": ("view", {"photo": a_zip()}, 415, "not_a_picture", "the photo: not a picture"),
    "half a JPEG": ("view", {"photo": JPEG[:700]}, 400, "bad_picture", "the photo: damaged"),
    "3600 megapixels": ("view", {"photo": png_of_size(60_000, 60_000)}, 413, "too_many_pixels", "max_megapixels"),
    "too many bytes": ("view", {"photo": bytes(21_000_000)}, 413, "body_too_large", "larger than 20 MB"),
    "nothing to look at": ("view", {"at": "1,1"}, *REFUSED, "at: Extra inputs"),
    "no photo": ("view", {"keep": "true"}, *REFUSED, "give either photo or photo_id"),
    "text as mask": ("mask", {"mask": b"text"}, 415, "not_a_picture", "the mask: not a picture"),
    "large mask": ("mask", {"mask": png_of_size(9000, 9000)}, 413, "too_many_pixels", "the mask: larger than 10"),
    "no place": ("fill", HOLE, *REFUSED, "at: Field required"),
    "place of words": ("fill", HOLE | {"at": "left"}, *REFUSED, "at: .*LEFT,TOP"),
    "half a place": ("fill", HOLE | {"at": "3,"}, *REFUSED, "at: .*not LEFT,TOP"),
    "place below 0": ("fill", HOLE | {"at": "-1,0"}, *REFUSED, "at: .*LEFT,TOP of 0 or more"),
    "place without end": ("fill", HOLE | {"at": "9" * 9000}, *REFUSED, "at: "),
    "outside": ("fill", HOLE | {"at": "1,0"}, *REFUSED, "64 x 48 pixels at 1,0 are not all on the photo of 64 x 48"),
    "part outside": (
        "view",
        PARTS | {"parts": "60,0,9,9"},
        *(*REFUSED, "9 x 9 pixels at 60,0 are not all on the photo of 64 x 48"),
    ),
    "photo many times": ("view", PARTS, *REFUSED, "the parts have more than 10 megapixels together"),
    "part of nothing": ("view", PARTS | {"parts": "1,1,0,9"}, *REFUSED, "has no pixels"),
    "part that is a place": ("view", PARTS | {"parts": "1,1"}, *REFUSED, "not LEFT,TOP,WIDTH,HEIGHT"),
    "many rectangles": ("fill", NINE | {"at": "0,0,9,5;20,20,9,5"}, *REFUSED, "does not hold all of its rectangles"),
    "few rectangles": ("fill", NINE | {"at": "0,0,9,5"}, *REFUSED, "a picture of 9 rows has rectangles of 5 rows"),
    "lasso outside": ("outline", HOLE | {"at": "1,0"}, *REFUSED, "64 x 48 pixels at 1,0 are not all on the photo"),
    "crop outside": ("save", {"photo": PHOTO, "crop": "60,0,9,9"}, *REFUSED, "9 x 9 pixels at 60,0 are not all on"),
    "two crops": ("save", {"photo": PHOTO, "crop": "0,0,9,9;1,1,9,9"}, *REFUSED, "crop: give one rectangle"),
    "offset of words": ("clone", HOLE | {"at": "0,0", "offset": "left"}, *REFUSED, "offset: .*not RIGHT,DOWN"),
    "no offset": ("clone", HOLE | {"at": "0,0"}, *REFUSED, "offset: Field required"),
    "stroke outside": ("clone", HOLE | {"at": "1,0", "offset": "1,1"}, *REFUSED, "64 x 48 pixels at 1,0 are not all"),
    "black stroke": (
        "clone",
        {"photo": PHOTO, "mask": encode(np.zeros((9, 9), np.uint8)), "at": "0,0", "offset": "1,1"},
        *(*REFUSED, "the mask is black: there is nothing to paint"),
    ),
    "lasso of two parts": ("outline", NINE | {"at": "0,0,9,5;20,20,9,4"}, *REFUSED, "a lasso is one rectangle"),
    "no hole": (
        "fill",
        {"photo": PHOTO, "mask": encode(np.full((9, 9), 9, np.uint8)), "at": "0,0"},
        *(*REFUSED, "the mask has no hole: its brightest value is 9"),
    ),
    "weights of another place": (
        "fill",
        HOLE | {"at": "0,0", "weights": "../../etc/passwd"},
        *(422, "unknown_weights", "there are no weights named ../../etc/passwd"),
    ),
    "fill without its place": ("save", {"photo": PHOTO, "earlier": PHOTO}, *REFUSED, "1 earlier fills need"),
    "fill that is none": ("save", FILL | {"earlier": PHOTO}, *NOT_A_FILL),
    "fill of another depth": (
        "save",
        FILL | {"earlier": written(write_png, np.zeros((9, 9, 4), np.uint16))},
        *NOT_A_FILL,
    ),
    "fill of text": ("save", FILL | {"earlier": b"text"}, 415, "not_a_picture", "an earlier fill: not a picture"),
    "giant fill": (
        "save",
        FILL | {"earlier": png_of_size(60_000, 60_000)},
        *(413, "too_many_pixels", "an earlier fill: larger than"),
    ),
    "hundreds of large fills": (
        "save",
        LARGE_FILLS,
        *(413, "too_many_fills", "earlier fills are larger than 240 megapixels together: save the photo"),
    ),
    "unknown format": ("save", {"photo": PHOTO, "format": "exe"}, *REFUSED, "format: "),
    "two photos": ("view", {"photo": [PHOTO, PHOTO]}, 400, "malformed", "Too many files"),
    "two places": ("fill", HOLE | {"at": ["0,0", "1,1"]}, *REFUSED, "at: given more than once"),
    "unknown field": ("view", {"photo": PHOTO, "mask": "1"}, *REFUSED, "mask: Extra inputs"),
    "thousands of fills": ("save", MANY_FILLS, 400, "malformed", "Too many files"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_of_the_editor_is_answered_in_one_line(server: Server, name: str) -> None:
    path, parts, status, error, words = BAD[name]
    files = [(part, content) for part, values in parts.items() for content in as_list(values) if type(content) is bytes]
    fields = {part: values for part, values in parts.items() if type(as_list(values)[0]) is str}
    answer = ask(server, path, files, **fields)
    body = answer.json()
    assert (answer.status_code, body["error"], set(body)) == (status, error, {"error", "message"}), answer.text
    assert re.search(words, body["message"])
    assert body["message"].isprintable()
    assert len(body["message"]) < 300


@pytest.mark.parametrize("path", ["view", "mask", "fill", "clone", "save"])
def test_the_editor_s_endpoints_take_forms_alone_and_say_so_in_openapi(server: Server, path: str) -> None:
    answer = httpx.post(f"{server.url}/api/{path}", json={})
    assert (answer.status_code, answer.json()["error"]) == (415, "bad_content_type")
    post = httpx.get(f"{server.url}/api/openapi.json").json()["paths"][f"/api/{path}"]["post"]
    assert set(post["requestBody"]["content"]) == {"multipart/form-data"}
    assert set(post["responses"]) >= {"200", "400", "408", "413", "415", "422", "500", "503", "504"}


# ---------------------------------------------------------------- the turn
@pytest.mark.parametrize("path", ["view", "mask", "fill", "clone", "save"])
def test_a_full_queue_is_refused_before_a_request_is_read(path: str) -> None:
    async def test() -> httpx.Response:
        worker = Worker(places=1, time_limit=60)
        app = create_app(WeightsShelf("pyramid"), worker, ServeConfig())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            with worker.place():
                return await client.post(f"/api/{path}", content=b"no form")

    answer = run_async(asyncio.wait_for(test(), timeout=60))
    assert (answer.status_code, answer.json()["error"]) == (503, "busy")
    assert int(answer.headers["retry-after"]) >= 1


def test_pictures_are_read_and_written_in_the_child_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """So only one is in memory at a time, and nothing of it stays in the server."""
    here: list[str] = []

    def noticed(function: Any) -> Any:
        def notice(*args: Any, **kwargs: Any) -> Any:
            here.append(function.__name__)
            return function(*args, **kwargs)

        return notice

    async def test() -> None:
        worker = Worker(places=8, time_limit=60)
        app = create_app(WeightsShelf("pyramid"), worker, ServeConfig())
        hole = {"photo": JPEG, "mask": encode(a_hole().astype(np.uint8) * 255)}
        monkeypatch.setattr(Image, "open", noticed(Image.open))
        monkeypatch.setattr(Image.Image, "save", noticed(Image.Image.save))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            answers = await asyncio.gather(
                client.post("/api/view", files={"photo": JPEG}),
                client.post("/api/mask", files={"mask": MASK}),
                client.post("/api/fill", files=hole, data={"at": "0,0"}),
                client.post("/api/outline", files=hole, data={"at": "0,0"}),
                client.post("/api/clone", files=hole, data={"at": "0,0", "offset": "4,4", "heal": "true"}),
                client.post("/api/save", files={"photo": JPEG}, data={"format": "tiff"}),
            )
        worker.end()
        assert {answer.status_code for answer in answers} == {200}

    run_async(asyncio.wait_for(test(), timeout=120))
    assert here == []


# ---------------------------------------------------------------- photos that are kept
def test_the_share_of_a_fill_that_is_done_is_reported_and_forgotten(server: Server) -> None:
    photo, hole = np.zeros((1200, 1600, 3), np.uint8), np.zeros((1200, 1600), np.uint8)
    hole[::12, 40:-40] = 255  # many thin holes, which are done one after the other
    files, shares = [("photo", encode(photo)), ("mask", encode(hole))], list[float | None]()

    def share_of(work_id: str) -> float | None:
        share: float | None = httpx.get(f"{server.url}/api/progress/{work_id}").json()["share"]
        return share

    with ThreadPoolExecutor(1) as executor:
        answer = executor.submit(asked, server, "fill", files, at="0,0", work_id="a1")
        while not answer.done():
            shares.append(share_of("a1"))
        assert answer.result().status_code == 200
    known = [share for share in shares if share is not None]
    assert len(known) > 1
    assert known == sorted(known)
    assert 0 < known[0] < known[-1] <= 1
    assert (share_of("a1"), share_of("none")) == (None, None)
    assert ask(server, "fill", files, at="0,0", work_id="../a").status_code == 422


@pytest.fixture
def keeping() -> Iterator[Callable[..., httpx.Client]]:
    """Servers in this process, with settings."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(server_in_process(**settings))


def kept(client: httpx.Client, photo: bytes = PHOTO, **fields: str) -> str:
    answer = client.post("/api/view", files={"photo": photo}, data={"keep": "true", **fields})
    assert answer.status_code == 200, answer.text
    return answer.headers["Onar-Photo"]


def view_status(client: httpx.Client, photo_id: str) -> tuple[int, str]:
    answer = client.post("/api/view", files={"photo_id": (None, photo_id)})
    return answer.status_code, answer.json()["error"] if answer.is_error else ""


KEPT, GONE = (200, ""), (404, "photo_gone")


def test_a_kept_photo_is_filled_and_saved_as_a_sent_one(keeping: Callable[..., httpx.Client]) -> None:
    client = keeping()
    photo_id = kept(client)
    uses = ("view", {}, {}), ("fill", {"mask": MASK}, {"at": "0,0"}), ("save", {}, {"format": "png"})
    for path, files, fields in uses:
        sent = client.post(f"/api/{path}", files={"photo": PHOTO, **files}, data=fields)
        by_id = client.post(f"/api/{path}", files=files, data={"photo_id": photo_id, **fields})
        if not files:
            by_id = client.post(f"/api/{path}", files={"photo_id": (None, photo_id)}, data=fields)
        assert sent.status_code == by_id.status_code == 200, by_id.text
        assert by_id.content == sent.content
        assert "Onar-Photo" not in sent.headers, "not requested"
    assert f"onar_kept_bytes {float(len(PHOTO))}" in client.get("/metrics").text


def test_a_photo_is_dropped_with_its_page_by_the_next_and_after_a_while(keeping: Callable[..., httpx.Client]) -> None:
    client = keeping()
    first = kept(client)
    assert (view_status(client, first), client.delete(f"/api/photos/{first}").status_code) == (KEPT, 204)
    assert client.delete(f"/api/photos/{first}").status_code == 204, "the same for unknown ids"
    assert view_status(client, first) == GONE
    second = kept(client)
    assert [view_status(client, one) for one in (kept(client, instead_of=second), second)] == [KEPT, GONE]
    hasty = keeping(kept_minutes=1e-3)
    photo_id, begin = kept(hasty), time.monotonic()
    while "onar_kept_bytes 0.0" not in hasty.get("/metrics").text:
        assert time.monotonic() < begin + 60
    assert view_status(hasty, photo_id) == GONE


def test_kept_photos_have_a_limit_and_the_least_recently_used_go_first(keeping: Callable[..., httpx.Client]) -> None:
    client = keeping(kept_megabytes=2.5 * len(PHOTO) / 1e6)
    first, second = kept(client), kept(client)
    assert view_status(client, first) == KEPT
    third = kept(client)
    assert [view_status(client, one) for one in (first, second, third)] == [KEPT, GONE, KEPT]
    answer = keeping(kept_megabytes=0).post("/api/view", files={"photo": PHOTO}, data={"keep": "true"})
    assert (answer.status_code, "Onar-Photo" in answer.headers) == (200, False)


def test_only_photos_are_kept_and_an_id_stands_for_one_photo_alone(keeping: Callable[..., httpx.Client]) -> None:
    client = keeping()
    answer = client.post("/api/view", files={"photo": b"no photo"}, data={"keep": "true"})
    assert (answer.status_code, "Onar-Photo" in answer.headers) == (415, False)
    both = client.post("/api/view", files={"photo": PHOTO}, data={"photo_id": kept(client)})
    neither = client.post("/api/view", files={"keep": (None, "true")})
    assert {both.status_code, neither.status_code} == {422}
    assert "either photo or photo_id" in both.json()["message"]
    assert [view_status(client, one) for one in ("x", "\x00", "é" * 3000)] == [GONE] * 3


def test_only_a_jpeg_that_is_compressed_anew_is_reported(keeping: Callable[..., httpx.Client]) -> None:
    client = keeping()

    def losses(photo: bytes, wanted: str) -> list[str]:
        answer = client.post("/api/save", files={"photo": photo}, data={"format": wanted})
        return [loss["key"] for loss in json.loads(answer.headers.get("Onar-Losses", "[]"))]

    assert (losses(PHOTO, "jpeg"), losses(JPEG, "same")) == (["compresses"], [])
    assert losses(JPEG, "png") == losses(PHOTO, "same") == []
