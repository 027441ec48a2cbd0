"""The page in Firefox: what is painted is filled as elsewhere, by either engine."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from onar import Inpainter
from tests.support.browser import ARTIFACTS
from tests.support.firefox import PATIENCE, Page, running_firefox
from tests.support.server import needs_page

pytestmark = [needs_page, pytest.mark.browser]

SAME = 2
"""Most levels, of 255, that a fill differs from Python's."""


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def firefox(downloads: Path) -> Iterator[Page]:
    with running_firefox(downloads) as page:
        yield page


def downloaded(firefox: Page, control: str, path: Path) -> NDArray[np.uint8]:
    """A picture that a button gives, H×W×3."""
    path.unlink(missing_ok=True)
    firefox.click(control)
    firefox.wait_for("document.querySelector('main').dataset.state === 'ready'")
    deadline = time.monotonic() + PATIENCE
    while not (path.is_file() and path.stat().st_size and not path.with_name(f"{path.name}.part").exists()):
        assert time.monotonic() < deadline, f"{path.name} was not downloaded"
        time.sleep(0.05)
    picture = np.asarray(Image.open(path).convert("RGB"))
    path.unlink()
    return picture


@pytest.mark.parametrize("engine", ["served", "hosted"])
def test_what_is_painted_in_firefox_is_filled_as_by_python(
    firefox: Page, downloads: Path, engine: str, photo: Path, request: pytest.FixtureRequest
) -> None:
    address = request.getfixturevalue(engine)
    firefox.asked.clear()
    firefox.open(address)
    firefox.wait_for("document.querySelector('h2') !== null")
    firefox.choose_file("Open a photo", photo)
    firefox.wait_for("document.querySelector('main').dataset.state === 'ready'")
    x, y, scale = firefox.evaluate(
        """(() => {
            const canvas = document.querySelector("[role=application]");
            const { x, y } = canvas.getBoundingClientRect();
            const { left, top, scale } = canvas.dataset;
            return [x + +left, y + +top, +scale];
        })()"""
    )
    firefox.drag(*((x + scale * across, y + scale * down) for across, down in ((100, 80), (180, 90), (200, 140))))
    firefox.wait_for("document.querySelector('main').dataset.steps === '1'")
    firefox.click("Options")
    firefox.wait_for("document.querySelector('aside') !== null")
    hole = downloaded(firefox, "Save the mask", downloads / "coffee_mask.png")[..., 0] == 255
    firefox.press("\ue007")  # Enter
    firefox.wait_for("document.querySelector('main').dataset.fills === '1'")
    firefox.keep_picture(ARTIFACTS / f"firefox_{engine}.png")
    result = downloaded(firefox, "Download", downloads / "coffee_completed.png")
    before = np.asarray(Image.open(photo))
    assert 0.01 < hole.mean() < 0.2
    assert hole[85, 140]
    assert np.array_equal(result[~hole], before[~hole])
    expected = Inpainter.load()(before, hole)
    differences = np.abs(result.astype(int) - expected)[hole]
    print(f"{engine} in Firefox differs from Python by {differences.max()} at most")
    assert differences.max() <= SAME
    own = (address, "data:", "blob:", "about:", "chrome:", "resource:", "moz-")
    assert [url for url in firefox.asked if not url.startswith(own)] == []
