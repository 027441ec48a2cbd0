"""The page on a phone: all of it is in reach of a thumb, and one finger paints."""

from itertools import count
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Visit
from tests.support.browser import (
    Fingers,
    button,
    choose_photo,
    expect_work,
    keep_picture,
    let_draw,
    on_page,
    open_options,
    photo_box,
    save_mask,
    scale_of,
)
from tests.support.server import needs_page
from tests.support.views import problems_by_view

pytestmark = needs_page

PHONES = [{"width": 390, "height": 844}, {"width": 320, "height": 568}]
LYING = [{"width": 667, "height": 375}, {"width": 640, "height": 360}, {"width": 568, "height": 320}]
FINGERTIP = 44
"""Pixels of the page that what is touched has at least, either way."""

TOO_SMALL = """(least) => {
    const kinds = "button, select, input, a, summary, label:has(input), [tabindex='0']";
    const touched = [...document.querySelectorAll(kinds)];
    const top = document.querySelector("dialog[open]");
    const problems = [];
    for (const element of touched) {
        const { left, right, width, height } = element.getBoundingClientRect();
        const inLabel = element.matches("input") && element.closest("label");
        if (inLabel || !element.checkVisibility() || (top && !top.contains(element))) continue;
        const name = element.ariaLabel ?? (element.textContent.trim() || element.outerHTML);
        if (Math.round(width) < least || Math.round(height) < least) problems.push(`${name}: ${width} × ${height}`);
        if (left < 0 || right > innerWidth) problems.push(`${name}: from ${left} to ${right}`);
    }
    const { scrollWidth } = document.documentElement;
    if (scrollWidth > innerWidth) problems.push(`${scrollWidth} pixels wide`);
    return problems;
}"""


def test_all_that_is_touched_is_as_large_as_a_fingertip_and_nothing_is_wider_than_the_phone(
    visit: Visit, served: str, photo: Path
) -> None:
    page = visit(served, viewport=PHONES[0], has_touch=True, is_mobile=True)
    numbers = count()

    def look(page: Page) -> list[str]:
        problems, number = [], next(numbers)
        for phone in PHONES:
            page.set_viewport_size(phone)
            keep_picture(page, f"phone_{phone['width']}_{number}")
            problems += [f"{phone['width']}: {each}" for each in page.evaluate(TOO_SMALL, FINGERTIP)]
        return problems

    assert problems_by_view(page, photo, look) == {}


def test_letters_of_twice_the_size_make_nothing_wider_than_the_phone(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served, viewport=PHONES[0], has_touch=True, is_mobile=True, locale="tr-TR")
    page.evaluate("document.documentElement.style.fontSize = '30px'")
    choose_photo(page, photo)
    open_options(page)
    keep_picture(page, "phone_large_letters")
    assert page.evaluate(TOO_SMALL, FINGERTIP) == []


@pytest.mark.parametrize("phone", LYING)
def test_all_controls_are_on_the_screen_of_a_phone_that_lies(
    visit: Visit, served: str, photo: Path, phone: dict[str, int]
) -> None:
    page = visit(served, viewport=phone, has_touch=True, is_mobile=True, locale="tr-TR")  # whose words are the longer
    choose_photo(page, photo)
    keep_picture(page, f"phone_{phone['width']}")
    bars = page.locator("header, .look, .toolbar")
    button(page, "More tools", "Diğer araçlar").click()
    keep_picture(page, f"phone_{phone['width']}_tools")
    for control in bars.locator("button, label, select").locator(":scope:not(.folder)").all():  # folders are for desks
        control.scroll_into_view_if_needed()
        expect(control).to_be_in_viewport(ratio=0.95)
    assert photo_box(page)["height"] > phone["height"] / 4
    assert page.get_by_role("banner").bounding_box()["height"] < 1.5 * FINGERTIP  # one row


def test_a_photo_stays_on_the_screen_when_the_phone_is_turned(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served, viewport=LYING[0], has_touch=True, is_mobile=True)
    choose_photo(page, photo)
    page.keyboard.press("h")
    y = photo_box(page)["y"] + 50
    for _ in range(3):
        Fingers(page).lead((200, y), (500, y))
    page.set_viewport_size({"width": LYING[0]["height"], "height": LYING[0]["width"]})
    let_draw(page)
    assert photo_box(page)["x"] < LYING[0]["height"] / 2 + 1


def test_one_finger_paints_and_two_move_the_photo_between_them(
    visit: Visit, served: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(served, viewport=PHONES[0], has_touch=True, is_mobile=True, device_scale_factor=2)
    choose_photo(page, photo)
    fingers = Fingers(page)
    (x, y), (to_x, to_y) = on_page(page, 120, 120), on_page(page, 240, 120)
    box, scale = photo_box(page), scale_of(page)
    fingers.lead((x, y), (to_x, to_y))
    expect_work(page, steps=1)
    mask = save_mask(page, tmp_path)
    page.keyboard.press("Escape")
    assert mask[120, 120:240].all()
    assert not mask[:, :90].any()
    fingers.lead_two(((x, y), (to_x, y)), ((x - 30, y + 50), (to_x - 30, y + 50)))  # as far apart: they only move
    expect_work(page, steps=1)
    assert scale_of(page) == pytest.approx(scale, rel=0.01)
    assert photo_box(page)["y"] == pytest.approx(box["y"] + 50, abs=1)
    assert photo_box(page)["x"] == pytest.approx(box["x"] - 30, abs=1)
    held = on_page(page, 180, 120)
    fingers.lead_two(
        ((held[0] - 40, held[1]), (held[0] + 40, held[1])), ((held[0] - 80, held[1]), (held[0] + 80, held[1]))
    )
    assert scale_of(page) == pytest.approx(2 * scale, rel=0.02)
    assert on_page(page, 180, 120) == pytest.approx(held, abs=2)
    expect_work(page, steps=1)
    assert np.array_equal(save_mask(page, tmp_path), mask)
