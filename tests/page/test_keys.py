"""Every key and every use of the pointer that the help names does what it says, and no key disturbs who writes."""

import base64
import re
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.page.conftest import Visit
from tests.support.browser import (
    Fingers,
    button,
    canvas,
    choose_photo,
    choose_tool,
    drag,
    expect_work,
    on_page,
    open_options,
    photo_box,
    scale_of,
    shown,
)
from tests.support.server import needs_page

pytestmark = needs_page

A_STROKE = ((100, 80), (180, 120))


@pytest.fixture
def page(visit: Visit, served: str, photo: Path) -> Page:
    """The page with a photo on it."""
    page = visit(served)
    choose_photo(page, photo)
    return page


def paint(page: Page, button: str = "left") -> None:
    drag(page, *A_STROKE, button=button)


def brush_size(page: Page) -> int:
    return int(page.get_by_role("slider", name="Brush size").input_value())


def place(page: Page) -> tuple[float, float]:
    """Where the photo's first pixel is."""
    box = photo_box(page)
    return box["x"], box["y"]


# ---------------------------------------------------------------- what the help says of keys


def chooses(page: Page, key: str, tool: str) -> None:
    page.keyboard.press("b" if key == "h" else "h")
    page.keyboard.press(key)
    expect(button(page, tool)).to_have_attribute("aria-pressed", "true")


def resizes(page: Page, key: str, larger: bool) -> None:
    before = brush_size(page)
    page.keyboard.press(key)
    assert brush_size(page) != before
    assert (brush_size(page) > before) == larger


def zooms(page: Page, keys: str, closer: bool) -> None:
    for key in keys:
        before = scale_of(page)
        page.keyboard.press(key)
        assert scale_of(page) == pytest.approx(before * (1.25 if closer else 0.8))


def shows_the_whole_photo(page: Page) -> None:
    before = (scale_of(page), place(page))
    page.keyboard.press("+")
    page.keyboard.press("0")
    assert (scale_of(page), place(page)) == before


def shows_pixels_as_they_are(page: Page) -> None:
    assert scale_of(page) != 1
    page.keyboard.press("1")
    assert scale_of(page) == pytest.approx(1)


def fills(page: Page) -> None:
    paint(page)
    page.keyboard.press("Enter")
    expect_work(page, steps=0, fills=1)


def fills_in_three_ways(page: Page) -> None:
    drag(page, (100, 80), (180, 120))
    page.keyboard.press("t")
    tries = page.get_by_role("dialog").get_by_role("listitem").get_by_role("button")
    expect(tries).to_have_count(3)
    page.keyboard.press("Enter")
    expect_work(page, steps=0, fills=1)


def fills_again(page: Page) -> None:
    open_options(page)
    page.get_by_label("Texture").select_option("patches")
    page.keyboard.press("Escape")
    fills(page)
    first = shown(page, 0)
    with page.expect_response("**/api/fill"):
        page.keyboard.press("f")
    expect_work(page, steps=0, fills=1)
    assert shown(page, 0) != first


def undoes(page: Page) -> None:
    fills(page)
    for steps in (1, 0):
        page.keyboard.press("Control+z")
        expect_work(page, steps=steps, fills=0)


def redoes(page: Page) -> None:
    fills(page)
    filled = shown(page, 0)
    for _ in range(2):
        page.keyboard.press("Control+z")
    page.keyboard.press("Control+Shift+z")
    expect_work(page, steps=1, fills=0)
    page.keyboard.press("Control+y")
    expect_work(page, steps=0, fills=1)
    assert shown(page, 0) == filled


def shows_the_original_while_held(page: Page) -> None:
    original = shown(page, 0)
    fills(page)
    filled = shown(page, 0)
    page.keyboard.down("c")
    assert shown(page, 0) == original
    page.keyboard.up("c")
    assert shown(page, 0) == filled != original


def compares_by_a_slider(page: Page) -> None:
    slider = page.get_by_role("slider", name="Comparison slider")
    original = shown(page, 0)
    fills(page)
    page.keyboard.press("s")
    slider.press("End")
    assert shown(page, 0) == original
    slider.press("Home")
    assert shown(page, 0) != original
    page.keyboard.press("s")
    expect(slider).to_have_count(0)


def downloads(page: Page) -> None:
    with page.expect_download() as started:
        page.keyboard.press("Control+s")
    assert started.value.suggested_filename == "coffee_completed.png"


