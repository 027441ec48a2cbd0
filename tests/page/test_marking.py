"""Tools that mark by the photo's own pixels, and lines from click to click, with a server and in a folder."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

from tests.conftest import PHOTOS
from tests.page.conftest import Visit
from tests.support.browser import (
    Fingers,
    button,
    canvas,
    choose_brush,
    choose_photo,
    choose_tool,
    drag,
    expect_work,
    keep_picture,
    on_page,
    save_mask,
)
from tests.support.server import needs_page

pytestmark = needs_page

SIZE = (300, 200)
CENTRE, RADIUS = (150, 100), 40
LIKE, OBJECT, LINE = "Like colours: click on a patch", "Object: draw round it, and its outline is found", "Line: .*"


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A photo with a disc of another one."""
    ground, thing = (
        np.asarray(Image.open(PHOTOS / f"skimage_{name}.jpg").convert("RGB").resize(SIZE))
        for name in ("coffee", "chelsea")
    )
    Image.fromarray(np.where(disc(RADIUS)[..., None], thing[..., ::-1], ground)).save(tmp_path / "scene.png")
    return tmp_path / "scene.png"


@pytest.fixture(params=["served", "hosted"])
def page(visit: Visit, request: pytest.FixtureRequest, scene: Path) -> Page:
    """The page of a server, and that of a folder, with the photo on it."""
    page = visit(request.getfixturevalue(request.param))
    choose_photo(page, scene)
    return page


def disc(radius: float) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    return np.hypot(columns - CENTRE[0], rows - CENTRE[1]) < radius


def ring(radius: float) -> list[tuple[float, float]]:
    angles = np.linspace(0, 2 * np.pi, 24)
    return [(CENTRE[0] + radius * np.cos(angle), CENTRE[1] + radius * np.sin(angle)) for angle in angles]


def test_a_rough_lasso_shrinks_onto_the_object_as_one_step(page: Page, tmp_path: Path) -> None:
    page.keyboard.press("o")
    expect(canvas(page)).to_have_attribute("data-tool", "outline")
    drag(page, *ring(60))
    expect_work(page, steps=1)
    keep_picture(page, "marked_object")
    marked = save_mask(page, tmp_path)
    assert not (marked & ~disc(61)).any()
    assert np.count_nonzero(marked & disc(RADIUS)) > 0.85 * np.count_nonzero(disc(RADIUS))
    assert np.count_nonzero(marked & ~disc(RADIUS + 3)) < 0.15 * np.count_nonzero(disc(61) & ~disc(RADIUS + 3))
    drag(page, *ring(60), button="right")  # which takes it away
    expect_work(page, steps=2)
    assert not save_mask(page, tmp_path).any()
    page.keyboard.press("Control+z")
    expect_work(page, steps=1)
    assert np.array_equal(save_mask(page, tmp_path), marked)
    page.keyboard.press("Control+z")
    expect_work(page, steps=0)


def like(photo: Path, x: int, y: int, tolerance: int) -> NDArray[np.bool_]:
    """The connected pixels within a tolerance in OKLab of the one at x, y."""
    levels = np.asarray(Image.open(photo).convert("RGB")) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    to_cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
    lab = np.cbrt(linear @ np.transpose(to_cones)) @ np.transpose(to_lab)
    alike = np.floor(500 * np.linalg.norm(lab - lab[y, x], axis=2) + 0.5) <= np.floor(2.55 * tolerance + 0.5)
    _, labels = cv2.connectedComponents(alike.astype(np.uint8), connectivity=4)
    return np.asarray(labels == labels[y, x])


def test_a_click_takes_a_patch_of_like_colour_and_the_slider_takes_it_again(
    page: Page, scene: Path, tmp_path: Path
) -> None:
    choose_tool(page, LIKE)
    slider = page.get_by_role("slider", name="Tolerance")
    page.mouse.click(*on_page(page, 250.5, 20.5))
    expect_work(page, steps=1)
    first = save_mask(page, tmp_path)
    assert np.array_equal(first, like(scene, 250, 20, int(slider.input_value())))
    slider.fill("26")
    wanted = like(scene, 250, 20, 26)
    assert np.count_nonzero(wanted) > np.count_nonzero(first)
    expect_work(page, steps=1)
    assert np.array_equal(save_mask(page, tmp_path), wanted)
    canvas(page).focus()
    page.keyboard.press("[")
    expect(slider).to_have_value("24")
    assert np.array_equal(save_mask(page, tmp_path), like(scene, 250, 20, 24))
    page.keyboard.press("Control+z")
    expect_work(page, steps=0)
    slider.fill("30")  # for the next patch alone
    expect_work(page, steps=0)
    page.keyboard.press("Control+Shift+z")
    expect_work(page, steps=1)
    assert np.array_equal(save_mask(page, tmp_path), like(scene, 250, 20, 24))


