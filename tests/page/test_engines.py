"""Both engines fill the same strokes alike; the browser's engine needs no server."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.page.conftest import Visit
from tests.support.browser import (
    button,
    canvas,
    choose_photo,
    choose_tool,
    drag,
    expect_work,
    fill,
    keep_picture,
    open_options,
    save_mask,
    save_photo,
)
from tests.support.server import needs_page
from tests.support.static_host import hosting

pytestmark = needs_page

SAME = 2
"""Most levels, of 255, that the engines differ by."""


def paint_with_every_tool(page: Page) -> None:
    drag(page, (40, 60), (110, 70), (120, 110))
    choose_tool(page, "Rectangle")
    drag(page, (200, 40), (290, 120))
    choose_tool(page, "Lasso")
    drag(page, (60, 150), (140, 160), (120, 210), (50, 200))
    choose_tool(page, "Eraser")
    drag(page, (190, 80), (300, 80))
    expect_work(page, steps=4)


def fill_with(page: Page, texture: str, folder: Path) -> NDArray[np.uint8]:
    """The photo as it is saved, H×W×3, where browsers write an opacity, too; the fill is undone."""
    open_options(page)
    page.get_by_label("Texture").select_option(texture)
    fill(page)
    saved = Image.open(save_photo(page, folder))
    assert saved.getextrema()[3:] in ((), ((255, 255),))
    button(page, "Undo").click()
    expect_work(page, steps=4, fills=0)
    return np.asarray(saved.convert("RGB"))


def test_both_engines_give_the_same_picture_for_the_same_strokes(
    visit: Visit, served: str, hosted_bundled: str, photo: Path, tmp_path: Path
) -> None:
    pages = [visit(served), visit(hosted_bundled)]
    for page in pages:
        choose_photo(page, photo)
        paint_with_every_tool(page)
    hole, painted = (save_mask(page, tmp_path) for page in pages)
    assert np.array_equal(hole, painted)
    assert 0.05 < hole.mean() < 0.5
    before = np.asarray(Image.open(photo))
    results = {texture: [fill_with(page, texture, tmp_path) for page in pages] for texture in ("network", "patches")}
    keep_picture(pages[1], "folder_painted")
    for texture, (by_server, by_browser) in results.items():
        assert np.array_equal(by_server[~hole], before[~hole])
        assert np.array_equal(by_browser[~hole], before[~hole])
        assert (by_server[hole] != before[hole]).any(axis=1).mean() > 0.9
        differences = np.abs(by_server[hole].astype(int) - by_browser[hole])
        print(f"{texture}: the engines differ by {differences.max()} at most, {differences.mean():.4f} on average")
        assert differences.max() <= SAME
    assert not np.array_equal(*(by_server for by_server, _ in results.values()))


def test_the_server_s_policy_stops_scripts_and_styles_that_are_no_files_of_the_page(
    browser: Browser, served: str
) -> None:
    page = browser.new_page()
    assert "unsafe" not in page.goto(served).header_value("content-security-policy")
    stopped = page.evaluate(
        """() => new Promise((resolve) => {
            const stopped = [];
            document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
                if (stopped.push([effectiveDirective, blockedURI]) === 3) resolve(stopped);
            });
            for (const kind of ["script", "style"]) {
                document.head.append(Object.assign(document.createElement(kind), { textContent: "x" }));
            }
            setTimeout(() => eval("x"));
        })"""
    )
    assert stopped == [["script-src-elem", "inline"], ["style-src-elem", "inline"], ["script-src", "eval"]]
    page.close()


def test_after_the_first_visit_the_folder_fills_finds_and_saves_without_its_host(
    visit: Visit, small_site: Path, tmp_path: Path
) -> None:
    with hosting(small_site, "scripts") as (address, _):
        page = visit(address)
        page.evaluate("navigator.serviceWorker.ready")
    page.reload()  # the host is gone
    button(page, "Example: skimage chelsea").click()
    expect(canvas(page)).to_have_accessible_name("Photo skimage_chelsea.jpg, 451 by 300 pixels")
    drag(page, (200, 150), (260, 170))
    fill(page)
    button(page, "Find what should go").click()
    button(page, "Find").click()
    expect(page.get_by_role("status").first).to_contain_text(re.compile("Marked|Nothing was found"))
    assert save_photo(page, tmp_path).name == "skimage_chelsea_completed.jpg"
