"""Painting on the page in a real browser: marking by pointer, touch and keyboard, and undoing."""

import base64
import itertools
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import (
    DESKTOP,
    Fingers,
    button,
    choose_brush,
    expect_work,
    let_draw,
    open_options,
    photo_box,
    save_mask,
    scale_of,
    settle,
)
from tests.support.pictures import COFFEE
from tests.support.server import Server, needs_page

pytestmark = [pytest.mark.process, needs_page]

STROKE = [(420.3, 300.7), (520.2, 380.4), (600.0, 310.0)]
EDGE = 0.5  # pixels of the photo, within which a covered half decides
READ_PAINT = """() => {
    const canvas = document.querySelectorAll("[role=application] canvas")[1];
    const rgba = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const chunks = [];
    for (let row = 0; row < canvas.height; row++) {
        const alpha = Array.from({ length: canvas.width }, (_, x) => rgba[4 * (row * canvas.width + x) + 3]);
        chunks.push(String.fromCharCode(...alpha));
    }
    return [canvas.height, canvas.width, btoa(chunks.join(""))];
}"""

WATCH_SEEDS = """() => {
    const send = window.fetch;
    window.seeds = [];
    window.fetch = (address, request) => {
        window.seeds.push(request.body.get("seed"));
        return send(address, request);
    };
}"""

HOLD_FILLS = """() => {
    const send = window.fetch;
    const released = new Promise((resolve) => { window.letGo = resolve; });
    window.fetch = async (address, request) => {
        if (address === "api/fill") await released;
        return send(address, request);
    };
}"""


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    """The page with a photo on it."""
    context = browser.new_context(viewport=DESKTOP, has_touch=True, locale="en-US")
    page = context.new_page()
    page.goto(server.url)
    page.get_by_label("Open a photo").set_input_files(COFFEE)
    expect(page.get_by_role("main")).to_have_attribute("data-state", "ready")
    settle(page)
    yield page
    context.close()


def draw(page: Page, points: list[tuple[float, float]]) -> None:
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point)
    page.mouse.up()


def view(page: Page) -> tuple[float, float, float]:
    """Scale, and where on the screen the photo's first pixel begins."""
    box = photo_box(page)
    return scale_of(page), box["x"], box["y"]


def mask_of(page: Page, folder: Path) -> NDArray[np.bool_]:
    """The mask that the page saves; the options are closed again."""
    mask = save_mask(page, folder)
    button(page, "Options").click()
    return mask


def distances_from_stroke(page: Page, shape: tuple[int, int]) -> NDArray[np.float64]:
    """How far the centre of each pixel of the photo lies from the way that the pointer went."""
    scale, left, top = view(page)
    points = [((x - left) / scale, (y - top) / scale) for x, y in STROKE]
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    distances = np.full(shape, np.inf)
    for (x, y), (next_x, next_y) in itertools.pairwise(points):
        along = np.array([next_x - x, next_y - y])
        share = ((columns - x) * along[0] + (rows - y) * along[1]) / (along @ along)
        share = share.clip(0, 1)
        distances = np.minimum(distances, np.hypot(columns - x - share * along[0], rows - y - share * along[1]))
    return distances


