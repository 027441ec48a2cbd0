"""In Turkish the page is Turkish all over; how it speaks and looks follows the browser, or a choice that is kept."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.conftest import REPOSITORY
from tests.page.conftest import Visit
from tests.support.browser import button, choose_photo, drag, fill, keep_picture, open_options, open_page
from tests.support.server import needs_page
from tests.support.views import problems_by_view

pytestmark = needs_page

TEXTS = REPOSITORY / "web" / "src" / "texts"
ALIKE = {"psnr", "ssim", "l1", "lpips", "st_lpips"}
"""Names of scores, which are the same in every language."""

ALL_TEXTS = """() => {
    const texts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) texts.push(walker.currentNode.data);
    for (const element of document.querySelectorAll("*")) {
        for (const name of ["aria-label", "aria-valuetext", "title", "alt", "placeholder"]) {
            texts.push(element.getAttribute(name) ?? "");
        }
        if (element.matches("label, p, li, dd, dt, h2, h3, button")) texts.push(element.textContent);
    }
    texts.push(document.title);
    return texts.map((text) => text.trim()).filter(Boolean);
}"""


FORBID_STORAGE = """Object.defineProperty(window, "localStorage", {
    get() { throw new DOMException("Access is denied for this document.", "SecurityError"); },
});"""


def sentences(language: str) -> dict[str, str]:
    """All texts of a language, by their keys."""
    source = (TEXTS / f"{language}.ts").read_text()
    return dict(re.findall(r'^  (\w+):\s+"(.*)",$', source, re.M))


def patterns_of_english() -> list[re.Pattern[str]]:
    """Patterns of the page's English sentences with any values."""
    names = json.loads((TEXTS.parent / "shared.json").read_text())
    texts = [*sentences("english").values(), *(title for name, title in names["titles"].items() if name not in ALIKE)]
    texts += [f"{name}: {shapes}" for name, shapes in names["mask_settings"]["MASK_TYPES"].items()]
    return [re.compile(r"\S.*?".join(map(re.escape, re.split(r"\{\w+\}", text)))) for text in texts]


def english_on(page: Page) -> list[str]:
    texts = [re.sub(r" \([^()]*\)$", "", text) for text in page.evaluate(ALL_TEXTS)]  # without a button's key
    return [text for text in texts if any(pattern.fullmatch(text) for pattern in ENGLISH)]


ENGLISH = patterns_of_english()


def test_every_sentence_is_there_in_both_languages_and_none_is_only_copied() -> None:
    english, turkish = sentences("english"), sentences("turkish")
    assert len(english) > 200
    assert english.keys() == {key for key in turkish if not key.startswith("name_")}
    assert not {key for key in english if english[key] == turkish[key]}


def test_nothing_is_english_on_the_page_in_turkish(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served, locale="tr-TR")
    expect(page.locator("html")).to_have_attribute("lang", "tr")
    assert problems_by_view(page, photo, english_on) == {}


def test_all_is_english_again_when_english_is_chosen_in_the_midst_of_work(
    visit: Visit, served: str, photo: Path
) -> None:
    page = visit(served, locale="tr-TR")
    choose_photo(page, photo)
    drag(page, (100, 80), (180, 120))
    fill(page)
    open_options(page)
    page.get_by_label("Dil").select_option("English")
    expect(page.get_by_role("status").first).to_contain_text("Filled in")
    assert {"Options", "Filling", "Undo", "Mask", "Fill again"} <= set(english_on(page))
    expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("place", ["served", "hosted"])
def test_what_was_said_is_said_in_the_language_that_is_chosen_then(
    visit: Visit, place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    page = visit(request.getfixturevalue(place))
    first, second = (Image.new("RGB", (64, 48), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "moving.webp", save_all=True, append_images=[second])
    choose_photo(page, tmp_path / "moving.webp")
    expect(page.get_by_role("status").first).to_contain_text("only the first")
    page.get_by_label("Language").select_option("Türkçe")
    expect(page.get_by_role("status").first).to_contain_text("yalnız")
    (tmp_path / "broken.png").write_bytes(b"")
    page.get_by_label("Başka fotoğraf").set_input_files(tmp_path / "broken.png")
    expect(page.get_by_role("alert")).to_contain_text("bozuk")
    page.get_by_label("Dil").select_option("English")
    expect(page.get_by_role("alert")).to_contain_text("damaged")


def test_nothing_is_english_in_the_folder_s_page_in_turkish(visit: Visit, hosted: str, photo: Path) -> None:
    page = visit(hosted, locale="tr-TR")
    found = english_on(page)
    choose_photo(page, photo)
    drag(page, (100, 80), (180, 120))
    fill(page)
    open_options(page)
    page.get_by_label("Dosya biçimi").select_option("jpeg")
    with page.expect_download():
        page.keyboard.press("Control+s")
    expect(page.get_by_role("status").first).to_contain_text("indirildi")
    assert found + english_on(page) == []


@pytest.mark.parametrize(("browser_s", "spoken"), [("tr", "tr"), ("eo", "en"), ("en-GB", "en")])
def test_a_language_that_was_chosen_is_kept_and_until_then_the_browser_s_is_spoken(
    visit: Visit, served: str, browser_s: str, spoken: str
) -> None:
    page = visit(served, locale=browser_s)
    expect(page.locator("html")).to_have_attribute("lang", spoken)
    other = {"tr": "English", "en": "Türkçe"}[spoken]
    page.get_by_label(re.compile("^(Language|Dil)$")).select_option(other)
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", {"tr": "en", "en": "tr"}[spoken])


def test_a_browser_that_keeps_nothing_shows_the_page_and_speaks_what_is_chosen(visit: Visit, served: str) -> None:
    page = visit(served)
    page.add_init_script(FORBID_STORAGE)
    open_page(page, served)
    page.get_by_label("Language").select_option("Türkçe")
    expect(page.locator("html")).to_have_attribute("lang", "tr")


# ---------------------------------------------------------------- light and dark


def is_dark(page: Page) -> bool:
    """Whether letters are lighter than what they stand on."""
    light = page.evaluate(
        """() => {
            const lightness = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).reduce((sum, part) => sum + +part, 0);
            const { color, backgroundColor } = getComputedStyle(document.querySelector("header"));
            return [lightness(color), lightness(backgroundColor)];
        }"""
    )
    return light[0] > light[1]


def test_the_page_is_light_or_dark_as_the_system_until_one_is_chosen_and_that_is_kept(
    visit: Visit, served: str
) -> None:
    page = visit(served, color_scheme="dark")
    keep_picture(page, "empty_dark")
    assert is_dark(page)
    page.emulate_media(color_scheme="light")
    assert not is_dark(page)
    for chosen, dark in (("Dark", True), ("Light", False)):
        page.get_by_label("Theme").select_option(chosen)
        for system in ("light", "dark"):
            page.emulate_media(color_scheme=system)
            assert is_dark(page) == dark
        page.reload()
        expect(button(page, "Help and keys")).to_be_visible()
        assert is_dark(page) == dark
    page.get_by_label("Theme").select_option("System")
    assert is_dark(page)
