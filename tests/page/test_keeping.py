"""Unsaved work outlives reloads and crashes of its tab, in the browser alone, until it is saved or thrown away."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Error, Locator, Page, expect

from tests.page.conftest import Visit
from tests.page.test_strip import expect_states, go, open_all
from tests.support.browser import (
    PATIENCE,
    button,
    canvas,
    choose_photo,
    choose_tool,
    drag,
    draw,
    expect_work,
    fill,
    keep_picture,
    mark_and_fill,
    open_options,
    open_page,
    pixels,
    save_mask,
    save_photo,
    settle,
    shown,
)
from tests.support.server import needs_page

pytestmark = needs_page

KEPT = """async ([expected, patience]) => {
    const opened = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const database = await opened(indexedDB.open("onar work"));
    let counts = "";
    for (const end = performance.now() + patience; counts !== expected && performance.now() < end; ) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        const transaction = database.transaction(["documents", "parts"]);
        const documents = await opened(transaction.objectStore("documents").getAll());
        const parts = await opened(transaction.objectStore("parts").count());
        counts = [documents.length, parts, ...documents.map(({ now }) => now)];
        counts = counts.slice(0, expected.split(",").length).join();
    }
    database.close();
    return counts;
}"""
"""The numbers of documents and of parts in the browser's database, and states before the current one of the documents,
once they are as expected; as many numbers as are expected."""


def expect_kept(page: Page, documents: int, parts: int, *before: int) -> None:
    """Wait until there is this number of documents, and parts of them, the photos included.

    Args:
        page: with the database.
        documents: photos.
        parts: of them, such as strokes and fills.
        before: states of each history before the current one; undoing changes nothing else.
    """
    expected = ",".join(map(str, (documents, parts, *before)))
    assert page.evaluate(KEPT, [expected, PATIENCE]) == expected


def expect_restored(page: Page, photo: Path) -> None:
    expect(page.get_by_role("status").first).to_contain_text(f"{photo.name} is restored")
    settle(page)


def crash(page: Page) -> None:
    """Kill the tab's process."""
    with page.expect_event("crash"), pytest.raises(Error, match="chrome://crash"):
        page.goto("chrome://crash")


