"""Photos of 24 megapixels are painted without a stutter, filled and saved."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.conftest import PHOTOS
from tests.page.conftest import Visit
from tests.support.browser import canvas, choose_photo, fill, keep_picture, on_page, save_mask, save_photo
from tests.support.server import needs_page

pytestmark = [needs_page, pytest.mark.soak]

SIZE = (6000, 4000)
LONGEST = 100
"""Milliseconds in which nothing on the page would move, so that a hand notices."""

COUNT_FRAMES = """() => {
    window.frames_at = [];
    window.tasks = [];
    new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map(({ duration }) => duration)))
        .observe({ type: "longtask" });
    const next = (now) => { window.frames_at.push(now); window.counting = requestAnimationFrame(next); };
    window.counting = requestAnimationFrame(next);
}"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.jpg"
    Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize(SIZE).save(path, quality=90)
    return path


def frames_while(page: Page, act: Callable[[], None]) -> tuple[list[float], list[float]]:
    """How long the pictures of the screen came after each other, and the tasks of over 50 ms; in milliseconds."""
    page.evaluate(COUNT_FRAMES)
    act()
    page.evaluate("cancelAnimationFrame(window.counting)")
    at, tasks = page.evaluate("[window.frames_at, window.tasks]")
    return [after - before for before, after in pairwise(at)], tasks


def scribble(page: Page) -> None:
    """A stroke to and fro over the photo, in 400 movements."""
    page.mouse.move(*on_page(page, 1000, 500))
    page.mouse.down()
    for turn in range(8):
        page.mouse.move(*on_page(page, 5000 if turn % 2 == 0 else 1000, 600 + 350 * turn), steps=50)
    page.mouse.up()
    expect(page.get_by_role("main")).to_have_attribute("data-steps", "1")


@pytest.mark.parametrize("engine", ["served", "hosted"])
def test_24_megapixels_are_painted_without_a_stutter_filled_and_saved(
    visit: Visit, engine: str, large: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    page = visit(request.getfixturevalue(engine))
    choose_photo(page, large)
    expect(canvas(page)).to_be_visible()
    frames, tasks = frames_while(page, lambda: scribble(page))
    timings = {"median": np.median(frames), "99 %": np.percentile(frames, 99), "longest": max(frames)}
    timings |= {"frames": len(frames), "longest task": max(tasks, default=0)}
    print(f"{engine}, while painting on 24 MP, ms:", json.dumps({name: round(n, 1) for name, n in timings.items()}))
    page.keyboard.press("Control+z")
    page.mouse.move(*on_page(page, 2900, 2000))
    page.mouse.down()
    page.mouse.move(*on_page(page, 3100, 2050), steps=5)
    page.mouse.up()
    hole = save_mask(page, tmp_path)
    fill(page)
    keep_picture(page, f"large_{engine}")
    result = Image.open(save_photo(page, tmp_path))
    assert result.size == SIZE
    before, after = (np.asarray(picture.convert("RGB"), np.int16) for picture in (Image.open(large), result))
    changed = np.abs(after - before).max(axis=2)
    assert np.median(changed[hole]) > 3
    assert np.percentile(changed[~hole], 99) <= 12  # JPEG, again
    assert max(tasks, default=0) <= LONGEST
    assert np.percentile(frames, 99) <= LONGEST  # of single ones the machine may hold up any
