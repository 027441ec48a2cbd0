"""Several photos in a strip, each with its own work."""

import base64
import io
import re
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.page.conftest import Visit
from tests.page.test_files import drop
from tests.support.browser import (
    button,
    canvas,
    draw,
    expect_work,
    fill,
    keep_download,
    keep_picture,
    mark_and_fill,
    open_page,
    pixels,
    settle,
    shown,
)
from tests.support.server import needs_page

pytestmark = needs_page


@pytest.fixture(params=["served", "hosted"])
def page(request: pytest.FixtureRequest, visit: Visit) -> Page:
    """The page with either engine."""
    return visit(request.getfixturevalue(request.param))


def open_all(page: Page, photos: list[Path]) -> None:
    page.get_by_label("Open a photo").set_input_files(photos)
    expect(canvas(page)).to_have_accessible_name(re.compile(photos[0].name))
    settle(page)
    expect(strip(page).get_by_role("listitem")).to_have_count(len(photos))


def strip(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Photos")


def expect_states(page: Page, *states: str) -> None:
    for number, state in enumerate(states, 1):
        expect(strip(page).get_by_role("button", name=re.compile(rf"^Photo {number} of .*, {state}"))).to_be_visible()


def go(page: Page, key: str, name: str) -> None:
    page.keyboard.press(key)
    expect(canvas(page)).to_have_accessible_name(re.compile(name))
    expect_work(page)


def test_each_photo_keeps_its_strokes_fills_and_history_while_others_are_shown(page: Page, photos: list[Path]) -> None:
    open_all(page, photos)
    mark_and_fill(page)
    looked = [shown(page, layer) for layer in (0, 1)]
    go(page, "PageDown", "two.png")
    expect(strip(page)).to_contain_text(f"2 / {len(photos)}")
    expect_work(page, steps=0, fills=0)
    draw(page, (50, 60), (90, 60))
    go(page, "PageUp", "one.png")
    expect_work(page, steps=1, fills=1)
    assert [shown(page, layer) for layer in (0, 1)] == looked
    expect_states(page, "marked", "marked", "open")
    for steps, fills in ((1, 1), (0, 1), (1, 0), (0, 0)):
        page.keyboard.press("Control+z")
        expect_work(page, steps=steps, fills=fills)
    for _ in range(2):
        page.keyboard.press("Control+Shift+z")
    expect_work(page, steps=0, fills=1)


def test_one_mask_for_all_is_filled_on_all_and_saved_as_one_file_that_a_broken_photo_does_not_stop(
    page: Page, photos: list[Path], tmp_path: Path
) -> None:
    open_all(page, photos)
    draw(page, (100, 80), (180, 120))
    button(page, "Same mask on all photos of this size").click()
    expect(page.get_by_role("status").first).to_contain_text("Other photos marked: 2. Of another size: broken.png")
    expect_states(page, "marked", "marked", "marked", "failed")
    button(page, "Fill all photos that are marked").click()
    expect(page.get_by_role("status").first).to_contain_text("Photos done: 3")
    expect_states(page, "filled", "filled", "filled", "failed")
    keep_picture(page, "strip")
    saved = keep_download(page, button(page, "Save all filled photos as a zip file"), tmp_path)
    expect_states(page, "saved", "saved", "saved", "failed")
    archive = zipfile.ZipFile(saved)
    assert archive.namelist() == ["one_completed.png", "two_completed.png", "three_completed.jpg"]
    assert archive.testzip() is None
    for photo in photos[:2]:
        result = np.asarray(Image.open(io.BytesIO(archive.read(f"{photo.stem}_completed.png"))))[..., :3]
        differs = (result != pixels(photo)).any(-1)
        assert differs[70:130, 90:190].any()
        assert not differs[:, :60].any()


def test_photos_are_saved_into_a_folder_and_never_over_a_file(visit: Visit, served: str, photos: list[Path]) -> None:
    page = visit(served)
    page.evaluate("window.showDirectoryPicker = () => navigator.storage.getDirectory()")  # a folder without a dialog
    open_all(page, photos[:2])
    names: list[str] = []
    for round_, name in enumerate(["one_completed.png", "one_completed_2.png"]):
        draw(page, (100, 80 + 40 * round_), (180, 120))
        fill(page)
        button(page, "To a folder: save all filled photos there").click()
        expect(page.get_by_role("status").first).to_contain_text("Photos saved: 1")
        expect_states(page, "saved", "open")
        names.append(name)
        assert sorted(files_in_folder(page)) == names
    first, second = (files_in_folder(page)[name] for name in names)
    assert first > 0
    assert first != second


IN_A_FOLDER = """async (files) => {
    const root = await navigator.storage.getDirectory();
    const outer = await root.getDirectoryHandle("outer", { create: true });
    const folder = await outer.getDirectoryHandle("inner", { create: true });
    for (const [name, content] of files) {
        const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
        await stream.write(Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0)));
        await stream.close();
    }
    window.showDirectoryPicker = async () => outer;
}"""
"""Writes files into a folder of a folder, which the page then opens without a dialog."""


def test_a_folder_is_opened_and_results_go_back_beside_their_photos(
    visit: Visit, served: str, photos: list[Path]
) -> None:
    page = visit(served)
    contents = [(photo.name, base64.b64encode(photo.read_bytes()).decode()) for photo in photos[:2]]
    page.evaluate(IN_A_FOLDER, [*contents, ("notes.txt", "")])
    button(page, "Open a folder").click()
    expect(strip(page).get_by_role("listitem")).to_have_count(2)
    settle(page)
    draw(page, (100, 80), (180, 120))
    fill(page)
    button(page, "Into its folder: save all filled photos beside the originals").click()
    expect(page.get_by_role("status").first).to_contain_text("Photos saved: 1 (inner)")
    inner = "(await (await navigator.storage.getDirectory()).getDirectoryHandle('outer')).getDirectoryHandle('inner')"
    names = page.evaluate(f"async () => Array.fromAsync((await {inner}).keys())")
    assert sorted(names) == ["notes.txt", "one.png", "one_completed.png", "two.png"]
    button(page, "Open a folder").click()  # also while photos are open
    expect(strip(page).get_by_role("listitem")).to_have_count(5)
    keep_picture(page, "strip_folder")


def test_a_folder_is_opened_where_browsers_do_not_write_into_folders(
    visit: Visit, served: str, photos: list[Path]
) -> None:
    page = visit(served)
    page.add_init_script("delete window.showDirectoryPicker")
    open_page(page, served)
    page.get_by_label("Open a folder").set_input_files(photos[0].parent)
    expect(strip(page).get_by_role("listitem")).to_have_count(len(photos))
    expect_states(page, "failed", "open", "open", "open")


def photos_of_kinds_that_browsers_do_not_read(folder: Path, photo: Path) -> list[Path]:
    whole = Image.open(photo).convert("RGB")
    whole.save(folder / "one.png")
    whole.save(folder / "two.tif")
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(whole).save(folder / "three.heic")
    return [folder / name for name in ("one.png", "two.tif", "three.heic")]


def test_photos_that_the_browser_cannot_read_are_seen_in_the_strip(
    visit: Visit, served: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(served)
    open_all(page, photos_of_kinds_that_browsers_do_not_read(tmp_path, photo))
    expect(strip(page).locator("img")).to_have_count(3)
    expect_states(page, "open", "open", "open")


def test_a_folder_without_a_server_says_at_once_what_the_browser_cannot_read(
    visit: Visit, hosted: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(hosted)
    open_all(page, photos_of_kinds_that_browsers_do_not_read(tmp_path, photo))
    expect_states(page, "open", "failed", "failed")
    expect(strip(page).get_by_role("button", name=re.compile("^Photo 2.*this browser cannot read"))).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text(
        "Failed: two.tif, three.heic: This file is damaged, or in a format"
    )
    keep_picture(page, "strip_unreadable")


def test_what_one_of_several_saved_photos_loses_is_said_of_that_photo(
    visit: Visit, hosted: str, photo: Path, tmp_path: Path
) -> None:
    page = visit(hosted)
    one, deep = tmp_path / "one.png", tmp_path / "deep.png"
    Image.open(photo).save(one)
    cv2.imwrite(str(deep), pixels(photo)[..., ::-1].astype(np.uint16) * 257)
    open_all(page, [one, deep])
    draw(page, (100, 80), (140, 100))
    button(page, "Same mask on all photos of this size").click()
    button(page, "Fill all photos that are marked").click()
    expect(page.get_by_role("status").first).to_contain_text("Photos done: 2")
    keep_download(page, button(page, "Save all filled photos as a zip file"), tmp_path)
    said = "Photos saved: 2 (photos_completed.zip). deep.png: 16 bits per channel are reduced to 8."
    expect(page.get_by_role("status").first).to_have_text(said)


def files_in_folder(page: Page) -> dict[str, int]:
    """Names and sizes of the files in the folder that the page writes into."""
    return page.evaluate(
        """async () => {
            const files = {};
            for await (const [name, handle] of await navigator.storage.getDirectory()) {
                files[name] = (await handle.getFile()).size;
            }
            return files;
        }"""
    )


def test_a_photo_is_left_out_and_one_alone_has_no_strip(page: Page, photos: list[Path]) -> None:
    open_all(page, photos[:2])
    draw(page, (100, 80), (180, 120))
    button(page, "Leave one.png out").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave it out").click()
    expect(canvas(page)).to_have_accessible_name(re.compile("two.png"))
    expect(strip(page)).to_have_count(0)
    expect_work(page, steps=0, fills=0)


def test_several_files_and_folders_are_dropped(page: Page, photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    photos[1].rename(folder / "two.png")
    photos[2].rename(folder / "inner" / "three.jpg")
    (folder / "notes.txt").write_text("none")
    drop(page, photos[0], folder)
    expect(strip(page).get_by_role("listitem")).to_have_count(3)
    expect_states(page, "open", "open", "open")
