"""The page from both places that it comes from: a server, and a folder that `onar export --format web` wrote."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from onar.imaging.writing import write_image
from onar.training.results_folder import Results
from tests.conftest import PHOTOS
from tests.serve.test_trainings import a_run
from tests.support import browser as browsing
from tests.support.browser import DESKTOP
from tests.support.server import running_server
from tests.support.static_host import hosting

Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the bundled weights and two trainings, one of which has samples."""
    trainings = tmp_path_factory.mktemp("trainings")
    sheet = np.asarray(Image.open(PHOTOS / "skimage_coffee.jpg").resize((288, 192)))
    write_image(Results(a_run(trainings / "first")).samples(2), sheet)
    a_run(trainings / "second", steps=90)
    with running_server("--results_dir", trainings) as server:
        yield f"{server.url}/"


@pytest.fixture(scope="session")
def hosted(small_site: Path) -> Iterator[str]:
    """The address of a host for the folder; it gives scripts a type by which no service worker starts."""
    with hosting(small_site) as (address, _):
        yield address


@pytest.fixture
def hosted_bundled(bundled_site: Path) -> Iterator[str]:
    """As `hosted`, with the weights that `served` has."""
    with hosting(bundled_site) as (address, _):
        yield address


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens the page at an address; at the end nothing may have failed, and no other host may have been asked."""
    contexts, wrong = [], []

    def visit(address: str, **options: object) -> Page:
        options = {"locale": "en-US", "viewport": DESKTOP, **options}
        context = browser.new_context(**options)
        contexts.append(context)
        own = (address, "data:", f"blob:{address}")
        context.on("request", lambda request: request.url.startswith(own) or wrong.append(request.url))
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if "Policy" in message.text else None)
        browsing.open_page(page, address)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small photo."""
    path = tmp_path_factory.mktemp("photo") / "coffee.png"
    Image.open(PHOTOS / "skimage_coffee.jpg").convert("RGB").resize((360, 240)).save(path)
    return path


@pytest.fixture
def photos(photo: Path, tmp_path: Path) -> list[Path]:
    """Three photos of one size, the third a JPEG, and a file that is none."""
    whole = Image.open(photo)
    paths = [tmp_path / name for name in ("one.png", "two.png", "three.jpg")]
    for path, angle in zip(paths, (0, 180, 180), strict=True):
        whole.rotate(angle).save(path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"none")
    return [*paths, broken]