@pytest.mark.parametrize("place", ["served", "hosted"])
def test_work_survives_a_reload_to_the_last_pixel_until_it_is_saved(
    visit: Visit, request: pytest.FixtureRequest, place: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(request.getfixturevalue(place))
    choose_photo(page, photo)
    drag(page, (100, 80), (180, 120))
    fill(page)
    drag(page, (40, 40), (60, 200))
    choose_tool(page, "Lasso")
    drag(page, (250, 50), (300, 60), (280, 120))
    button(page, "Undo").click()
    choose_tool(page, "Eraser")
    button(page, "Redo").click()
    open_options(page)
    button(page, "Invert the mask").click()
    page.get_by_label("Pixels to grow or shrink by").fill("3")
    button(page, "Grow the mask").click()
    button(page, "Undo").click()
    expect_work(page, steps=3, fills=1)
    mask = save_mask(page, tmp_path)
    changes = page.get_by_role("region", name="Changes").get_by_role("button").all_text_contents()
    page.keyboard.press("Escape")
    page.mouse.move(5, 300)
    views = [shown(page, layer) for layer in (0, 1)]
    expect_kept(page, 1, 7, 5)
    page.reload()
    expect_restored(page, photo)
    keep_picture(page, f"restored_{place}")
    expect_work(page, steps=3, fills=1)
    assert [shown(page, layer) for layer in (0, 1)] == views
    assert np.array_equal(save_mask(page, tmp_path), mask)
    assert page.get_by_role("region", name="Changes").get_by_role("button").all_text_contents() == changes
    button(page, "Redo").click()
    expect_work(page, steps=1, fills=1)
    assert save_mask(page, tmp_path).mean() > mask.mean()
    for steps in (3, 2, 1, 0):
        button(page, "Undo").click()
        expect_work(page, steps=steps, fills=1)
    saved = pixels(save_photo(page, tmp_path))
    known = np.ones(saved.shape[:2], bool)
    known[40:160, 60:220] = False
    assert np.array_equal(saved[known], pixels(photo)[known])
    assert not np.array_equal(saved, pixels(photo))
    expect_kept(page, 0, 0)
    page.reload()
    expect(page.get_by_role("heading", level=2)).to_be_visible()
    expect(canvas(page)).to_have_count(0)


def test_a_photo_that_is_left_as_soon_as_it_is_saved_does_not_come_back(
    visit: Visit, hosted: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(hosted)
    for _ in range(3):
        choose_photo(page, photo)
        mark_and_fill(page)
        save_photo(page, tmp_path)
        page.reload()
        expect(page.get_by_role("heading", level=2)).to_be_visible()
        expect(canvas(page)).to_have_count(0)
    expect_kept(page, 0, 0)


def test_a_whole_strip_comes_back_with_its_states_strokes_fills_and_history(
    visit: Visit, hosted: str, photos: list[Path]
) -> None:
    page = visit(hosted)
    open_all(page, photos)
    mark_and_fill(page)
    looked = [shown(page, layer) for layer in (0, 1)]
    go(page, "PageDown", "two.png")
    draw(page, (50, 60), (90, 60))
    go(page, "PageDown", "three.jpg")  # before the stroke can have been written
    draw(page, (50, 60), (90, 60))
    expect_states(page, "marked", "marked", "marked", "failed")
    expect_kept(page, 4, 4 + 4 + 2)
    page.reload()
    expect(page.get_by_role("status").first).to_contain_text("one.png and 3 more are restored")
    settle(page)
    keep_picture(page, "strip_restored")
    expect_states(page, "marked", "marked", "marked", "failed")
    expect(canvas(page)).to_have_accessible_name(re.compile("three.jpg"))
    go(page, "PageUp", "two.png")
    expect_work(page, steps=1, fills=0)
    go(page, "PageUp", "one.png")
    assert [shown(page, layer) for layer in (0, 1)] == looked
    for steps, fills in ((1, 1), (0, 1), (1, 0), (0, 0)):
        page.keyboard.press("Control+z")
        expect_work(page, steps=steps, fills=fills)
    page.keyboard.press("Control+Shift+z")
    button(page, "Fill all photos that are marked").click()
    expect(page.get_by_role("status").first).to_contain_text("Photos done: 3")
    draw(page, (50, 120), (90, 120))
    expect_kept(page, 4, 4 + 7)
    page.reload()
    expect_states(page, "filled", "filled", "marked", "failed")
    with page.expect_download():
        button(page, "Save all filled photos as a zip file").click()
    expect_states(page, "saved", "saved", "saved", "failed")
    expect_kept(page, 0, 0)


def test_work_of_a_tab_that_crashed_is_offered_and_of_one_that_is_open_not(
    visit: Visit, served: str, photo: Path
) -> None:
    page = visit(served)
    choose_photo(page, photo)
    drag(page, (100, 80), (180, 120))
    expect_kept(page, 1, 2)
    other = page.context.new_page()
    open_page(other, served)
    choose_photo(other, photo)
    drag(other, (30, 30), (60, 60))
    drag(other, (130, 30), (160, 60))
    expect_kept(other, 2, 5)
    other.reload()
    expect_restored(other, photo)
    expect_work(other, steps=2)
    crash(page)
    third = page.context.new_page()
    open_page(third, served)
    expect(offers_on(third)).to_have_count(1)
    keep_picture(third, "offered")
    button(third, f"Restore {photo.name}").click()
    expect_restored(third, photo)
    expect_work(third, steps=1)
    drag(third, (200, 30), (220, 70))
    expect_kept(third, 2, 6)
    for steps in (1, 0):
        button(third, "Undo").click()
        expect_work(third, steps=steps)
    third.close()
    fourth = page.context.new_page()
    open_page(fourth, served)
    expect(offers_on(fourth)).to_have_count(1)  # what was undone can be redone
    button(fourth, f"Throw away {photo.name}").click()
    expect(offers_on(fourth)).to_have_count(0)
    expect_kept(fourth, 1, 3)
    expect_work(other, steps=2)
    other.reload()
    expect_restored(other, photo)
    button(other, "Throw away").click()
    expect(canvas(other)).to_have_count(0)
    expect_kept(other, 0, 0)


def offers_on(page: Page) -> Locator:
    return page.get_by_role("region", name="Work that was not saved").get_by_role("listitem")


def test_nothing_is_kept_where_it_is_switched_off_or_replaced(visit: Visit, hosted: str, photo: Path) -> None:
    page = visit(hosted)
    choose_photo(page, photo)
    drag(page, (100, 80), (180, 120))
    drag(page, (30, 30), (60, 60))
    expect_kept(page, 1, 3)
    page.get_by_label("Another photo").set_input_files(photo)
    button(page, "Open anyway").click()
    expect_work(page, steps=0)
    expect_kept(page, 1, 1)
    drag(page, (100, 80), (180, 120))
    expect_kept(page, 1, 2)
    open_options(page)
    switch = page.get_by_label("Keep my work in this browser until I save it")
    switch.uncheck()
    expect_kept(page, 0, 0)
    page.keyboard.press("Escape")
    drag(page, (30, 30), (60, 60))
    page.reload()
    expect(page.get_by_role("heading", level=2)).to_be_visible()
    expect(switch).not_to_be_checked()
    expect_kept(page, 0, 0)
    expect(canvas(page)).to_have_count(0)


def test_a_photo_that_does_not_fit_is_worked_on_with_a_warning(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served)
    session = page.context.new_cdp_session(page)
    session.send("Storage.overrideQuotaForOrigin", {"origin": served.rstrip("/"), "quotaSize": 1000})
    page.get_by_label("Open a photo").set_input_files(photo)  # whose size the warning may cover at once
    settle(page)
    expect(page.get_by_role("alert")).to_contain_text("There is no room in the browser to keep this work")
    keep_picture(page, "no_room")
    session.send("Storage.overrideQuotaForOrigin", {"origin": served.rstrip("/")})
    drag(page, (100, 80), (180, 120))
    expect_kept(page, 1, 2)
    fill(page)


FORBID = """Object.defineProperty(window, "indexedDB", {
    get() { throw new DOMException("Access is denied for this document.", "SecurityError"); },
});"""


def test_a_browser_without_storage_works_as_ever(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served)
    page.add_init_script(FORBID)
    open_page(page, served)
    choose_photo(page, photo)
    drag(page, (100, 80), (180, 120))
    fill(page)
    expect(page.get_by_role("alert")).to_be_empty()
