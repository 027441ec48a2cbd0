"""Strokes on a zoomed photo are filled at the same pixels, anywhere on the page."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.conftest import PHOTOS
from tests.page.conftest import Visit
from tests.support.browser import (
    choose_photo,
    choose_tool,
    expect_work,
    fill,
    photo_box,
    save_mask,
    save_photo,
    scale_of,
)
from tests.support.server import needs_page

pytestmark = needs_page

RED, BLUE = (255, 0, 0), (0, 0, 255)
FROM, TO = (70, 60), (101, 84)
"""The pixels in two corners of what is painted."""


@pytest.fixture
def marked_photo(tmp_path: Path) -> Path:
    """A grey photo with one red pixel and one blue one."""
    pixels = np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").convert("L").convert("RGB").resize((240, 160))).copy()
    for (x, y), colour in ((FROM, RED), (TO, BLUE)):
        pixels[y, x] = colour
    Image.fromarray(pixels).save(tmp_path / "marked.png")
    return tmp_path / "marked.png"


def seen(page: Page, colour: tuple[int, int, int], folder: Path) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, on the page, of the one pixel of a colour; from a picture of the page."""
    path = folder / "seen.png"
    page.screenshot(path=path)
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    ratio = picture.shape[1] / page.viewport_size["width"]
    rows, columns = np.nonzero((np.abs(picture - colour) < 60).all(axis=2))
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert (right - left, bottom - top) == pytest.approx((scale_of(page) * ratio,) * 2, abs=2)
    return left / ratio, top / ratio, right / ratio, bottom / ratio


@pytest.mark.parametrize(("closer", "ratio"), [(0, 1), (3, 1), (3, 2)], ids=["400 %", "781 %", "781 %, fine screen"])
def test_a_rectangle_over_what_is_seen_is_filled_to_the_pixel(
    visit: Visit, served: str, marked_photo: Path, closer: int, ratio: int, tmp_path: Path
) -> None:
    page = visit(served, device_scale_factor=ratio)
    choose_photo(page, marked_photo)
    assert scale_of(page) == 4
    for _ in range(closer):
        page.keyboard.press("+")
    choose_tool(page, "Hand: move the photo")
    page.mouse.move(600, 400)
    page.mouse.down()
    page.mouse.move(600 + 57 + 100 * closer, 400 - 31 + 50 * closer)
    page.mouse.up()
    choose_tool(page, "Rectangle")
    page.mouse.move(5, 300)  # nothing lies over the marks
    (left, top, *_), (*_, right, bottom) = (seen(page, colour, tmp_path) for colour in (RED, BLUE))
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(right, bottom, steps=3)
    page.mouse.up()
    expect_work(page, steps=1)
    hole = np.zeros((160, 240), bool)
    hole[FROM[1] : TO[1] + 1, FROM[0] : TO[0] + 1] = True
    assert np.array_equal(save_mask(page, tmp_path), hole)
    fill(page)
    before, after = (np.asarray(Image.open(file)) for file in (marked_photo, save_photo(page, tmp_path)))
    assert np.array_equal(after[~hole], before[~hole])
    for (x, y), colour in ((FROM, RED), (TO, BLUE)):
        assert np.abs(after[y, x] - np.array(colour)).max() > 100


def test_at_100_percent_every_pixel_of_the_photo_is_one_of_the_screen(
    visit: Visit, served: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(served)
    choose_photo(page, photo)
    page.keyboard.press("1")
    assert scale_of(page) == 1
    page.mouse.move(5, 300)
    page.screenshot(path=tmp_path / "seen.png")
    picture = np.asarray(Image.open(tmp_path / "seen.png").convert("RGB"))
    box = photo_box(page)
    left, top = round(box["x"]), round(box["y"])
    pixels = np.asarray(Image.open(photo))
    assert np.array_equal(picture[top : top + pixels.shape[0], left : left + pixels.shape[1]], pixels)


def test_a_page_that_is_zoomed_is_drawn_with_as_many_pixels_as_the_screen_has(
    visit: Visit, served: str, photo: Path
) -> None:
    page = visit(served)
    choose_photo(page, photo)
    zoomed = {"width": 640, "height": 450, "deviceScaleFactor": 2, "mobile": False}
    page.context.new_cdp_session(page).send("Emulation.setDeviceMetricsOverride", zoomed)
    page.wait_for_function("""() => {
        const canvases = [...document.querySelectorAll("[role=application] canvas")];
        return canvases.length === 3 && canvases.every(({ width, clientWidth }) => width === 2 * clientWidth);
    }""")
