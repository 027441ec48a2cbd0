"""Files that are changed or deleted while they are edited, and invalid files."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.page.conftest import Visit
from tests.support.browser import canvas, choose_photo, drag, expect_work, fill, pixels, save_photo
from tests.support.server import needs_page

pytestmark = needs_page


@pytest.fixture(params=["served", "hosted"])
def page(request: pytest.FixtureRequest, visit: Visit) -> Page:
    """The page with either engine."""
    return visit(request.getfixturevalue(request.param))


def drop(page: Page, *paths: Path) -> None:
    """Drop files, or folders, on the page as a file manager does."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})


def test_a_photo_whose_file_is_changed_or_taken_away_is_filled_and_saved_as_it_was_opened(
    page: Page, photo: Path, tmp_path: Path
) -> None:
    mine = shutil.copy(photo, tmp_path / "mine.png")
    choose_photo(page, mine)
    drag(page, (100, 80), (180, 120))
    expect_work(page, steps=1)
    Image.open(photo).rotate(180).save(mine)
    fill(page)
    mine.unlink()
    saved = pixels(save_photo(page, tmp_path))[..., :3]
    differs = (saved != pixels(photo)).any(-1)
    assert differs.any()
    assert not differs[:, :60].any()
    assert np.array_equal(saved[160:], pixels(photo)[160:])


def test_a_folder_that_is_dropped_is_called_none_and_the_next_photo_is_opened(
    page: Page, photo: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    drop(page, folder)
    expect(page.get_by_role("alert")).to_contain_text("holiday cannot be read")
    drop(page, photo)
    expect(canvas(page)).to_be_focused()
