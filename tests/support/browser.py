"""A real browser for tests, and the actions of a user on the page.

What is there is found by its role and its name, as a screen reader finds it. Pictures of the page are left in
tests/artifacts, to be looked at.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Playwright, expect, sync_playwright

from tests.conftest import REPOSITORY

# The headless shell has no windows of its own to draw, which takes most of the time of a short test.
CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))), None)
OPTIMISE_LATE = "--js-flags=--wasm-tiering-budget=400000000"
"""V8 optimises functions of WebAssembly when they have run for long; tests end before that pays."""
Point = tuple[float, float]
ARTIFACTS = REPOSITORY / "tests" / "artifacts"
DESKTOP = {"width": 1280, "height": 900}
PATIENCE = 60_000  # milliseconds; other tests share the machine


@contextmanager
def running_browser(playwright: Playwright, *flags: str) -> Iterator[Browser]:
    """Debian's Chromium, or a test that skips itself."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    expect.set_options(timeout=PATIENCE)
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", OPTIMISE_LATE, *flags])
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The one of all tests: its event loop runs in the main thread until they end, see `run_async`."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    with running_browser(playwright) as browser:
        yield browser


@pytest.fixture(scope="module")
def browser(chromium: Browser) -> Iterator[Browser]:
    """The one Chromium of all tests; contexts are a module's own."""
    yield chromium
    for context in chromium.contexts:
        context.close()


def open_page(page: Page, url: str) -> None:
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    expect(page.get_by_role("heading", name="Onar")).to_be_visible()


def reload_without_work(page: Page) -> None:
    """Load the page again, and have it keep no work from now on."""
    page.evaluate("localStorage.setItem('onar.keeps_work', 'false')")
    page.reload()


def choose_photo(page: Page, photo: Path, size: tuple[int, int] | None = None) -> None:
    """Open a photo, which may have another size when it is upright."""
    page.get_by_label(re.compile("^(Open a photo|Another photo|Fotoğraf aç|Başka fotoğraf)$")).set_input_files(photo)
    expect(canvas(page)).to_have_accessible_name(re.compile(re.escape(photo.name)))
    width, height = (f"{side:,}".replace(",", "[.,]") for side in size or Image.open(photo).size)
    expect(page.get_by_role("status").first).to_contain_text(re.compile(f"{width} × {height}"))
    settle(page)


def settle(page: Page) -> None:
    """Wait until a photo that was opened has the focus, and its place among the tools."""
    expect(canvas(page)).to_be_focused()
    let_draw(page)


def let_draw(page: Page) -> None:
    """Wait until what has changed is drawn, and what follows from its size too."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def canvas(page: Page) -> Locator:
    return page.get_by_role("application")


def button(page: Page, english: str, turkish: str = "") -> Locator:
    return page.get_by_role("button", name=re.compile(f"^({english}|{turkish or english})$")).first


def paint(page: Page, left: float = 0.45, right: float = 0.55, height: float = 0.5) -> None:
    """Draw a line over the photo, from a share of its width to another one."""
    width, tall = photo_size(page)
    draw(page, (left * width, height * tall), (right * width, height * tall))


def choose_brush(page: Page, size: int) -> None:
    """Choose a brush of the given diameter in pixels of the photo."""
    page.get_by_role("slider", name=re.compile("^(Brush size|Fırça boyutu)$")).fill(str(size))


def choose_tool(page: Page, name: str) -> None:
    button(page, name).click()
    expect(button(page, name)).to_have_attribute("aria-pressed", "true")


def draw(page: Page, *points: Point) -> None:
    """Draw a stroke through points in pixels of the photo."""
    steps = steps_on(page)
    drag(page, *points)
    expect(page.get_by_role("main")).to_have_attribute("data-steps", str(steps + 1))


def drag(page: Page, *points: Point, button: str = "left") -> None:
    """Lead the pointer over points of the photo with a button down."""
    box, scale = _place(page)
    first, *others = ((box["x"] + x * scale, box["y"] + y * scale) for x, y in points)
    page.mouse.move(*first)
    page.mouse.down(button=button)
    for place in others:
        page.mouse.move(*place, steps=2)
    page.mouse.up(button=button)


class Fingers:
    """Touches as a screen sends them, at places of the page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session = page.context.new_cdp_session(page)

    def send(self, kind: str, *places: Point) -> None:
        """One event: touchStart, touchMove or touchEnd, with where each finger is."""
        touches = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def lead(self, start: Point, end: Point) -> None:
        """One finger."""
        self.send("touchStart", start)
        for share in (0.25, 0.5, 0.75, 1):
            self.send("touchMove", _between(start, end, share))
        self.send("touchEnd")

    def lead_two(self, starts: tuple[Point, Point], ends: tuple[Point, Point]) -> None:
        """Two fingers, of which the second comes a moment later, as it always does."""
        self.send("touchStart", starts[0])
        self.send("touchStart", *starts)
        for share in (0.25, 0.5, 0.75, 1, 1, 1):  # browsers guess where fingers that move are between two pictures
            self._page.evaluate("new Promise(requestAnimationFrame)")
            self.send("touchMove", *(_between(*way, share) for way in zip(starts, ends, strict=True)))
        self.send("touchEnd")


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def on_page(page: Page, x: float, y: float) -> Point:
    """Where a point of the photo is on the page."""
    box, scale = _place(page)
    return box["x"] + x * scale, box["y"] + y * scale