def copies_the_photo(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    fills(page)
    page.keyboard.press("Control+c")
    expect(page.get_by_role("status").first).to_have_text("The photo was copied.")
    size = page.evaluate(
        """async () => {
            const [item] = await navigator.clipboard.read();
            const { width, height } = await createImageBitmap(await item.getType("image/png"));
            return [width, height];
        }"""
    )
    assert size == [360, 240]


def pastes_a_mask(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy = """([width, height]) => {
        const canvas = new OffscreenCanvas(width, height);
        const context = canvas.getContext("2d");
        context.fillRect(0, 0, width, height);
        context.fillStyle = "white";
        context.fillRect(100, 80, 40, 30);
        return navigator.clipboard.write([new ClipboardItem({ "image/png": canvas.convertToBlob() })]);
    }"""
    page.evaluate(copy, [90, 90])
    page.keyboard.press("Control+Shift+v")
    expect(page.get_by_role("alert")).to_contain_text("The mask is 90 × 90, the photo 360 × 240 pixels")
    expect_work(page, steps=0)
    page.evaluate(copy, [360, 240])
    page.keyboard.press("Control+Shift+v")
    expect_work(page, steps=1)
    assert is_marked(page, 120, 95)
    assert not is_marked(page, 90, 95)
    page.evaluate("navigator.clipboard.writeText('text')")
    page.keyboard.press("Control+Shift+v")
    expect(page.get_by_role("alert")).to_contain_text("There is no picture in the clipboard")


def cancels_and_closes(page: Page) -> None:
    page.mouse.move(*on_page(page, 100, 80))
    page.mouse.down()
    page.keyboard.press("Escape")  # what was begun
    page.mouse.up()
    expect_work(page, steps=0)
    paint(page)
    page.route("**/api/fill", lambda _: None)  # a server that never answers
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("Filling…")
    page.keyboard.press("Escape")
    expect(page.get_by_role("status").first).to_have_text("Cancelled; nothing was changed.")
    expect_work(page, steps=1, fills=0)
    open_options(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary")).to_have_count(0)


def opens_what_to_find(page: Page) -> None:
    menu = page.get_by_role("region", name="Find what should go")
    page.keyboard.press("d")
    expect(menu).to_be_focused()
    page.keyboard.press("d")
    expect(menu).to_have_count(0)
    page.keyboard.press("d")
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    expect(canvas(page)).to_be_focused()


def opens_the_help(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help and keys")).to_be_visible()


# ---------------------------------------------------------------- what it says of the photo and the pointer


def spoken_place(page: Page, word: str) -> tuple[int, int]:
    said = page.get_by_text(re.compile(rf"^{word} at \d+, \d+\.$"))
    expect(said).to_have_count(1)
    x, y = re.findall(r"\d+", said.text_content())
    return int(x), int(y)


def paints_and_moves_the_brush(page: Page) -> None:
    canvas(page).focus()
    strides = {"ArrowRight": (1, 0), "ArrowLeft": (-1, 0), "ArrowDown": (0, 1), "ArrowUp": (0, -1)}
    for key, (right, down) in strides.items():
        lengths = []
        for pressed in (key, f"Shift+{key}"):
            page.keyboard.press("Space")
            x, y = spoken_place(page, "Down")
            page.keyboard.press(pressed)
            page.keyboard.press("Space")
            to_x, to_y = spoken_place(page, "Lifted")
            lengths.append(max(abs(to_x - x), abs(to_y - y)))
            assert (to_x - x, to_y - y) == (right * lengths[-1], down * lengths[-1])
        assert 0 < lengths[0] < lengths[1]
    expect_work(page, steps=8)


def zooms_by_wheel(page: Page) -> None:
    page.mouse.move(*on_page(page, 100, 80))
    held, scale = on_page(page, 100, 80), scale_of(page)
    page.mouse.wheel(0, -200)
    page.wait_for_function("(scale) => document.querySelector('[data-scale]').dataset.scale > scale", arg=scale)
    assert on_page(page, 100, 80) == pytest.approx(held, abs=1)  # wheels turn at whole pixels of the page


def resizes_by_wheel(page: Page) -> None:
    size, scale = brush_size(page), scale_of(page)
    page.mouse.move(*on_page(page, 100, 80))
    page.keyboard.down("Alt")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Alt")
    expect(page.get_by_role("slider", name="Brush size")).not_to_have_value(str(size))
    assert brush_size(page) > size
    assert scale_of(page) == scale


def moves_by_wheel(page: Page) -> None:
    (x, y), left = place(page), canvas(page).get_attribute("data-left")
    page.mouse.move(*on_page(page, 100, 80))
    page.keyboard.down("Shift")
    page.mouse.wheel(60, 0)
    page.keyboard.up("Shift")
    expect(canvas(page)).not_to_have_attribute("data-left", left)
    assert place(page) == pytest.approx((x - 60, y))


def moves_by_drag(page: Page) -> None:
    for button_, key in (("left", "Space"), ("middle", None)):
        x, y = place(page)
        start = on_page(page, 100, 80)
        if key:
            page.keyboard.down(key)
        page.mouse.move(*start)
        page.mouse.down(button=button_)
        page.mouse.move(start[0] + 30, start[1] + 20)
        page.mouse.up(button=button_)
        if key:
            page.keyboard.up(key)
        assert place(page) == pytest.approx((x + 30, y + 20))
    expect_work(page, steps=0)


def erases(page: Page) -> None:
    empty = shown(page, 1)
    paint(page)
    assert shown(page, 1) != empty
    page.keyboard.press("]")
    drag(page, (90, 75), *A_STROKE, (190, 125), button="right")
    expect_work(page, steps=2)
    assert shown(page, 1) == empty


def pinches(page: Page) -> None:
    touch, scale = Fingers(page).send, scale_of(page)
    left, right = on_page(page, 160, 120), on_page(page, 200, 120)
    touch("touchStart", left, right)
    touch("touchMove", left, (2 * right[0] - left[0], right[1] + 50))
    touch("touchEnd")
    page.wait_for_function("(least) => document.querySelector('[data-scale]').dataset.scale > least", arg=1.5 * scale)
    expect_work(page, steps=0)


def draws_a_line(page: Page) -> None:
    drag(page, (60, 60), (80, 60))
    before = shown(page, 1)
    page.keyboard.down("Shift")
    page.mouse.click(*on_page(page, 280, 180))
    page.mouse.click(*on_page(page, 60, 180))
    page.keyboard.up("Shift")
    expect_work(page, steps=3)
    assert shown(page, 1) != before
    assert is_marked(page, 180, 120), "half way between the stroke's end and the first place"
    assert is_marked(page, 170, 180), "and between the two places"
    assert not is_marked(page, 70, 120)


def draws_lines_from_click_to_click(page: Page) -> None:
    page.keyboard.press("i")
    for place in ((60, 60), (280, 60), (280, 180)):
        page.mouse.click(*on_page(page, *place))
    page.keyboard.press("Escape")
    expect_work(page, steps=1)
    assert is_marked(page, 170, 60)
    assert is_marked(page, 280, 120)
    assert not is_marked(page, 170, 120)


def copies_from_where_was_clicked(page: Page) -> None:
    page.keyboard.press("k")
    page.keyboard.down("Alt")
    page.mouse.click(*on_page(page, 60, 60))
    page.keyboard.up("Alt")
    expect_work(page, steps=0, fills=0)
    drag(page, (200, 120), (240, 120))
    expect_work(page, steps=0, fills=1)


def copies_from_the_place_of_the_cursor(page: Page) -> None:
    page.keyboard.press("j")
    canvas(page).press("x")
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", " ", "ArrowRight", " "):
        canvas(page).press(key)
    expect_work(page, steps=0, fills=1)


def draws_a_line_by_key(page: Page) -> None:
    drag(page, (60, 60), (80, 60))
    page.mouse.move(*on_page(page, 280, 180))
    canvas(page).press("Shift+ ")
    canvas(page).press("Shift+ ")
    expect_work(page, steps=2)
    assert is_marked(page, 180, 120)


def is_marked(page: Page, x: float, y: float) -> bool:
    """Whether the mask is seen at a point of the photo."""
    box, (left, top) = canvas(page).bounding_box(), on_page(page, x, y)
    picture = Image.open(BytesIO(base64.b64decode(shown(page, 1).partition(",")[2])))
    ratio = picture.width / box["width"]
    alpha = picture.getpixel((round((left - box["x"]) * ratio), round((top - box["y"]) * ratio)))[3]
    return alpha > 0


def shows_the_other_photo(page: Page, key: str, name: str) -> None:
    """Of two, the first of which is shown."""
    picture = BytesIO()
    Image.new("RGB", (90, 60)).save(picture, "PNG")
    files = [{"name": each, "mimeType": "image/png", "buffer": picture.getvalue()} for each in ("a.png", "b.png")]
    page.get_by_label("Another photo").set_input_files(files)
    expect(canvas(page)).to_have_accessible_name(re.compile("a.png"))
    for pressed, shown_then in (("PageDown", "b.png"), (key, name)):
        page.keyboard.press(pressed)
        expect(canvas(page)).to_have_accessible_name(re.compile(shown_then))
        expect_work(page)


SAID: dict[str, Callable[[Page], None]] = {
    "B": partial(chooses, key="b", tool="Brush"),
    "E": partial(chooses, key="e", tool="Eraser"),
    "R": partial(chooses, key="r", tool="Rectangle"),
    "L": partial(chooses, key="l", tool="Lasso"),
    "O": partial(chooses, key="o", tool="Object: draw round it, and its outline is found"),
    "W": partial(chooses, key="w", tool="Like colours: click on a patch"),
    "I": partial(chooses, key="i", tool="Line: click from point to point"),
    "K": partial(chooses, key="k", tool="Clone: copy from a source"),
    "J": partial(chooses, key="j", tool="Heal: copy from a source, fitted to its surroundings"),
    "X": copies_from_the_place_of_the_cursor,
    "Q": partial(chooses, key="q", tool="Crop: save a part of the photo"),
    "M": partial(chooses, key="m", tool="Extend: add margins and fill them"),
    "H": partial(chooses, key="h", tool="Hand: move the photo"),
    "[": partial(resizes, key="[", larger=False),
    "]": partial(resizes, key="]", larger=True),
    "D": opens_what_to_find,
    "Enter": fills,
    "F": fills_again,
    "T": fills_in_three_ways,
    "Ctrl+Z": undoes,
    "Ctrl+Shift+Z / Ctrl+Y": redoes,
    "C": shows_the_original_while_held,
    "S": compares_by_a_slider,
    "+ / =": partial(zooms, keys="+=", closer=True),
    "-": partial(zooms, keys="-", closer=False),
    "0": shows_the_whole_photo,
    "1": shows_pixels_as_they_are,
    "Ctrl+S": downloads,
    "Ctrl+C": copies_the_photo,
    "Ctrl+Shift+V": pastes_a_mask,
    "Page Down": partial(shows_the_other_photo, key="PageDown", name="b.png"),
    "Page Up": partial(shows_the_other_photo, key="PageUp", name="a.png"),
    "Esc": cancels_and_closes,
    "?": opens_the_help,
    "Arrow keys": paints_and_moves_the_brush,
    "Space": paints_and_moves_the_brush,
    "Shift and space": draws_a_line_by_key,
    "Shift and click": draws_a_line,
    "Alt and click": copies_from_where_was_clicked,
    "Click and click": draws_lines_from_click_to_click,
    "Wheel": zooms_by_wheel,
    "Alt and wheel": resizes_by_wheel,
    "Shift and wheel": moves_by_wheel,
    "Space and drag, or middle button": moves_by_drag,
    "Right button, or the pen's eraser": erases,
    "Two fingers": pinches,
}


def test_the_help_names_exactly_what_is_tested_here(page: Page) -> None:
    page.keyboard.press("?")
    assert page.get_by_role("dialog").locator("kbd").all_text_contents() == list(SAID)


@pytest.mark.parametrize("key", [key for key in SAID if key != "Space"])
def test_what_the_help_says_of_a_key_is_true(page: Page, key: str) -> None:
    SAID[key](page)


# ---------------------------------------------------------------- where keys are not for the photo


def test_keys_do_nothing_to_the_photo_while_somebody_writes_or_chooses(page: Page) -> None:
    paint(page)
    open_options(page)
    size, scale = brush_size(page), scale_of(page)
    for field in (
        *page.get_by_role("spinbutton").all(),
        page.get_by_label("Texture"),
        page.get_by_label("File format"),
    ):
        field.focus()
        for key in ("e", "]", "+", "c", "s", "Control+z", "Enter"):
            page.keyboard.press(key)
        expect_work(page, steps=1, fills=0)
    expect(canvas(page)).to_have_attribute("data-tool", "brush")
    assert (brush_size(page), scale_of(page)) == (size, scale)


def test_a_button_of_a_mouse_that_goes_forward_in_the_history_paints_nothing(page: Page) -> None:
    page.evaluate("addEventListener('pointerdown', ({buttons}) => { window.pressed = buttons; })")
    session, (x, y) = page.context.new_cdp_session(page), on_page(page, 100, 80)
    for kind, held in (("mousePressed", 16), ("mouseReleased", 0)):
        event = {"type": kind, "x": x, "y": y, "button": "forward", "buttons": held, "clickCount": 1}
        session.send("Input.dispatchMouseEvent", event)
    assert page.evaluate("window.pressed") == 16
    paint(page)
    expect_work(page, steps=1)


def test_keys_do_nothing_to_the_photo_behind_a_dialog(page: Page) -> None:
    paint(page)
    opens_the_help(page)
    for key in ("e", "Control+z", "f"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_work(page, steps=1, fills=0)
    expect(canvas(page)).to_have_attribute("data-tool", "brush")


def test_keys_of_one_letter_can_be_switched_off_and_stay_off(page: Page, photo: Path) -> None:
    opens_the_help(page)
    page.get_by_label("Single-character shortcuts").uncheck()
    page.reload()
    choose_photo(page, photo)
    choose_tool(page, "Rectangle")
    for key in ("e", "?", "]", "1"):
        page.keyboard.press(key)
    expect(canvas(page)).to_have_attribute("data-tool", "rectangle")
    expect(page.get_by_role("dialog")).to_have_count(0)
    fills(page)
