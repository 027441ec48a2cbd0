"""The page for those who do not see it or use no pointer: axe-core, the way of the focus, and what is read out."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Visit
from tests.support.browser import button, canvas, choose_photo, drag, expect_work
from tests.support.front_end import WEB
from tests.support.server import needs_page
from tests.support.views import problems_by_view

pytestmark = needs_page

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
needs_axe = pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: cd web && npm ci")

RUN_AXE = """async () => {
    const { violations } = await axe.run();
    return violations.flatMap(({ id, impact, nodes }) => nodes.map(({ html }) => `${impact}: ${id}: ${html}`));
}"""


# ---------------------------------------------------------------- axe-core


@needs_axe
def test_axe_finds_nothing_on_any_view_be_it_light_or_dark(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served, reduced_motion="reduce")  # no colour on its way to another one
    page.evaluate(AXE.read_text())

    def look(page: Page) -> list[str]:
        problems = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            problems += [f"{scheme}: {problem}" for problem in page.evaluate(RUN_AXE)]
        return problems

    assert problems_by_view(page, photo, look) == {}


@needs_axe
def test_axe_finds_nothing_on_a_phone_in_turkish(visit: Visit, served: str, photo: Path) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = visit(served, locale="tr-TR", reduced_motion="reduce", **phone)
    page.evaluate(AXE.read_text())
    assert problems_by_view(page, photo, lambda page: page.evaluate(RUN_AXE)) == {}


# ---------------------------------------------------------------- the focus

FOCUSED = """() => {
    const element = document.activeElement;
    const shown = element.matches("input.unseen") ? element.closest("label") : element;
    const { outlineStyle, outlineWidth } = getComputedStyle(shown);
    const { left, top, right, bottom } = shown.getBoundingClientRect();
    return {
        name: element.ariaLabel
            ?? element.querySelector("img")?.alt
            ?? (element.textContent || (element.labels?.[0]?.textContent ?? "")).trim(),
        isSeen: left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight && left < right && top < bottom,
        isMarked: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
        isInDialog: element.closest("dialog") !== null,
    };
}"""


def tab_through(page: Page) -> list[str]:
    """The names of all that the Tab key reaches, each of which is seen and marked when it has the focus."""
    names: list[str] = []
    while True:
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            return names
        focused = page.evaluate(FOCUSED)
        assert focused["isSeen"], focused
        assert focused["isMarked"], focused
        names.append(focused["name"])
        assert len(names) < 100, names


def test_tab_goes_once_through_all_from_the_top_to_the_bottom(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served)
    views, choices = ["Fill holes", "Watch a training", "Masks"], ["Language", "Theme"]
    names = tab_through(page)
    assert names[:7] == [*views, "Help and keys", *choices, "Open a photo"]
    assert names[7:9] == ["Open a folder", "Keep my work in this browser until I save it"]
    assert all(name.startswith("Example: ") for name in names[9:])
    assert len(names[9:]) == page.get_by_role("img").count()
    choose_photo(page, photo)
    page.evaluate("document.activeElement.blur()")
    page.get_by_role("heading", name="Onar").click()
    actions = ["Another photo", "Open a folder", "Download", "Options", "Help and keys"]
    like = ["Object: draw round it, and its outline is found", "Like colours: click on a patch"]
    shapes = ["Rectangle", "Lasso", *like, "Line: click from point to point"]
    copies = ["Clone: copy from a source", "Heal: copy from a source, fitted to its surroundings"]
    parts = ["Crop: save a part of the photo", "Extend: add margins and fill them", "Hand: move the photo"]
    tools = ["Brush", "Eraser", *shapes, *copies, *parts, "Find what should go", "Brush size"]
    work = ["Undo", "Redo", "Fill again", "Fill in three ways, and choose", "Fill"]
    look = ["Zoom in", "zoom to 100 %", "Zoom out", "Whole photo", "Show the original", "Compare with a slider"]
    names = [name.split(" %, ")[-1] for name in tab_through(page)]
    photo_and_message = ["Photo coffee.png, 360 by 240 pixels", "Close"]
    assert names == [*views, *actions, *choices, *photo_and_message, *tools, *work, *look]


@pytest.mark.parametrize("way", ["Escape", "button"])
@pytest.mark.parametrize("dialog", ["Help and keys", "Your work is not saved"])
def test_a_dialog_keeps_the_focus_and_gives_it_back(
    visit: Visit, served: str, photo: Path, dialog: str, way: str
) -> None:
    page = visit(served)
    choose_photo(page, photo)
    drag(page, (100, 80), (180, 120))
    before = canvas(page)
    if dialog == "Help and keys":
        before = button(page, "Help and keys")
        before.focus()
        page.keyboard.press("Enter")
    else:
        before.focus()
        page.get_by_label("Another photo").set_input_files(photo)
    opened = page.get_by_role("dialog", name=dialog)
    expect(opened).to_be_visible()
    for _ in range(8):
        focused = page.evaluate(FOCUSED)
        assert focused["isInDialog"] or page.evaluate("document.activeElement === document.body"), focused
        page.keyboard.press("Tab")
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        opened.get_by_role("button").first.press("Enter")
    expect(opened).to_have_count(0)
    expect(before).to_be_focused()
    expect_work(page, steps=1)


def test_the_options_take_the_focus_and_give_it_back(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served)
    choose_photo(page, photo)
    button(page, "Options").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="Options")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("complementary").get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button(page, "Options")).to_be_focused()


# ---------------------------------------------------------------- what is read out

LISTEN = """() => {
    window.heard = [];
    const listen = () => {
        for (const region of document.querySelectorAll("[role=status], [role=alert], [aria-live]")) {
            const said = region.textContent.trim();
            if (said && said !== region.heard) window.heard.push(said);
            region.heard = said;
        }
    };
    listen();
    window.heard = [];
    new MutationObserver(listen).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


def test_all_that_happens_is_read_out_in_regions_that_are_there_before(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served)
    choose_photo(page, photo)
    page.evaluate(LISTEN)
    regions = page.locator("[role=status], [role=alert], [aria-live]")
    count = regions.count()
    for key in ("Enter", "Space", "ArrowRight", "Space", "Enter"):
        page.keyboard.press(key)
    expect_work(page, steps=0, fills=1)
    for key in ("Control+z", "Control+y", "e", "Control+s"):
        page.keyboard.press(key)
    expect(page.get_by_role("status").first).to_contain_text("was downloaded")
    heard = page.evaluate("window.heard")
    expected = [
        "Nothing is marked",
        "Down at 180, 120.",
        "Lifted at",
        "Filling…",
        "Filled in",
        "Undone: 1 can still be undone.",
        "Redone: 0 can still be redone.",
        "Eraser",
        "Saving…",
        "coffee_completed.png was downloaded.",
    ]
    assert [sentence.startswith(start) for sentence, start in zip(heard, expected, strict=True)] == [True] * 10, heard
    assert regions.count() == count


def test_the_help_and_the_photo_say_how_they_are_used_without_a_pointer(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served)
    choose_photo(page, photo)
    expect(canvas(page)).to_be_focused()
    expect(canvas(page)).to_have_accessible_description(
        "Arrow keys move the brush, with Shift in larger steps; space puts it down and lifts it. Press ? for all keys."
    )
    expect(page.get_by_role("slider", name="Brush size")).to_have_attribute("aria-valuetext", "18 pixels")
