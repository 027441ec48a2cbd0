"""Choosing the part of a photo that is saved, with a server and in a folder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import PHOTOS
from tests.page.conftest import Visit
from tests.support.browser import button, choose_photo, drag, expect_work, keep_picture, pixels, save_photo
from tests.support.server import needs_page

pytestmark = needs_page


@pytest.mark.parametrize("place", ["served", "hosted"])
def test_a_crop_is_drawn_pulled_typed_undone_and_saved(
    visit: Visit, request: pytest.FixtureRequest, place: str, tmp_path: Path
) -> None:
    Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize((300, 200)).save(tmp_path / "coffee.png")
    page = visit(request.getfixturevalue(place))
    choose_photo(page, tmp_path / "coffee.png")
    page.keyboard.press("q")
    drag(page, (50, 40), (200, 160))
    width, left = (page.get_by_role("spinbutton", name=name) for name in ("Width", "Left"))
    expect(width).to_have_value("150")
    drag(page, (200, 100), (240, 100))  # its right edge
    expect(width).to_have_value("190")
    drag(page, (150, 100), (140, 90))  # all of it
    expect(left).to_have_value("40")
    page.get_by_label("Ratio").select_option("1:1")
    expect(width).to_have_value("120")
    width.fill("100")
    width.press("Tab")
    expect_work(page, steps=0, fills=0)
    keep_picture(page, f"cropping_{place}")
    cropped = pixels(save_photo(page, tmp_path))
    assert np.array_equal(cropped, pixels(tmp_path / "coffee.png")[30:150, 75:175])
    button(page, "Undo").click()
    expect(width).to_have_value("120")
    button(page, "Remove crop").click()
    expect(width).to_have_value("300")
