"""The page in a real browser: Debian's Chromium, driven by Playwright, in front of a real server process.

Pictures of the page are left in tests/artifacts, to be looked at.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from playwright.sync_api import Browser, Locator, Page, expect

from onar.checkpoint import save_weights
from onar.imaging.formats.tiff import write_tiff
from onar.models import PConvUNet
from tests.support import browser as browsing
from tests.support.browser import (
    DESKTOP,
    button,
    canvas,
    choose_mask,
    choose_photo,
    drag,
    expect_work,
    fill,
    keep_picture,
    open_options,
    paint,
    pixels,
    save_mask,
    save_photo,
)
from tests.support.pictures import COFFEE
from tests.support.runs import wait_until
from tests.support.server import Server, needs_page, running_server

PHONE = {"width": 390, "height": 844}

pytestmark = [pytest.mark.process, needs_page]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("weights")
    (folder / "small").mkdir()
    save_weights(folder / "small" / "generator_final.pth", PConvUNet(base_channels=4, depth=3))
    with running_server("--weights", "pyramid", "--weights_dir", folder) as server:
        yield server
    assert server.process.returncode == 0


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[OpenPage]:
    """Opens the page in a language; at the end, nothing may have been asked of other servers, and nothing failed."""
    addresses, errors, contexts = [], [], []

    def open_page(language: str = "en-US", scheme: str = "light", size: dict[str, int] = DESKTOP) -> Page:
        context = browser.new_context(locale=language, color_scheme=scheme, viewport=size)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: addresses.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if "Policy" in message.text else None)
        browsing.open_page(page, server.url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert all(address.startswith((server.url, "data:", "blob:")) for address in addresses)


@pytest.mark.parametrize(
    ("language", "views", "headline"),
    [
        ("en-US", ["Fill holes", "Watch a training", "Masks"], "Remove things from photos"),
        ("tr-TR", ["Boşluk doldur", "Eğitimi izle", "Maskeler"], "Fotoğraflardan istemediklerinizi kaldırın"),
    ],
)
def test_the_page_speaks_the_language_of_the_browser_and_then_the_one_chosen(
    open_page: OpenPage, language: str, views: list[str], headline: str
) -> None:
    page = open_page(language)
    expect(page.get_by_role("navigation").get_by_role("button")).to_have_text(views)
    expect(page.get_by_role("heading", name=headline)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", language[:2])
    page.get_by_role("combobox", name=re.compile("Language|Dil")).select_option("English")
    expect(page.get_by_role("navigation").get_by_role("button").first).to_have_text("Fill holes")


def test_painted_pixels_are_filled_and_all_others_stay(open_page: OpenPage, tmp_path: Path) -> None:
    photo = tmp_path / "large photo.png"
    large = Image.open(COFFEE).resize((1500, 1000))
    large.putalpha(200)
    large.save(photo, icc_profile=b"a colour profile")
    page = open_page()
    choose_photo(page, photo)
    paint(page)
    hole = save_mask(page, tmp_path)
    fill(page)
    keep_picture(page, "complete_en_light")
    result = save_photo(page, tmp_path)
    before, after = pixels(photo), pixels(result)
    assert (result.name, after.shape) == ("large photo_completed.png", before.shape)
    assert Image.open(result).info["icc_profile"] == b"a colour profile"
    assert np.array_equal(after[~hole], before[~hole])
    assert 0.001 < hole.mean() < 0.2
    assert hole[500, 750]
    assert (after[hole] != before[hole]).any(axis=1).mean() > 0.9


def test_a_photo_that_browsers_cannot_read_is_filled_in_its_own_depth(open_page: OpenPage, tmp_path: Path) -> None:
    colours = np.asarray(Image.open(COFFEE).convert("RGB").resize((600, 400))).astype(np.uint16)
    deep = colours * 16 + np.random.default_rng(0).integers(0, 16, colours.shape, dtype=np.uint16)  # 12 bits
    with (tmp_path / "scan.tif").open("wb+") as file:
        write_tiff(file, deep)
    page = open_page("tr-TR", "dark")
    choose_photo(page, tmp_path / "scan.tif")
    paint(page, height=0.4)
    first = save_mask(page, tmp_path)
    fill(page)
    paint(page, height=0.6)
    second = save_mask(page, tmp_path)
    fill(page)
    keep_picture(page, "complete_tr_dark")
    both = tifffile.imread(save_photo(page, tmp_path))
    assert both.dtype == np.uint16
    assert np.array_equal(both[~(first | second)], deep[~(first | second)])
    assert len(np.unique(both[first] & 15)) == 16  # the fill has the photo's fine levels, too
    button(page, "Undo", "Geri al").click()  # the second fill, or the stroke that it filled
    expect(page.get_by_role("main")).to_have_attribute("data-fills", "1")
    one = tifffile.imread(save_photo(page, tmp_path))
    assert np.array_equal(one[~second], both[~second])
    assert np.array_equal(one[second & ~first], deep[second & ~first])


def test_a_mask_file_is_met_to_the_pixel_and_can_be_inverted(open_page: OpenPage, tmp_path: Path) -> None:
    mask = np.zeros((1100, 1600), np.uint8)
    mask[300:800, 450:1150] = 255
    mask[100:101] = mask[120:124:2] = 255  # thinner than a pixel of what is seen
    Image.fromarray(mask).save(tmp_path / "thin.png")
    Image.open(COFFEE).resize((1600, 1100)).save(tmp_path / "photo.webp", lossless=True)
    page = open_page()
    choose_photo(page, tmp_path / "photo.webp")
    choose_mask(page, tmp_path / "thin.png")
    assert np.array_equal(save_mask(page, tmp_path), mask == 255)
    button(page, "Invert the mask").click()
    assert np.array_equal(save_mask(page, tmp_path), mask == 0)
    button(page, "Invert the mask").click()
    fill(page)
    result = save_photo(page, tmp_path)
    assert Image.open(result).format == "WEBP"
    before, after = pixels(tmp_path / "photo.webp"), pixels(result)
    assert np.array_equal(after[mask == 0], before[mask == 0])
    assert (after[mask == 255] != before[mask == 255]).any(axis=1).mean() > 0.9


def test_a_photo_on_its_side_is_painted_where_it_is_seen(open_page: OpenPage, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(COFFEE).resize((600, 400)).save(tmp_path / "turned.jpg", exif=exif, quality=95, subsampling=0)
    page = open_page()
    choose_photo(page, tmp_path / "turned.jpg", (400, 600))
    paint(page, 0.2, 0.4, height=0.1)
    hole = save_mask(page, tmp_path)
    assert hole.shape == (600, 400)
    fill(page)
    stored, saved = Image.open(tmp_path / "turned.jpg"), Image.open(save_photo(page, tmp_path))
    assert saved.getexif()[0x0112] == 6
    before, after = (np.asarray(ImageOps.exif_transpose(each)).astype(int) for each in (stored, saved))
    changed = np.abs(after - before).max(axis=2)
    assert np.median(changed[~hole]) == 0
    assert np.median(changed[hole]) > 5


def test_problems_of_files_are_shown_in_words(open_page: OpenPage, tmp_path: Path) -> None:
    hostile = shutil.copy(COFFEE, tmp_path / "<img src=x onerror=throw(1)>.png")
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (30, 20)).save(tmp_path / "small.png")
    page = open_page("tr-TR", size=PHONE)
    page.get_by_label("Fotoğraf aç").set_input_files(tmp_path / "text.png")
    expect(page.get_by_role("alert")).to_contain_text("bozuk ya da resim değil")
    choose_photo(page, hostile)
    canvas(page).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Hiçbir yer işaretli değil")
    choose_mask(page, tmp_path / "small.png")
    expect(page.get_by_role("alert")).to_contain_text("Maske 30 × 20, fotoğraf 480 × 320 piksel")
    keep_picture(page, "problem_tr_phone")


def test_too_many_fills_for_the_server_are_reported_and_the_work_can_be_saved(browser: Browser, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (550, 550, 3), np.uint8)  # 0.9 MB: nothing can be compressed
    Image.fromarray(noise).save(tmp_path / "noise.png")
    page = browser.new_page(locale="en-US")
    with running_server("--weights", "pyramid", "--max_body_megabytes", "1", "--kept_megabytes", "0") as server:
        browsing.open_page(page, server.url)
        choose_photo(page, tmp_path / "noise.png")
        open_options(page)
        page.get_by_label("Texture").select_option("patches")
        page.keyboard.press("Escape")
        canvas(page).press("r")
        drag(page, (50, 50), (500, 300))
        button(page, "Fill").click()
        expect_work(page, fills=1)
        button(page, "Download").click()
        expect(page.get_by_role("alert")).to_contain_text("undo the last fill, download")
        canvas(page).press("Control+z")
        expect_work(page, steps=1, fills=0)
        assert np.array_equal(pixels(save_photo(page, tmp_path)), noise)
    page.close()


def test_a_lost_server_is_reported_and_nothing_on_the_page_is_lost(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    with running_server("--weights", "pyramid") as server:
        browsing.open_page(page, server.url)
        choose_photo(page, COFFEE)
        paint(page)
        marked = save_mask(page, tmp_path)
    server.process.wait(60)
    button(page, "Fill").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    assert np.array_equal(save_mask(page, tmp_path), marked)
    page.close()


def test_the_keyboard_is_enough(open_page: OpenPage) -> None:
    page = open_page()

    def go_to(control: Locator) -> None:
        expect(control).to_be_visible()
        for _ in range(80):
            if control.evaluate("control => control === document.activeElement"):
                return
            page.keyboard.press("Tab")
        pytest.fail(f"Tab does not reach {control}")

    go_to(page.get_by_role("button", name="Example: skimage chelsea"))
    page.keyboard.press("Enter")
    go_to(canvas(page))
    for key in ("Space", "Shift+ArrowRight", "Shift+ArrowDown", "Space"):
        page.keyboard.press(key)
    expect(page.get_by_role("main")).to_have_attribute("data-steps", "1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_have_attribute("data-fills", "1")
    with page.expect_download() as started:
        page.keyboard.press("Control+s")
    assert started.value.suggested_filename == "skimage_chelsea_completed.jpg"


def test_other_weights_in_the_folder_can_be_chosen(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page("tr-TR", size=PHONE)
    choose_photo(page, COFFEE)
    results = []
    for name in ("pyramid", "small/generator_final.pth"):
        open_options(page)
        weights = page.get_by_role("combobox", name="Ağırlıklar")
        expect(weights.get_by_role("option")).to_have_text(["pyramid", "small/generator_final.pth", "bundled"])
        weights.select_option(name)
        page.keyboard.press("Escape")
        paint(page)
        fill(page)
        results.append(save_photo(page, tmp_path).read_bytes())
        button(page, "Undo", "Geri al").click()
        button(page, "Undo", "Geri al").click()
        expect(page.get_by_role("main")).to_have_attribute("data-steps", "0")
    keep_picture(page, "complete_tr_phone")
    assert results[0] != results[1]


def test_masks_follow_their_settings(open_page: OpenPage) -> None:
    page = open_page("tr-TR")
    button(page, "Masks", "Maskeler").click()
    sheet = page.get_by_role("img", name=re.compile("siyah üzerine beyaz"))
    shown = [sheet.get_attribute("src")]
    kind, ratio = page.get_by_label(re.compile("^rectangle")), page.get_by_label("Boşluk oranını belirle")
    for change in (kind.check, button(page, "Yeni örnek").click, ratio.check):
        change()
        expect(sheet).not_to_have_attribute("src", shown[-1])
        shown.append(sheet.get_attribute("src"))
    expect(page.get_by_text(re.compile("--mask_type rectangle --hole_ratio 0.1 0.3"))).to_be_visible()
    assert len(set(shown)) == 4
    keep_picture(page, "masks_tr_light")


def test_cancel_ends_the_work_on_the_server_and_the_next_hole_is_filled(browser: Browser, tmp_path: Path) -> None:
    photo, mask = tmp_path / "photo.jpg", np.zeros((1400, 1400), np.uint8)
    Image.open(COFFEE).convert("RGB").resize((1400, 1400)).save(photo)
    mask[100:1300, 100:1300] = 255
    Image.fromarray(mask).save(tmp_path / "deep.png")
    with running_server() as server:
        page = browser.new_page(locale="en-US")
        browsing.open_page(page, server.url)
        choose_photo(page, photo)
        choose_mask(page, tmp_path / "deep.png")
        button(page, "Fill").click()
        wait_until(lambda: server.measure("onar_in_progress") == 1)
        button(page, "Cancel").click()
        wait_until(lambda: server.answers(499) == 1 and server.measure("onar_in_progress") == 0)
        assert server.answers(200) == 0
        expect_work(page, fills=0)
        button(page, "Clear the mask").click()
        paint(page)
        fill(page)
        assert server.answers(200) == 1
        page.close()