def paint_seen(page: Page, shape: tuple[int, int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pixels of the photo are seen painted at their centres, and which are seen at all."""
    height, width, encoded = page.evaluate(READ_PAINT)
    alpha = np.frombuffer(base64.b64decode(encoded), np.uint8).reshape(height, width)
    scale, left, top = view(page)
    box = page.get_by_role("application").bounding_box()
    rows = np.floor((np.arange(shape[0]) + 0.5) * scale + top - box["y"]).astype(int)
    columns = np.floor((np.arange(shape[1]) + 0.5) * scale + left - box["x"]).astype(int)
    seen = np.outer((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
    return alpha[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))] >= 128, seen


@pytest.mark.parametrize("notches", [0, 6, 14], ids=["whole photo", "closer", "single pixels"])
def test_painted_pixels_are_the_marked_ones_at_any_zoom(page: Page, tmp_path: Path, notches: int) -> None:
    page.mouse.move(*STROKE[1])
    for _ in range(notches):
        page.mouse.wheel(0, -100)
    before = view(page)[0]
    draw(page, STROKE)
    expect_work(page, steps=1, fills=0)
    radius = int(page.get_by_role("slider", name="Brush size").input_value()) / 2
    let_draw(page)
    width, height = Image.open(COFFEE).size
    distances = distances_from_stroke(page, (height, width))
    clear = np.abs(distances - radius) > EDGE
    painted, seen = paint_seen(page, (height, width))
    marked = mask_of(page, tmp_path)
    assert view(page)[0] == before or notches == 0
    assert marked.sum() > np.pi * radius**2
    np.testing.assert_array_equal(marked[clear], (distances < radius)[clear])
    np.testing.assert_array_equal(painted[clear & seen], marked[clear & seen])


def test_only_marked_pixels_are_filled(page: Page, tmp_path: Path) -> None:
    draw(page, STROKE)
    marked = mask_of(page, tmp_path)
    page.keyboard.press("Enter")
    expect_work(page, steps=0, fills=1)
    page.get_by_role("button", name="Options").click()
    page.get_by_label("File format").select_option("png")
    with page.expect_download() as started:
        page.keyboard.press("Control+s")
    started.value.save_as(tmp_path / "filled.png")
    photo, filled = (np.asarray(Image.open(file).convert("RGB")) for file in (COFFEE, tmp_path / "filled.png"))
    changed = (photo != filled).any(axis=2)
    assert not (changed & ~marked).any()
    assert changed[marked].mean() > 0.5


def test_a_mask_can_be_inverted_grown_loaded_and_cleared(page: Page, tmp_path: Path) -> None:
    page.keyboard.press("r")  # whole pixels: nothing hangs on how a half-covered one is rounded
    draw(page, STROKE[:2])
    marked = mask_of(page, tmp_path)
    Image.fromarray(marked).save(tmp_path / "loaded.png")
    page.get_by_role("button", name="Options").click()
    actions = page.get_by_role("complementary", name="Options")

    def after(action: str) -> NDArray[np.bool_]:
        actions.get_by_role("button", name=action).first.click()  # the list of changes has its words, too
        with page.expect_download() as started:
            actions.get_by_role("button", name="Save the mask").click()
        started.value.save_as(tmp_path / "mask.png")
        return np.asarray(Image.open(tmp_path / "mask.png").convert("L")) > 0

    np.testing.assert_array_equal(after("Invert the mask"), ~marked)
    np.testing.assert_array_equal(after("Invert the mask"), marked)
    actions.get_by_label("Pixels to grow or shrink by").fill("7")
    rows, columns = np.mgrid[-7:8, -7:8]
    disc = (rows**2 + columns**2 <= 49).astype(np.uint8)
    np.testing.assert_array_equal(after("Grow the mask"), cv2.dilate(marked.astype(np.uint8), disc) > 0)
    assert not after("Clear the mask").any()
    page.get_by_label("Load a mask").set_input_files(tmp_path / "loaded.png")
    expect_work(page, steps=1, fills=0)
    np.testing.assert_array_equal(after("Invert the mask"), ~marked)


def test_the_keyboard_alone_marks_fills_compares_and_undoes(page: Page) -> None:
    canvas = page.get_by_role("application")
    expect(canvas).to_be_focused()
    page.keyboard.press("Space")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect_work(page, steps=1, fills=0)
    page.keyboard.press("r")
    for key in ("ArrowDown", "Space", "Shift+ArrowDown", "Shift+ArrowRight", "Space"):
        page.keyboard.press(key)
    expect_work(page, steps=2, fills=0)
    page.keyboard.press("Enter")
    expect_work(page, steps=0, fills=1)
    page.keyboard.down("c")
    expect(canvas).to_have_attribute("data-tool", "original")
    page.keyboard.up("c")
    expect(canvas).to_have_attribute("data-tool", "rectangle")
    page.keyboard.press("Control+z")
    expect_work(page, steps=2, fills=0)
    page.keyboard.press("Control+z")
    expect_work(page, steps=1, fills=0)
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+y")
    expect_work(page, steps=0, fills=1)


def test_the_thinnest_brush_marks_its_path(page: Page, tmp_path: Path) -> None:
    choose_brush(page, 1)
    page.get_by_role("application").focus()
    page.keyboard.press("Space")  # the keyboard puts it down between four pixels
    page.keyboard.press("Space")
    assert 1 <= save_mask(page, tmp_path).sum() <= 4


def test_marking_nearly_all_of_a_photo_asks_for_confirmation(page: Page) -> None:
    open_options(page)
    button(page, "Invert the mask").click()
    button(page, "Fill").click()
    expect_work(page, steps=0, fills=1)
    expect(page.get_by_role("status").first).to_contain_text("100 % of the photo was marked")


def test_the_original_is_not_held_on_by_a_key_that_is_let_go_in_another_view(page: Page) -> None:
    page.keyboard.down("c")
    expect(page.get_by_role("application")).to_have_attribute("data-tool", "original")
    button(page, "Masks").click()
    page.keyboard.up("c")
    button(page, "Fill holes").click()
    expect(page.get_by_role("application")).to_have_attribute("data-tool", "brush")


def test_a_double_click_fills_and_does_not_cancel(page: Page) -> None:
    page.evaluate(HOLD_FILLS)
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    button(page, "Fill").dblclick()
    expect(button(page, "Cancel")).to_be_visible()
    page.evaluate("window.letGo()")
    expect_work(page, steps=0, fills=1)


def test_a_file_that_comes_while_a_hole_is_filled_is_not_lost_without_a_word(page: Page) -> None:
    page.evaluate(HOLD_FILLS)
    draw(page, STROKE)
    page.keyboard.press("Enter")
    expect(button(page, "Cancel")).to_be_visible()
    open_options(page)
    for name, file in (("Another photo", COFFEE), ("Load a mask", COFFEE.with_name("skimage_chelsea.jpg"))):
        page.get_by_label(name).set_input_files(file)
        expect(page.get_by_role("alert")).to_contain_text(f"{file.name} was not opened")
    page.evaluate("window.letGo()")
    expect_work(page, steps=0, fills=1)


def test_another_try_takes_the_place_of_the_last_fill_and_can_be_undone(page: Page) -> None:
    page.evaluate(WATCH_SEEDS)
    open_options(page)
    page.get_by_label("Texture").select_option("patches")  # by itself, none is copied over the pyramid fill
    page.keyboard.press("Escape")
    draw(page, STROKE)
    page.keyboard.press("Enter")
    expect_work(page, steps=0, fills=1)
    page.keyboard.press("f")
    page.wait_for_function("() => window.seeds.length === 2")
    expect_work(page, steps=0, fills=1)
    assert page.evaluate("window.seeds") == ["0", "1"]
    page.keyboard.press("Control+z")
    expect_work(page, steps=0, fills=1)
    page.keyboard.press("Control+z")
    expect_work(page, steps=1, fills=0)


def test_a_brush_that_is_lifted_fills_when_that_is_wanted(page: Page) -> None:
    page.get_by_role("button", name="Options").click()
    page.get_by_label("Fill as the brush is lifted").check()
    draw(page, STROKE)
    expect_work(page, steps=0, fills=1)
    draw(page, [(x + 60, y + 60) for x, y in STROKE])
    expect_work(page, steps=0, fills=2)


def test_one_finger_paints_and_two_zoom_without_leaving_a_mark(page: Page) -> None:
    touch, scale = Fingers(page).send, scale_of(page)
    touch("touchStart", (500, 400))
    touch("touchStart", (500, 400), (600, 400))
    touch("touchMove", (450, 400), (650, 400))
    for _ in range(3):  # browsers guess where fingers that move are between two pictures
        touch("touchMove", (400, 400), (700, 400))
        page.evaluate("new Promise(requestAnimationFrame)")
    touch("touchEnd")
    expect_work(page, steps=0, fills=0)
    assert scale_of(page) == pytest.approx(3 * scale, rel=0.02)
    touch("touchStart", (500, 400))
    touch("touchMove", (560, 420))
    touch("touchEnd")
    expect_work(page, steps=1, fills=0)


def test_a_pen_that_presses_less_paints_thinner(page: Page, tmp_path: Path) -> None:
    session = page.context.new_cdp_session(page)
    heights = []
    for force, y in ((1.0, 300), (0.25, 500)):
        for kind, x in (("mousePressed", 400), ("mouseMoved", 500), ("mouseMoved", 600), ("mouseReleased", 600)):
            at = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "pointerType": "pen", "force": force}
            session.send("Input.dispatchMouseEvent", at)
        heights.append(mask_of(page, tmp_path)[:, column_at(page, 500)].sum() - sum(heights))
    size = int(page.get_by_role("slider", name="Brush size").input_value())
    assert heights[0] == pytest.approx(size, abs=1)
    assert heights[1] == pytest.approx(0.4 * size, abs=1)


def column_at(page: Page, x: float) -> int:
    """The photo's column under a place on the screen."""
    scale, left, _ = view(page)
    return int((x - left) / scale)


def test_a_new_photo_asks_once_before_work_is_lost(page: Page) -> None:
    draw(page, STROKE)
    other = COFFEE.with_name("skimage_chelsea.jpg")
    page.get_by_label("Another photo").set_input_files(other)
    page.get_by_role("button", name="Keep my work").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_work(page, steps=1, fills=0)
    page.get_by_label("Another photo").set_input_files(other)
    page.get_by_role("button", name="Open anyway").click()
    expect(page.get_by_role("application")).to_have_accessible_name("Photo skimage_chelsea.jpg, 451 by 300 pixels")
    expect_work(page, steps=0, fills=0)
    page.get_by_label("Another photo").set_input_files(COFFEE)
    expect(page.get_by_role("application")).to_have_accessible_name("Photo skimage_coffee.jpg, 480 by 320 pixels")


def test_work_is_kept_while_another_view_is_shown(page: Page) -> None:
    draw(page, STROKE)
    page.get_by_role("button", name="Masks", exact=True).click()
    expect(page.get_by_role("application")).to_be_hidden()
    page.get_by_role("button", name="Fill holes").click()
    expect_work(page, steps=1, fills=0)
