"""Work can be cancelled, and ends when its worker has died; also in browsers with small limits."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from onar.imaging.writing import write_image
from tests.conftest import PHOTOS
from tests.page.conftest import Visit
from tests.support.browser import (
    button,
    canvas,
    choose_brush,
    choose_mask,
    choose_photo,
    drag,
    expect_work,
    fill,
    open_options,
    paint,
    pixels,
    save_mask,
    save_photo,
)
from tests.support.server import needs_page

pytestmark = needs_page

NOTHING_CHANGED = "Cancelled; nothing was changed."


def unanswered(_: Route) -> None:
    """A server that never answers."""


def open_another(page: Page, photo: Path) -> None:
    page.get_by_label(re.compile("^(Open a photo|Another photo)$")).set_input_files(photo)


@pytest.mark.parametrize("by", ["Escape", "button"])
def test_opening_is_cancelled_before_there_is_a_photo_and_with_one(
    visit: Visit, served: str, photo: Path, by: str
) -> None:
    page = visit(served)
    page.route("**/api/view", unanswered)
    for _ in range(2):
        open_another(page, photo)
        expect(page.get_by_role("status").first).to_have_text("Opening…")
        page.keyboard.press("Escape") if by == "Escape" else button(page, "Cancel").click()
        expect(page.get_by_role("status").first).to_have_text(NOTHING_CHANGED)
        page.unroute("**/api/view")
        choose_photo(page, photo)
        page.route("**/api/view", unanswered)
    expect(canvas(page)).to_have_accessible_name(re.compile(photo.name))


def test_the_server_s_progress_is_shown(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served)
    choose_photo(page, photo)
    paint(page)
    page.route("**/api/fill", unanswered)
    page.route(re.compile("/api/progress/[0-9a-f]{32}$"), lambda route: route.fulfill(json={"share": 0.3}))
    button(page, "Fill").click()
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "0.3")
    page.keyboard.press("Escape")
    expect(page.get_by_role("status").first).to_have_text(NOTHING_CHANGED)


def test_saving_is_cancelled_and_meanwhile_nothing_can_be_filled(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served)
    choose_photo(page, photo)
    paint(page)
    page.route("**/api/save", unanswered)
    button(page, "Download").click()
    expect(page.get_by_role("status").first).to_have_text("Saving…")
    expect(button(page, "Fill")).to_have_attribute("aria-disabled", "true")
    expect(button(page, "Fill")).not_to_have_class(re.compile("primary"))
    button(page, "Cancel").click()
    expect(page.get_by_role("status").first).to_have_text(NOTHING_CHANGED)
    expect(button(page, "Fill")).to_have_attribute("aria-disabled", "false")
    page.unroute("**/api/save")
    fill(page)


KEEP_WORKERS = """
    window.workers = [];
    window.Worker = class extends Worker {
        constructor(...given) { super(...given); window.workers.push(this); }
        postMessage(message, ...others) {
            super.postMessage(message, ...others);
            if (window.kills && message.kind === "call") super.terminate();
        }
    };
