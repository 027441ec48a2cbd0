"""Extending a photo by margins that are filled, with a server and in a folder, and by a finger."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.page.conftest import Visit
from tests.page.test_keeping import expect_kept, expect_restored
from tests.support.browser import (
    Fingers,
    button,
    choose_photo,
    drag,
    draw,
    expect_work,
    fill,
    keep_picture,
    on_page,
    open_options,
    photo_size,
    pixels,
    save_photo,
    shown,
)
from tests.support.server import needs_page

pytestmark = needs_page

ORIENTATION, MAKE = 0x0112, 0x010F
PHONE = {"width": 390, "height": 844}


def margin(page: Page, side: str) -> Locator:
    return page.get_by_role("spinbutton", name=side, exact=True)


def type_margin(page: Page, side: str, pixels: int) -> None:
    margin(page, side).fill(str(pixels))
    margin(page, side).press("Tab")


@pytest.mark.parametrize("place", ["served", "hosted"])
def test_a_photo_is_extended_undone_redone_reloaded_and_saved(
    visit: Visit, request: pytest.FixtureRequest, place: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(request.getfixturevalue(place))
    choose_photo(page, photo)
    draw(page, (100, 80), (180, 120))
    fill(page)
    before = pixels(save_photo(page, tmp_path))
    page.keyboard.press("m")
    drag(page, (359, 100), (390, 100))
    expect(margin(page, "Right")).to_have_value("30")
    drag(page, (0, 0), (-24, -16))
    expect(margin(page, "Left")).to_have_value("24")
    type_margin(page, "Top", 10)
    type_margin(page, "Bottom", 999_999)
    expect(margin(page, "Bottom")).to_have_value("99999")
    expect(page.get_by_text("of it new: mostly a guess")).to_be_visible()
    type_margin(page, "Bottom", 0)
    expect(page.get_by_text("414 × 250, 16.5 % of it new")).to_be_visible()
    keep_picture(page, f"extending_{place}")

    fill(page)
    expect_work(page, steps=0, fills=2)
    assert photo_size(page) == (414, 250)
    extended = pixels(save_photo(page, tmp_path))
    assert extended.shape == (250, 414, 3)
    assert np.array_equal(extended[10:, 24:384], before)
    new = np.ones(extended.shape[:2], bool)
    new[10:, 24:384] = False
    assert extended[new].mean() > 20  # no black is left

    button(page, "Undo").click()
    expect_work(page, fills=1)
    assert photo_size(page) == (360, 240)
    assert np.array_equal(pixels(save_photo(page, tmp_path)), before)
    button(page, "Redo").click()
    expect_work(page, fills=2)
    assert photo_size(page) == (414, 250)
    page.keyboard.press("b")
    draw(page, (5, 30), (60, 60))  # from the margin into the photo
    fill(page)
    saved = pixels(save_photo(page, tmp_path))
    draw(page, (300, 30), (340, 60))  # what is saved is not kept
    page.mouse.move(5, 300)
    view, mask = shown(page, 0), shown(page, 1)
    expect_kept(page, 1, 10)
    page.reload()
    expect_restored(page, photo)
    expect_work(page, steps=1, fills=3)
    assert (shown(page, 0), shown(page, 1)) == (view, mask)
    assert np.array_equal(pixels(save_photo(page, tmp_path)), saved)
    assert not np.array_equal(saved, extended)
    open_options(page)
    changes = page.get_by_role("region", name="Changes").get_by_role("button")
    changes.get_by_text("Extend", exact=True).click()
    assert np.array_equal(pixels(save_photo(page, tmp_path)), extended)
    page.keyboard.press("Escape")
    extend_a_jpeg(page, photo, tmp_path)


def extend_a_jpeg(page: Page, photo: Path, folder: Path) -> None:
    """It is compressed again, upright, and its metadata say so."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = 6, "Camera"
    Image.open(photo).save(folder / "lying.jpg", quality=90, exif=exif)
    choose_photo(page, folder / "lying.jpg", (240, 360))
    page.keyboard.press("m")
    type_margin(page, "Top", 40)
    fill(page)
    with Image.open(save_photo(page, folder)) as saved:
        assert saved.size == (240, 400)
        assert (saved.getexif()[ORIENTATION], saved.getexif()[MAKE]) == (1, "Camera")
        inner = np.asarray(saved)[40:].astype(int)
    expect(page.get_by_role("status").first).to_contain_text("compress")
    assert np.abs(inner - np.rot90(pixels(folder / "lying.jpg"), -1)).mean() < 4


def test_a_finger_pulls_an_edge_on_a_phone_and_cancelling_leaves_the_photo_and_the_margins(
    visit: Visit, served: str, photo: Path
) -> None:
    page = visit(served, viewport=PHONE, has_touch=True, is_mobile=True, locale="tr-TR")
    choose_photo(page, photo)
    draw(page, (100, 80), (180, 120))
    page.keyboard.press("m")
    Fingers(page).lead(on_page(page, 180, 240), on_page(page, 180, 270))
    expect(margin(page, "Alt")).to_have_value("30")
    type_margin(page, "Üst", 400)
    expect(page.get_by_text("360 × 670, %64,2 kadarı yeni: çoğu tahmin")).to_be_visible()
    keep_picture(page, "extending_phone")
    page.route("**/api/fill", lambda _: None)  # a server that never answers
    button(page, "Doldur").click()
    expect(page.get_by_role("status").first).to_contain_text("Genişletiliyor…")
    drag(page, (50, 50), (90, 90))  # nothing is marked on a photo that is about to move
    button(page, "İptal").click()
    expect_work(page, steps=1, fills=0)
    assert photo_size(page) == (360, 240)
    expect(margin(page, "Üst")).to_have_value("400")
    page.unroute("**/api/fill")
    fill(page)
    expect(page.get_by_role("status").first).to_contain_text("fotoğraftan uzakta dolgu bir tahmindir")
    expect_work(page, steps=0, fills=1)  # what was marked is filled, too
    assert photo_size(page) == (360, 670)
