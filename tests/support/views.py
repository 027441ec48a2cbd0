"""The page's views and dialogs, for tests that hold of all of them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.browser import canvas, choose_photo, drag, expect_work, fill, open_options


def walk(page: Page, photo: Path) -> Iterator[str]:
    """Go through all there is to see on a server's page that was just opened, in any language; names each."""
    expect(page.get_by_role("heading", level=2)).to_be_visible()
    yield "empty"
    choose_photo(page, photo)
    drag(page, (100, 80), (180, 120))
    expect_work(page, steps=1)
    yield "painting"
    page.keyboard.press("d")
    expect(page.locator(".find-menu")).to_be_focused()
    yield "finding"
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    expect(page.locator(".extend")).to_be_visible()
    yield "extending"
    page.keyboard.press("b")
    yield from _filled(page)
    yield from _dialogs(page, photo)
    yield from _other_views(page)


def _filled(page: Page) -> Iterator[str]:
    fill(page)
    yield "filled"
    page.keyboard.press("s")
    expect(page.locator(".split")).to_be_visible()
    yield "compared"
    page.keyboard.press("Escape")
    open_options(page)
    yield "settings"
    page.keyboard.press("Escape")


def _dialogs(page: Page, photo: Path) -> Iterator[str]:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "help"
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    another = page.get_by_label(re.compile("^(Another photo|Başka fotoğraf)$"))
    another.set_input_files(photo)
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "question"
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    canvas(page).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).not_to_be_empty()
    yield "problem"


def _other_views(page: Page) -> Iterator[str]:
    views = page.get_by_role("navigation").get_by_role("button")
    views.nth(1).click()
    trainings = page.get_by_role("checkbox")
    expect(trainings).to_have_count(2)
    for training in trainings.all():
        training.check()
    expect(page.locator(".watch-sheets img")).to_be_visible()
    yield "watch"
    views.nth(2).click()
    expect(page.get_by_role("img")).to_be_visible()
    yield "masks"
    views.nth(0).click()


def problems_by_view(page: Page, photo: Path, look: Callable[[Page], list[str]]) -> dict[str, list[str]]:
    """Problems and their places; empty for a view without problems."""
    found = {view: look(page) for view in walk(page, photo)}
    return {view: problems for view, problems in found.items() if problems}
