"""The clone and the heal brush, with a server and in a folder."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.conftest import PHOTOS
from tests.page.conftest import Visit
from tests.support.browser import (
    Fingers,
    button,
    canvas,
    choose_brush,
    choose_photo,
    drag,
    expect_work,
    keep_picture,
    on_page,
    open_options,
    pixels,
    save_photo,
    settle,
    shown,
)
from tests.support.server import needs_page

pytestmark = needs_page

SIZE = (300, 200)
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize(SIZE).save(tmp_path / "coffee.png")
    return tmp_path / "coffee.png"


@pytest.fixture(params=["served", "hosted"])
def address(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


def set_source(page: Page, x: float, y: float) -> None:
    page.keyboard.down("Alt")
    page.mouse.click(*on_page(page, x, y))
    page.keyboard.up("Alt")


def soften(page: Page, percent: int) -> None:
    page.get_by_role("slider", name=re.compile("Soft edge|Yumuşak kenar")).fill(str(percent))


def test_a_stroke_copies_from_its_source_and_moves_it_along(
    visit: Visit, address: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(address)
    choose_photo(page, photo)
    page.keyboard.press("k")
    drag(page, (60, 60), (90, 60))
    expect(page.get_by_role("alert")).to_contain_text("No source is set")
    expect_work(page, steps=0, fills=0)
    choose_brush(page, 20)
    soften(page, 0)
    set_source(page, 160, 120)
    drag(page, (60, 60), (100, 60))
    expect_work(page, steps=0, fills=1)
    drag(page, (60, 150), (61, 150))  # from 160, 210, which is not in the photo but for a part of the brush
    expect_work(page, steps=0, fills=1)
    expect(page.get_by_role("alert")).to_contain_text("the source is not in the photo")
    drag(page, (60, 90), (100, 90))
    expect_work(page, steps=0, fills=2)
    before, after = pixels(photo), pixels(save_photo(page, tmp_path))
    for row in (60, 90):
        assert np.array_equal(after[row - 8 : row + 8, 60:100], before[row + 52 : row + 68, 160:200])
    changed = (after != before).any(axis=2)
    assert not changed[:49].any()
    assert not changed[101:].any()
    open_options(page)
    changes = page.get_by_role("complementary").get_by_role("listitem")
    expect(changes).to_have_text(["The photo as it was", "Clone", "Clone"])
    expect(button(page, "Fill again")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Control+z")
    expect_work(page, fills=1)
    page.keyboard.press("Control+Shift+z")
    expect_work(page, fills=2)


def test_healing_fits_what_it_copies_fades_out_and_outlives_a_reload(
    visit: Visit, address: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(address)
    choose_photo(page, photo)
    page.keyboard.press("j")
    choose_brush(page, 40)
    set_source(page, 220, 60)
    page.mouse.move(*on_page(page, 60, 140))
    page.mouse.down()
    page.mouse.move(*on_page(page, 110, 140), steps=4)
    aids = shown(page, 2)
    keep_picture(page, f"healing_{'server' if 'localhost' in address else 'folder'}")
    page.mouse.move(*on_page(page, 130, 140), steps=4)
    assert shown(page, 2) != aids, "what is copied is seen while it is painted"
    page.mouse.up()
    expect_work(page, steps=0, fills=1)
    before, after = pixels(photo).astype(int), pixels(save_photo(page, tmp_path)).astype(int)
    changed = np.abs(after - before).max(axis=2)
    assert changed[135:145, 60:130].any()
    outside = np.ones_like(changed, bool)
    outside[119:161, 39:151] = False
    assert not changed[outside].any()
    edge = np.abs(after - before).mean(axis=2)[120:122, 60:130]
    assert edge.mean() < 6
    page.keyboard.press("b")
    drag(page, (200, 150), (220, 150))
    expect_work(page, steps=1, fills=1)
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 1500))")
    page.reload()
    settle(page)
    expect_work(page, steps=1, fills=1)
    expect(button(page, "Fill again")).to_have_attribute("aria-disabled", "true")
    (tmp_path / "again").mkdir()
    assert np.array_equal(pixels(save_photo(page, tmp_path / "again")), after)


def test_fingers_choose_the_source_by_a_button(visit: Visit, address: str, photo: Path) -> None:
    page = visit(address, **PHONE)
    choose_photo(page, photo)
    button(page, "More tools").tap()
    button(page, "Heal: .*").tap()
    button(page, "Set source").tap()
    expect(button(page, "Set source")).to_have_attribute("aria-pressed", "true")
    page.touchscreen.tap(*on_page(page, 220, 60))
    expect(button(page, "Set source")).to_have_attribute("aria-pressed", "false")
    expect_work(page, steps=0, fills=0)
    Fingers(page).lead(on_page(page, 60, 140), on_page(page, 120, 140))
    expect_work(page, steps=0, fills=1)
    keep_picture(page, "healing_phone")
    expect(canvas(page)).to_have_attribute("data-tool", "heal")
