"""The list of changes, feather and seed, the loupe, keys of Macs, and photos that other apps share."""

from pathlib import Path

import numpy as np
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
    fill,
    keep_picture,
    on_page,
    open_options,
    reload_without_work,
    save_mask,
    save_photo,
    shown,
)
from tests.support.server import needs_page
from tests.support.static_host import hosting

pytestmark = needs_page


def test_the_list_of_changes_leads_to_each_of_them(visit: Visit, served: str, photo: Path, tmp_path: Path) -> None:
    page = visit(served)
    choose_photo(page, photo)
    drag(page, (100, 80), (180, 120))
    fill(page)
    filled = shown(page, 0)
    choose_tool(page, "Rectangle")
    drag(page, (30, 30), (60, 70))
    open_options(page)
    changes = page.get_by_role("region", name="Changes").get_by_role("button")
    assert changes.all_text_contents() == ["The photo as it was", "Brush", "Fill", "Rectangle"]
    mask = save_mask(page, tmp_path)
    for number, (steps, fills) in ((1, (1, 0)), (0, (0, 0)), (3, (1, 1)), (2, (0, 1))):
        changes.nth(number).click()
        expect_work(page, steps=steps, fills=fills)
        expect(changes.nth(number)).to_have_attribute("aria-current", "step")
        if number == 3:
            assert np.array_equal(save_mask(page, tmp_path), mask)
    page.keyboard.press("Control+Shift+z")
    expect_work(page, steps=1, fills=1)
    keep_picture(page, "changes")
    page.keyboard.press("Control+z")
    page.keyboard.press("Escape")
    page.mouse.move(5, 300)
    assert shown(page, 0) == filled
    canvas(page).focus()
    drag(page, (200, 30), (220, 70))
    open_options(page)
    assert changes.all_text_contents() == ["The photo as it was", "Brush", "Fill", "Rectangle"]


def saved_with(page: Page, folder: Path, **fields: int) -> np.ndarray:
    """The photo with one fill of these options, which is undone."""
    open_options(page)
    for label, value in fields.items():
        field = page.get_by_label(label)
        field.fill(str(value))
        field.press("Tab")
    fill(page)
    saved = np.asarray(Image.open(save_photo(page, folder)).convert("RGB")).astype(int)
    button(page, "Undo").click()
    return saved


@pytest.mark.parametrize("place", ["served", "hosted"])
def test_feather_and_seed_change_the_fill(
    visit: Visit, request: pytest.FixtureRequest, place: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(request.getfixturevalue(place))
    choose_photo(page, photo)
    drag(page, (140, 100), (200, 120))
    open_options(page)
    page.get_by_label("Texture").select_option("network")
    plain, feathered = (saved_with(page, tmp_path, Feather=pixels) for pixels in (0, 12))
    assert not np.array_equal(plain, feathered)
    page.get_by_label("Texture").select_option("patches")
    first, other, again = (saved_with(page, tmp_path, Seed=seed) for seed in (1, 2, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_loupe_shows_what_a_finger_covers(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    choose_photo(page, photo)
    loupe, fingers = page.locator(".loupe"), Fingers(page)
    expect(loupe).to_be_hidden()
    for start in (on_page(page, 30, 20), on_page(page, 300, 220)):
        end = (start[0] + 20, start[1])
        fingers.send("touchStart", start)
        fingers.send("touchMove", end)
        expect(loupe).to_be_visible()
        keep_picture(page, "phone_loupe")
        box = loupe.bounding_box()
        assert not (box["x"] < end[0] < box["x"] + box["width"] and box["y"] < end[1] < box["y"] + box["height"])
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        colours = page.evaluate(
            """() => {
                const loupe = document.querySelector(".loupe");
                const { data } = loupe.getContext("2d").getImageData(0, 0, loupe.width, loupe.height);
                const colours = new Set();
                for (let at = 0; at < data.length; at += 4) colours.add(data.slice(at, at + 3).join());
                return colours.size;
            }"""
        )
        assert colours > 50
        fingers.send("touchEnd")
        expect(loupe).to_be_hidden()


def test_macs_see_their_own_keys(visit: Visit, served: str, photo: Path) -> None:
    page = visit(served)
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'platform', { get: () => 'MacIntel' })")
    page.reload()
    choose_photo(page, photo)
    assert button(page, "Undo").get_attribute("title") == "Undo (⌘Z)"
    page.keyboard.press("?")
    keys = page.get_by_role("dialog").locator("kbd").all_text_contents()
    assert "⌘⇧Z / ⌘Y" in keys
    assert not any("Ctrl" in key for key in keys)


def test_an_installed_folder_opens_the_photo_that_is_shared_with_it(
    visit: Visit, small_site: Path, photo: Path
) -> None:
    with hosting(small_site, "scripts") as (address, _):
        page = visit(address)
        page.evaluate("navigator.serviceWorker.ready")
        page.wait_for_function("navigator.serviceWorker.controller !== null")
        page.evaluate("""async () => {
            const { share_target: target } = await (await fetch("manifest.webmanifest")).json();
            const form = document.createElement("form");
            Object.assign(form, { action: target.action, method: target.method, enctype: target.enctype });
            const [{ name }] = target.params.files;
            form.append(Object.assign(document.createElement("input"), { type: "file", name, id: "shared" }));
            document.body.append(form);
        }""")
        page.locator("#shared").set_input_files(photo)
        page.evaluate("document.querySelector('form').submit()")
        expect(canvas(page)).to_have_accessible_name(f"Photo {photo.name}, 360 by 240 pixels")
        assert page.url == address
        reload_without_work(page)
        expect(page.get_by_role("heading", level=2)).to_be_visible()
        expect(canvas(page)).to_have_count(0)
