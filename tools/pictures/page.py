"""Take the screenshots of the page for the documents, with a real browser, server and training.

python -m tools.pictures.page          all of them, into docs/images
python -m tools.pictures.page phone    one of them, or several

Look at what came out before it is committed: nothing is retouched, so a poor fill is shown as it is.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from onar.weights.bundled import bundled_photos
from tests.support.browser import (
    CHROMIUM,
    button,
    choose_brush,
    choose_photo,
    draw,
    fill,
    on_page,
    open_page,
    photo_box,
    running_browser,
)
from tests.support.runs import wait_until
from tests.support.server import running_server
from tools.pictures.fills import IMAGES

MAX_BYTES = 150_000
QUALITY = 85
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
TALL: dict[str, Any] = {"viewport": {"width": 1280, "height": 880}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 760}, "device_scale_factor": 2}
PHONE |= {"has_touch": True, "is_mobile": True}

Point = tuple[float, float]


@dataclass(frozen=True)
class Removal:
    """An object in a bundled photo that is painted over: diameter of the brush and stroke, in its pixels."""

    photo: str
    brush: int
    stroke: tuple[Point, ...]


WREN = Removal("budgie_canyon_wren.jpg", 46, ((266, 72), (242, 84), (226, 104), (220, 128)))
WALKERS = Removal("budgie_extreme_desert_hike.jpg", 32, ((140, 276), (170, 272), (202, 260)))
TOY = Removal("budgie_oakland_zoo_otters.jpg", 44, ((76, 44), (160, 48)))

TRAININGS: dict[str, dict[str, object]] = {"narrow": {"base_channels": 8}, "wide": {"base_channels": 24}}
"""Settings of two trainings; the last one still runs in the screenshot."""
SHORT_TRAINING: dict[str, object] = {
    "config": "laptop",
    "img_size": 64,
    "depth": 5,
    "batch_size": 8,
    "photos_per_epoch": 64,
    "epochs": 10,
    "num_workers": 0,
    "log_every": 2,
    "device": "cpu",
}
SEEN_EPOCH = 8
"""Epoch of the running training in the screenshot."""
STARTING_PATIENCE, TRAINING_PATIENCE = 300, 900
"""Timeouts in seconds until it has started, and until that epoch, on a busy machine."""


def main() -> None:
    """Take the given pictures, or all."""
    parser = argparse.ArgumentParser(prog="python -m tools.pictures.page", description="Take the documents' pictures.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"{', '.join(PICTURES)}; all without one")
    names = parser.parse_args().names
    if unknown := set(names) - set(PICTURES):
        parser.error(f"a picture is {', '.join(PICTURES)}, not {unknown.pop()!r}")
    if CHROMIUM is None:
        sys.exit("The pictures need Chromium: apt-get install chromium")
    with sync_playwright() as playwright, running_browser(playwright) as browser:
        for name in names or PICTURES:
            path = IMAGES / f"page_{name}.jpg"
            PICTURES[name](browser, path)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB", flush=True)


@contextmanager
def shown(browser: Browser, *flags: object, language: str = "en-US", **looks: Any) -> Iterator[Page]:
    """The page of a new server in a browser window."""
    with running_server(*flags) as server, browser.new_context(locale=language, **looks) as context:
        page = context.new_page()
        open_page(page, server.url)
        yield page


def keep(page: Page, path: Path) -> None:
    """Write a screenshot as JPEG; raises if it is too large for a document."""
    page.evaluate("() => Promise.all([...document.images].map((image) => image.decode()))")
    file = io.BytesIO()
    Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB").save(
        file, "JPEG", quality=QUALITY, optimize=True, progressive=True
    )
    if len(file.getvalue()) > MAX_BYTES:
        sys.exit(f"{path} would have {len(file.getvalue()) / 1000:.0f} kB, more than {MAX_BYTES / 1000:.0f}")
    path.write_bytes(file.getvalue())


# ---------------------------------------------------------------- filling holes


def take_empty(browser: Browser, path: Path) -> None:
    """The empty page."""
    with shown(browser, **DESKTOP) as page:
        keep(page, path)


def take_painting(browser: Browser, path: Path, removal: Removal = WREN, **looks: Any) -> None:
    """The object is painted over, with the brush visible."""
    with shown(browser, **{**DESKTOP, **looks}) as page:
        paint_over(page, removal)
        keep(page, path)


def take_filled(browser: Browser, path: Path, removal: Removal = WREN, **looks: Any) -> None:
    """The object is removed."""
    with shown(browser, **{**DESKTOP, **looks}) as page:
        paint_over(page, removal)
        fill(page)
        move_away(page)
        keep(page, path)


def take_compared(browser: Browser, path: Path) -> None:
    """Before and after, with the divider in the middle of the removed object."""
    with shown(browser, **DESKTOP) as page:
        paint_over(page, WREN)
        fill(page)
        button(page, "Compare with a slider").click()
        slide_to(page, WREN.stroke[1])
        keep(page, path)


def take_phone(browser: Browser, path: Path) -> None:
    """On a phone, without a brush on the photo."""
    with shown(browser, **PHONE) as page:
        paint_over(page, WREN)
        move_away(page)
        keep(page, path)


def paint_over(page: Page, removal: Removal) -> None:
    """Open a photo, and paint with the mouse."""
    choose_photo(page, bundled_photos() / removal.photo)
    choose_brush(page, removal.brush)
    draw(page, *removal.stroke)


def slide_to(page: Page, point: Point) -> None:
    """Drag the divider between before and after to a point of the photo."""
    box = photo_box(page)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    page.mouse.down()
    page.mouse.move(*on_page(page, *point), steps=5)
    page.mouse.up()


def move_away(page: Page) -> None:
    """Move the mouse out of the photo, so that the brush is hidden."""
    page.mouse.move(2, 2)


# ---------------------------------------------------------------- trainings and masks


def take_watching(browser: Browser, path: Path) -> None:
    """Two short trainings on the bundled photos: one finished, one running."""
    *earlier, last = TRAININGS
    with TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        for name in earlier:
            subprocess.run(training(results, name), check=True, stdout=subprocess.DEVNULL)
        with subprocess.Popen(training(results, last), stdout=subprocess.DEVNULL) as running:
            # The page looks once at what has ended.
            wait_until((results / last / "log.jsonl").exists, STARTING_PATIENCE)
            watch(browser, results, path)
            running.terminate()


def training(results: Path, name: str) -> list[str]:
    """The command of a short training."""
    settings = {**SHORT_TRAINING, **TRAININGS[name], "data": bundled_photos(), "results_dir": results / name}
    flags = [word for flag, value in settings.items() for word in (f"--{flag}", str(value))]
    return [sys.executable, "-m", "onar", "train", *flags]


def watch(browser: Browser, results: Path, path: Path) -> None:
    """Take the picture when the running training has reached its epoch."""
    with shown(browser, "--results_dir", results, **TALL) as page:
        button(page, "Watch a training").click()
        expect(page.get_by_role("checkbox")).to_have_count(len(TRAININGS))
        for choice in page.get_by_role("checkbox").all():
            choice.check()
        progress = re.compile(rf"Epoch {SEEN_EPOCH} of")
        expect(page.get_by_text(progress)).to_be_visible(timeout=1000 * TRAINING_PATIENCE)
        keep(page, path)


def take_masks(browser: Browser, path: Path) -> None:
    """Masks as a training would draw them."""
    with shown(browser, **DESKTOP) as page:
        button(page, "Masks").click()
        expect(page.get_by_role("img", name=re.compile("masks, white on black"))).to_be_visible()
        keep(page, path)


PICTURES: dict[str, Callable[[Browser, Path], None]] = {
    "empty": take_empty,
    "painting": take_painting,
    "filled": take_filled,
    "compared": take_compared,
    "phone": take_phone,
    "dark": partial(take_painting, removal=TOY, color_scheme="dark"),
    "turkish": partial(take_painting, removal=WALKERS, language="tr-TR"),
    "turkish_filled": partial(take_filled, removal=WALKERS, language="tr-TR"),
    "watching": take_watching,
    "masks": take_masks,
}
"""Name after page_ -> function that takes the picture."""

if __name__ == "__main__":
    main()
