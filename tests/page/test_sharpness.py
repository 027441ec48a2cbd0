"""Photos are sharp at every zoom, and nothing remains of what was filled or erased, however it is scaled."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page

from onar.imaging.formats.tiff import write_tiff
from tests.conftest import PHOTOS
from tests.page.conftest import Visit
from tests.support.browser import (
    choose_brush,
    choose_photo,
    choose_tool,
    drag,
    expect_work,
    fill,
    keep_picture,
    photo_box,
    scale_of,
    shown,
)
from tests.support.server import needs_page

pytestmark = needs_page

SIZE = (3600, 300)
"""Wider than the view of a photo, of which a server or a worker shows fewer pixels."""


def detailed() -> NDArray[np.uint8]:
    """A photo with letters of single pixels all over."""
    photo = Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize(SIZE)
    pixels = np.asarray(photo).copy()
    pixels[::3, ::2] //= 4
    return pixels


@pytest.fixture
def deep_photo(tmp_path: Path) -> Path:
    """Of 16 bits, as TIFF, which no browser decodes."""
    with (tmp_path / "deep.tif").open("w+b") as file:
        write_tiff(file, detailed().astype(np.uint16) * 257)
    return tmp_path / "deep.tif"


@pytest.fixture
def usual_photo(tmp_path: Path) -> Path:
    Image.fromarray(detailed()).save(tmp_path / "usual.png")
    return tmp_path / "usual.png"


def picture_of(page: Page, folder: Path) -> NDArray[np.int16]:
    page.screenshot(path=folder / "seen.png")
    return np.asarray(Image.open(folder / "seen.png").convert("RGB")).astype(np.int16)


def look_until(look: Callable[[], bool], page: Page, times: int = 600) -> bool:
    """Look at each picture that the page draws, until what is looked for is there."""
    for _ in range(times):
        if look():
            return True
        page.evaluate("new Promise(requestAnimationFrame)")
    return False


def looks_like(page: Page, pixels: NDArray[np.uint8], folder: Path) -> bool:
    """Whether the photo is seen with all of its pixels, in the 400 by 100 points in the middle of the page."""
    scale, box, (left, top) = scale_of(page), photo_box(page), (440, 340)
    rows = ((np.arange(top, top + 100) + 0.5 - box["y"]) / scale).astype(int)
    columns = ((np.arange(left, left + 400) + 0.5 - box["x"]) / scale).astype(int)
    expected = pixels[np.clip(rows, 0, SIZE[1] - 1)][:, np.clip(columns, 0, SIZE[0] - 1)]
    seen = picture_of(page, folder)[top : top + 100, left : left + 400]
    return float(np.abs(seen - expected).mean()) < 4  # a server may show it as a JPEG


@pytest.mark.parametrize(
    ("engine", "kind"), [("served", "deep_photo"), ("served", "usual_photo"), ("hosted", "usual_photo")]
)
def test_every_pixel_is_seen_at_100_and_at_400_percent(
    visit: Visit, engine: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    page, pixels = visit(request.getfixturevalue(engine)), detailed()
    choose_photo(page, request.getfixturevalue(kind), SIZE)
    page.keyboard.press("1")
    page.mouse.move(640, 300)
    assert look_until(lambda: looks_like(page, pixels, tmp_path), page)
    keep_picture(page, f"sharp_100_{engine}_{kind}")
    page.mouse.wheel(0, -np.log(4) / np.log(1.0018) + 1e-6)
    page.wait_for_function("Math.abs(document.querySelector('[data-scale]').dataset.scale - 4) < 0.01")
    page.mouse.move(640, 5)
    assert look_until(lambda: looks_like(page, pixels, tmp_path), page)
    keep_picture(page, f"sharp_400_{engine}_{kind}")


@pytest.mark.parametrize("engine", ["served", "hosted"])
def test_a_thing_that_is_filled_leaves_no_outline_where_the_photo_is_seen_smaller(
    visit: Visit, engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    pixels = np.full((900, 3300, 3), 230, np.uint8)
    pixels[301:601, 1003:1333] = (200, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "thing.png")
    page = visit(request.getfixturevalue(engine))
    choose_photo(page, tmp_path / "thing.png")
    Image.fromarray((pixels[..., 1] == 0).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    page.get_by_role("button", name="Options").click()
    page.get_by_label("Load a mask").set_input_files(tmp_path / "mask.png")
    expect_work(page, steps=1)
    page.keyboard.press("Escape")
    fill(page)
    box, scale = photo_box(page), scale_of(page)
    for closer in (0, 1, 2):
        left, top = round(box["x"] + 960 * scale), round(box["y"] + 260 * scale)
        page.mouse.move(5, 300)
        seen = picture_of(page, tmp_path)[top : top + round(380 * scale), left : left + round(410 * scale)]
        keep_picture(page, f"outline_{engine}_{closer}")
        assert np.abs(seen - 230).max() <= 12, closer
        page.keyboard.press("-")
        page.wait_for_function("(before) => document.querySelector('[data-scale]').dataset.scale < before", arg=scale)
        box, scale = photo_box(page), scale_of(page)


@pytest.mark.parametrize("tool", ["Brush", "Rectangle", "Lasso"])
def test_what_is_erased_as_it_was_painted_leaves_no_outline(
    visit: Visit, served: str, tool: str, tmp_path: Path
) -> None:
    Image.fromarray(detailed()).resize((3601, 1201)).save(tmp_path / "large.png")
    page = visit(served)
    choose_photo(page, tmp_path / "large.png")
    choose_brush(page, 61)
    choose_tool(page, tool)
    empty = shown(page, 1)
    way = (701, 301), (1111, 333), (1517, 777), (703, 888)
    drag(page, *way)
    assert shown(page, 1) != empty
    drag(page, *way, button="right")
    expect_work(page, steps=2)
    assert shown(page, 1) == empty
