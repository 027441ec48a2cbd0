"""A real browser for tests, and what people do on the page with it.

Pictures of the page are left in tests/artifacts, to be looked at.
"""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Download, Locator, Page, expect, sync_playwright

from tests.conftest import REPOSITORY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTIFACTS = REPOSITORY / "tests" / "artifacts"
DESKTOP = {"width": 1280, "height": 900}
PATIENCE = 60_000  # milliseconds; other tests share the machine


@contextmanager
def running_browser(*flags: str) -> Iterator[Browser]:
    """Debian's Chromium, or a test that skips itself."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *flags])
        yield browser
        browser.close()


def open_page(page: Page, url: str) -> None:
    page.set_default_timeout(PATIENCE)
    with page.expect_request(re.compile("queue/join")):  # from then on the page listens
        page.goto(url)


def choose_photo(page: Page, photo: Path) -> None:
    page.locator("#photo input[type=file]").set_input_files(photo)
    width, height = Image.open(photo).size
    expect(page.locator("#status")).to_contain_text(f"{width} × {height}")


def choose_mask(page: Page, mask: Path) -> None:
    page.locator("#mask input[type=file]").set_input_files(mask)
    wait_for_editor(page, painted=True)


def paint(page: Page, left: float = 0.45, right: float = 0.55, height: float = 0.5) -> None:
    """Draw a line over the unpainted photo, from a share of the canvas to another one."""
    wait_for_editor(page, painted=False)
    box = page.locator("#editor canvas").first.bounding_box()
    down = box["y"] + height * box["height"]
    page.mouse.move(box["x"] + left * box["width"], down)
    page.mouse.down()
    page.mouse.move(box["x"] + right * box["width"], down, steps=5)
    page.mouse.up()
    wait_for_editor(page, painted=True)


def wait_for_editor(page: Page, painted: bool) -> None:
    """Wait until the canvas shows a photo, with or without paint on it."""
    canvas = page.locator("#editor canvas").first
    canvas.scroll_into_view_if_needed()
    give_up = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < give_up:
        shown = np.asarray(Image.open(BytesIO(canvas.screenshot())).convert("RGB")).astype(int)
        height, width = shown.shape[:2]
        middle = shown[height // 3 : -height // 3, 2 * width // 5 : -2 * width // 5]
        red, green, blue = np.moveaxis(middle, -1, 0)
        paint = (red > 150) & (red - green > 80) & (blue > green)  # no photo here has this colour
        if np.ptp(middle, axis=2).mean() > 5 and (paint.sum() > 50) == painted:
            return
    keep_picture(page, "failed")
    pytest.fail(f"the editor shows no photo {'with' if painted else 'without'} paint")


def editor_tool(page: Page, name: str) -> Locator:
    return page.locator("#editor").get_by_role("button", name=name, exact=True)


def fill(page: Page) -> None:
    page.get_by_role("button", name=re.compile("Fill the holes|Boşlukları doldur")).click()
    expect(page.locator("#status")).to_contain_text(re.compile("Filled|dolduruldu"))
    expect(page.locator("#before_after img").first).to_be_visible()


def download(page: Page, name: str, folder: Path) -> Path:
    with page.expect_download() as started:
        page.get_by_role("button", name=name).click()
    file: Download = started.value
    file.save_as(folder / file.suggested_filename)
    return folder / file.suggested_filename


def pixels(file: Path) -> NDArray[np.generic]:
    return np.asarray(Image.open(file))


def keep_picture(page: Page, name: str) -> None:
    """Leave a picture of the page, which must fit its width."""
    page.wait_for_function("[...document.images].every(image => image.complete)")
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
