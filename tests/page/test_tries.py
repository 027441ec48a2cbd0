"""A hole is filled in three ways at once, and a click, or a key, takes one of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.page.conftest import Visit
from tests.support.browser import (
    button,
    choose_photo,
    drag,
    expect_work,
    keep_picture,
    pixels,
    save_photo,
)
from tests.support.server import needs_page

pytestmark = needs_page


def tries_on(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Take one of these fills").get_by_role("listitem").get_by_role("button")


PICTURES = """() => [...document.querySelectorAll("dialog canvas")].map((canvas) => canvas.toDataURL())"""


@pytest.mark.parametrize("place", ["served", "hosted"])
def test_one_of_three_fills_is_taken_and_is_one_change(
    visit: Visit, request: pytest.FixtureRequest, place: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(request.getfixturevalue(place))
    choose_photo(page, photo)
    drag(page, (120, 60), (180, 80))
    button(page, "Fill in three ways, and choose").click()
    expect(tries_on(page)).to_have_count(3)
    names = ["From the network, softer", "Copied from the photo, seed 0", "Copied from the photo, seed 1"]
    assert tries_on(page).all_text_contents() == names
    keep_picture(page, f"tries_{place}")
    assert len(set(page.evaluate(PICTURES))) == 3
    tries_on(page).nth(1).click()
    expect_work(page, steps=0, fills=1)
    copied = np.asarray(Image.open(save_photo(page, tmp_path)).convert("RGB"))
    changed = (copied != pixels(photo)).any(axis=2)
    assert changed[50:90, 110:190].mean() > 0.3
    assert changed.sum() == changed[45:95, 105:195].sum()
    # Of the last fill, where nothing is marked; the keyboard takes one.
    page.keyboard.press("t")
    expect(tries_on(page)).to_have_count(3)
    page.keyboard.press("Enter")
    expect_work(page, steps=0, fills=1)
    assert not np.array_equal(np.asarray(Image.open(save_photo(page, tmp_path)).convert("RGB")), copied)
    for steps, fills in ((0, 1), (1, 0)):
        page.keyboard.press("Control+z")
        expect_work(page, steps=steps, fills=fills)


def test_tries_are_cancelled_refused_and_left_out_where_one_fails(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served)
    choose_photo(page, photo)
    expect(button(page, "Fill in three ways, and choose")).to_have_attribute("aria-disabled", "true")
    drag(page, (120, 60), (180, 80))

    def unanswered(_: Route) -> None:
        """A server that never answers."""

    page.route("**/api/fill", unanswered)
    page.keyboard.press("t")
    expect(page.get_by_role("status").first).to_contain_text("Filling…")
    page.keyboard.press("Escape")
    expect(page.get_by_role("status").first).to_contain_text("Cancelled")
    page.unroute("**/api/fill")
    asked: list[int] = []

    def second_fails(route: Route) -> None:
        asked.append(1)
        if len(asked) == 2:
            route.fulfill(status=500, body='{"error": "internal"}')
        else:
            route.continue_()

    page.route("**/api/fill", second_fails)
    page.keyboard.press("t")
    expect(tries_on(page)).to_have_count(2)
    page.keyboard.press("Escape")
    expect(tries_on(page)).to_have_count(0)
    expect_work(page, steps=1, fills=0)
    expect(page.get_by_role("application")).to_be_focused()


def test_tries_fit_a_phone(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served, viewport={"width": 320, "height": 568}, has_touch=True, is_mobile=True, locale="tr-TR")
    choose_photo(page, photo)
    drag(page, (120, 60), (180, 80))
    button(page, "Üç türlü doldur ve seç").click()
    tries = page.get_by_role("dialog", name="Dolgulardan birini seçin").get_by_role("listitem").get_by_role("button")
    expect(tries).to_have_count(3)
    keep_picture(page, "tries_phone")
    for box in (tries.nth(number).bounding_box() for number in range(3)):
        assert box["width"] >= 44
        assert box["height"] >= 44
    tries.nth(2).tap()
    expect_work(page, steps=0, fills=1)
