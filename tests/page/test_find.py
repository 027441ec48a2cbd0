"""Finding on the page marks what `onar.find` finds, as a mask like any other; it is cancelled, or finds nothing."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, Route, expect

import onar
from tests.conftest import PHOTOS
from tests.page.conftest import Visit
from tests.support.browser import (
    button,
    choose_photo,
    choose_tool,
    drag,
    expect_work,
    fill,
    keep_picture,
    save_mask,
)
from tests.support.server import needs_page

pytestmark = needs_page

SCRATCH = ((40, 200), (320, 60))
"""Where a scratch is drawn, in pixels."""


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo with a bright scratch."""
    photo = np.array(Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize((360, 240)))
    cv2.line(photo, *SCRATCH, (255, 255, 255), 3, cv2.LINE_AA)
    path = tmp_path_factory.mktemp("scan") / "scan.png"
    Image.fromarray(photo).save(path)
    return path


def drawn_scratch() -> NDArray[np.bool_]:
    drawn = np.zeros((240, 360), np.uint8)
    cv2.line(drawn, *SCRATCH, 255, 3)
    return drawn > 0


def find(page: Page) -> None:
    """Find scratches alone."""
    button(page, "Find what should go", "Silinmesi gerekenleri bul").click()
    page.get_by_role("checkbox", name="Dust").uncheck()
    button(page, "Find").click()


def expect_status(page: Page, text: str) -> None:
    expect(page.get_by_role("status").first).to_contain_text(text)


def test_both_engines_mark_what_python_finds_and_it_is_corrected_undone_and_filled(
    visit: Visit, served: str, hosted: str, scan: Path, tmp_path: Path
) -> None:
    pages = [visit(served), visit(hosted)]
    for page in pages:
        choose_photo(page, scan)
        drag(page, (20, 20), (60, 20))
        find(page)
        expect_status(page, "Marked")
        expect_work(page, steps=2)
    masks = [save_mask(page, tmp_path) for page in pages]
    expected = onar.find(Image.open(scan), "scratches") > 0
    assert expected[drawn_scratch()].mean() > 0.8
    for mask in masks:
        assert mask[20, 20:60].all(), "what was painted before stays"
        assert (mask != expected)[40:].mean() < 0.001
    page = pages[1]
    choose_tool(page, "Eraser")
    drag(page, (40, 200), (180, 130))
    expect_work(page, steps=3)
    erased = save_mask(page, tmp_path)
    assert not erased[165, 105:115].any()
    assert erased[80:100, 240:280].any()
    button(page, "Grow the mask").click()
    expect_work(page, steps=1)
    grown = save_mask(page, tmp_path)
    assert (grown >= erased).all()
    assert grown.sum() > 1.5 * erased.sum()
    for steps in (3, 2, 1):
        page.keyboard.press("Control+z")
        expect_work(page, steps=steps)
    page.keyboard.press("Control+y")
    expect_work(page, steps=2)
    assert (save_mask(page, tmp_path) == masks[1]).all()
    page.keyboard.press("Escape")
    keep_picture(page, "found")
    fill(page)
    find(page)
    expect(page.get_by_role("main")).to_have_attribute("data-state", "ready")
    again = save_mask(page, tmp_path) if page.get_by_role("main").get_attribute("data-steps") != "0" else ~expected
    assert again[drawn_scratch()].mean() < 0.2, "what is filled is not found again"


def test_a_photo_in_which_nothing_is_found_stays_as_it_is(visit: Visit, hosted: str, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (120, 130, 140)).save(tmp_path / "flat.png")
    page = visit(hosted)
    choose_photo(page, tmp_path / "flat.png")
    find(page)
    expect_status(page, "Nothing was found: raise the sensitivity")
    expect_work(page, steps=0)
    expect(button(page, "Undo")).to_have_attribute("aria-disabled", "true")


def test_finding_is_cancelled_and_works_afterwards(visit: Visit, served: str, scan: Path) -> None:
    page = visit(served)
    choose_photo(page, scan)

    def unanswered(_: Route) -> None:
        """A server that never answers."""

    page.route("**/api/find", unanswered)
    find(page)
    expect_status(page, "Finding…")
    expect(page.get_by_role("progressbar", name="Finding…")).to_be_visible()
    page.keyboard.press("Escape")
    expect_status(page, "Cancelled; nothing was changed.")
    expect_work(page, steps=0)
    page.unroute("**/api/find")
    page.keyboard.press("d")
    page.keyboard.press("Enter")  # on the menu: finds, and fills nothing
    expect_status(page, "Marked")
    expect_work(page, steps=1, fills=0)