def line_through(*points: tuple[float, float], width: int) -> NDArray[np.bool_]:
    """The pixels whose centres are clearly on a line, dilated as the brush does."""
    distances = np.full(SIZE[::-1], np.inf)
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    for (x, y), (to_x, to_y) in itertools.pairwise(points):
        along = np.array([to_x - x, to_y - y])
        share = (((columns - x) * along[0] + (rows - y) * along[1]) / (along @ along)).clip(0, 1)
        distances = np.minimum(distances, np.hypot(columns - x - share * along[0], rows - y - share * along[1]))
    return distances < width / 2


def test_lines_go_from_click_to_click_until_they_are_ended(page: Page, tmp_path: Path) -> None:
    choose_tool(page, LINE)
    choose_brush(page, 10)
    corners = [(40, 40), (120, 60), (200, 30)]
    for number, end in enumerate(("Enter", "Escape", None), start=1):
        for corner in corners:
            page.mouse.click(*on_page(page, *corner))
        page.mouse.move(*on_page(page, 20, 180))  # leads a segment that is not part of it
        if end is None:
            page.mouse.dblclick(*on_page(page, *corners[-1]))
        else:
            page.keyboard.press(end)
        expect_work(page, steps=number)
        marked = save_mask(page, tmp_path)
        assert not (line_through(*corners, width=8) & ~marked).any()
        assert not (marked & ~line_through(*corners, width=12)).any()
        page.keyboard.press("Control+z")
        expect_work(page, steps=number - 1)
        page.keyboard.press("Control+Shift+z")
    keep_picture(page, "marked_lines")


def test_shift_turns_a_segment_and_undo_takes_the_last_corner(page: Page, tmp_path: Path) -> None:
    choose_tool(page, LINE)
    choose_brush(page, 10)
    page.mouse.click(*on_page(page, 40, 40))
    page.keyboard.down("Shift")
    page.mouse.click(*on_page(page, 140, 52))
    page.keyboard.up("Shift")
    page.mouse.click(*on_page(page, 250, 180))
    page.keyboard.press("Control+z")
    expect_work(page, steps=0)
    page.keyboard.press("Enter")
    expect_work(page, steps=1, fills=0)
    marked = save_mask(page, tmp_path)
    assert not (line_through((40, 40), (140, 40), width=8) & ~marked).any()
    assert not (marked & ~line_through((40, 40), (140, 40), width=12)).any()


def test_lines_are_drawn_by_keys_alone(page: Page, tmp_path: Path) -> None:
    page.keyboard.press("i")
    canvas(page).focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("Down at 150, 100.")).to_have_count(1)
    for key in ("ArrowRight", "ArrowDown"):
        for _ in range(3):
            page.keyboard.press(f"Shift+{key}")
        page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect_work(page, steps=1)
    marked = save_mask(page, tmp_path)
    assert marked[100, 150:180].all()
    assert marked[95:120].any(axis=0).sum() > 30
    page.keyboard.press("w")
    canvas(page).focus()
    page.keyboard.press("Space")
    expect_work(page, steps=2)


def test_fingers_mark_by_the_tools_in_the_menu_of_a_narrow_screen(visit: Visit, served: str, scene: Path) -> None:
    page = visit(served, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    choose_photo(page, scene)
    fingers = Fingers(page)
    for number, (tool, places) in enumerate(
        {LIKE: [(250, 20)], LINE: [(40, 40), (120, 60), (120, 60)]}.items(), start=1
    ):
        button(page, "More tools").click()
        keep_picture(page, "phone_tools")
        button(page, tool).click()
        expect(button(page, "More tools")).to_have_attribute("aria-expanded", "false")
        way = (on_page(page, 100, 100), on_page(page, 200, 100))
        fingers.lead_two(way, way)  # which only look
        for place in places:
            x, y = on_page(page, *place)
            page.touchscreen.tap(x, y)
        expect_work(page, steps=number)
    button(page, "More tools").click()
    button(page, OBJECT).click()
    way = [on_page(page, *point) for point in ring(60)]
    fingers.send("touchStart", way[0])
    for place in way[1:]:
        fingers.send("touchMove", place)
    fingers.send("touchEnd")
    expect_work(page, steps=3)