def scale_of(page: Page) -> float:
    """Pixels of the page for one of the photo."""
    return _place(page)[1]


def photo_box(page: Page) -> dict[str, float]:
    """Where the photo is on the page."""
    return _place(page)[0]


WHERE = """async () => {
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
    const canvas = document.querySelector("[role=application]");
    const { x, y } = canvas.getBoundingClientRect();
    const [left, top, scale] = ["left", "top", "scale"].map((name) => Number(canvas.dataset[name]));
    return [x + left, y + top, scale, canvas.getAttribute("aria-label")];
}"""
"""In one question: to find an element by its role costs as much as to move the pointer. Two frames later, the canvas
has followed a change of the layout."""


def _place(page: Page) -> tuple[dict[str, float], float]:
    """Where the photo is on the page, and pixels of the page for one of the photo."""
    left, top, scale, label = page.evaluate(WHERE)
    width, height = _size_in(label)
    return {"x": left, "y": top, "width": width * scale, "height": height * scale}, scale


def photo_size(page: Page) -> tuple[int, int]:
    """Width and height of the photo that is open."""
    return _size_in(page.evaluate(WHERE)[-1])


def _size_in(label: str) -> tuple[int, int]:
    numbers = re.findall(r"\d[\d.,]*", label)
    width, height = (int(re.sub(r"\D", "", number)) for number in numbers[-2:])
    return width, height


def shown(page: Page, layer: int) -> str:
    """One layer of what is drawn, as a file: 0 the photo with its fills, 1 the mask, 2 brush and lines."""
    return page.evaluate(
        """(layer) => new Promise((resolve) => {
            const canvas = document.querySelectorAll("[role=application] canvas")[layer];
            requestAnimationFrame(() => requestAnimationFrame(() => resolve(canvas.toDataURL())));
        })""",
        layer,
    )


def steps_on(page: Page) -> int:
    """How many strokes there are on the photo that are not filled."""
    return int(page.get_by_role("main").get_attribute("data-steps"))


def expect_work(page: Page, steps: int | None = None, fills: int | None = None) -> None:
    """The numbers of unfilled strokes and of fills."""
    for name, count in (("data-steps", steps), ("data-fills", fills)):
        if count is not None:
            expect(page.get_by_role("main")).to_have_attribute(name, str(count))
    expect(page.get_by_role("main")).to_have_attribute("data-state", "ready")


def fill(page: Page) -> None:
    fills = int(page.get_by_role("main").get_attribute("data-fills"))
    button(page, "Fill", "Doldur").click()
    expect(page.get_by_role("main")).to_have_attribute("data-fills", str(fills + 1))
    expect(page.get_by_role("status").first).to_contain_text(re.compile("Filled in|dolduruldu"))


def mark_and_fill(page: Page) -> None:
    """A fill, then a stroke whose mask was grown: every kind of step in a history."""
    draw(page, (100, 80), (180, 120))
    fill(page)
    draw(page, (100, 160), (180, 160))
    open_options(page)
    button(page, "Grow the mask").click()
    expect_work(page, steps=1, fills=1)
    page.keyboard.press("Escape")


def open_options(page: Page) -> None:
    options = button(page, "Options", "Seçenekler")
    if options.get_attribute("aria-expanded") != "true":
        options.click()
    expect(page.get_by_role("complementary")).to_be_visible()
    let_draw(page)


def choose_mask(page: Page, mask: Path) -> None:
    open_options(page)
    page.get_by_label(re.compile("^(Load a mask|Maske yükle)$")).set_input_files(mask)
    expect(page.get_by_role("main")).to_have_attribute("data-state", "ready")


def save_mask(page: Page, folder: Path) -> NDArray[np.bool_]:
    """The current mask, as the page saves it."""
    open_options(page)
    levels = np.asarray(
        Image.open(keep_download(page, button(page, "Save the mask", "Maskeyi kaydet"), folder)).convert("L")
    )
    assert set(np.unique(levels)) <= {0, 255}
    return levels == 255


def save_photo(page: Page, folder: Path) -> Path:
    return keep_download(page, button(page, "Download", "İndir"), folder)


def keep_download(page: Page, control: Locator, folder: Path) -> Path:
    with page.expect_download() as started:
        control.click()
    started.value.save_as(folder / started.value.suggested_filename)
    return folder / started.value.suggested_filename


def pixels(file: Path) -> NDArray[np.generic]:
    return np.asarray(Image.open(file))


def keep_picture(page: Page, name: str) -> None:
    """Leave a picture of the page, which must fit its width."""
    shown = "[...document.images].filter(image => image.loading !== 'lazy')"
    page.evaluate(f"Promise.allSettled({shown}.map(image => image.decode()))")
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