"""


def expect_killed(page: Page, act: Callable[[], None]) -> None:
    page.evaluate("window.kills = true")
    act()
    expect(page.get_by_role("alert")).to_contain_text("The browser stopped the work")
    page.evaluate("window.kills = false")


def test_a_worker_that_the_browser_has_ended_is_reported_and_replaced(
    visit: Visit, hosted: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(hosted)
    page.add_init_script(KEEP_WORKERS)
    page.reload()
    choose_photo(page, photo)
    paint(page)
    expect_killed(page, lambda: button(page, "Fill").click())
    expect_work(page, steps=1, fills=0)
    fill(page)
    expect_killed(page, lambda: button(page, "Download").click())
    save_photo(page, tmp_path)
    expect_killed(page, lambda: open_another(page, photo))
    choose_photo(page, photo)
    assert page.evaluate("window.workers.length") == 4


LITTLE = """{
    const most = 1_100_000;
    const Whole = OffscreenCanvas;
    self.OffscreenCanvas = class extends Whole {
        constructor(width, height) {
            if (width * height > most) throw new RangeError("this browser has no such canvas");
            super(width, height);
        }
    };
}"""
"""A browser whose canvases hold as little beside this test's photo as some do beside a camera's."""


@pytest.mark.parametrize("engine", ["served", "hosted"])
def test_a_photo_larger_than_any_canvas_is_marked_filled_and_saved(
    visit: Visit, engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    alpha = np.full((1100, 1300), 255, np.uint8)
    alpha[:, 900:] = 40
    colours = np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize((1300, 1100)))
    Image.fromarray(np.dstack([colours, alpha])).save(tmp_path / "large.png")
    mask = np.zeros((1100, 1300), np.uint8)
    mask[100:140, 50:90] = mask[1000:1040, 700:760] = 255
    write_image(tmp_path / "mask.png", mask)
    page = visit(request.getfixturevalue(engine))
    page.add_init_script(LITTLE)
    page.route("**/worker*.js", lambda route: route.fulfill(body=f"{LITTLE}\n{route.fetch().text()}"))
    page.reload()
    choose_photo(page, tmp_path / "large.png")
    choose_mask(page, tmp_path / "mask.png")
    assert np.array_equal(save_mask(page, tmp_path), mask == 255)
    button(page, "Grow the mask").click()
    expect_work(page, steps=1)
    button(page, "Shrink the mask").click()
    expect_work(page, steps=1)
    assert np.array_equal(save_mask(page, tmp_path), mask == 255)
    fill(page)
    saved, before = pixels(save_photo(page, tmp_path)), np.dstack([colours, alpha])
    known = (mask == 0) & (alpha == 255)  # browsers round the colours of what is half transparent
    assert np.array_equal(saved[known], before[known])
    assert np.array_equal(saved[..., 3], alpha)
    assert (saved[mask == 255] != before[mask == 255]).any(axis=1).mean() > 0.9
    if engine == "hosted":
        open_options(page)
        page.get_by_label("File format").select_option("jpeg")
        assert save_photo(page, tmp_path).suffix == ".png"
        expect(page.get_by_role("status").first).to_contain_text("cannot encode JPEG of this size")


MEASURE_FILLS = """() => {
    const ask = window.fetch;
    window.fills = [];
    window.fetch = async (address, options) => {
        const answer = await ask(address, options);
        if (String(address).endsWith("api/fill")) {
            const { width, height } = await createImageBitmap(await answer.clone().blob());
            const others = [...options.body].filter(([name]) => name !== "photo");
            window.fills.push([width, height, others.reduce((sum, [, value]) => sum + (value.size ?? 0), 0)]);
        }
        return answer;
    };
}"""
"""Of each answer its width and height, and of the request how many bytes came with the photo."""


def test_what_lies_far_apart_costs_what_it_covers(visit: Visit, served: str, tmp_path: Path) -> None:
    Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize((2400, 1600)).save(tmp_path / "wide.png")
    page = visit(served)
    choose_photo(page, tmp_path / "wide.png")
    page.evaluate(MEASURE_FILLS)
    choose_brush(page, 30)
    for number in range(2):
        for corner in ((30 + 50 * number, 40), (2360 - 50 * number, 1100)):
            drag(page, corner, corner)
        expect_work(page, steps=2)
        fill(page)
    for width, height, sent in page.evaluate("window.fills"):
        assert width < 50
        assert height < 100
        assert sent < 40_000
    before, after = pixels(tmp_path / "wide.png"), pixels(save_photo(page, tmp_path))
    rows, columns = np.nonzero((before != after).any(axis=2))
    assert rows.min() < 60 < 1080 < rows.max()
    assert columns.min() < 60 < 2340 < columns.max()
    assert 2000 < rows.size < 4000


def test_painting_goes_on_while_a_hole_is_filled_and_is_kept(visit: Visit, served: str, photo: Path) -> None:
    page, held = visit(served), []
    choose_photo(page, photo)
    paint(page, height=0.3)
    page.route("**/api/fill", lambda route: held.append(route))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("Filling…")
    paint(page, height=0.7)
    expect(page.get_by_role("main")).to_have_attribute("data-steps", "2")
    page.wait_for_function("document.querySelector('main').dataset.state === 'busy'")
    held[0].continue_()
    expect_work(page, steps=1, fills=1)
    page.keyboard.press("Control+z")
    expect_work(page, steps=2, fills=0)
    page.keyboard.press("Control+y")
    page.unroute("**/api/fill")
    page.keyboard.press("Enter")
    expect_work(page, steps=0, fills=2)
