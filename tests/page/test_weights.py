"""Choosing weights on the page: what each is, in both languages, by keyboard, and the choice is kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from onar.weights.catalogue import CATALOGUE
from tests.page.conftest import Visit
from tests.page.test_accessibility import AXE, RUN_AXE, needs_axe
from tests.support.browser import (
    button,
    choose_photo,
    draw,
    fill,
    keep_picture,
    open_options,
    reload_without_work,
    save_photo,
)
from tests.support.public_networks import write_network
from tests.support.server import needs_page, running_server

pytestmark = needs_page


class Shelf(NamedTuple):
    address: str
    store: Path


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """A server whose user has downloaded `lama`, and its store."""
    store = tmp_path / "onar" / "weights"
    store.mkdir(parents=True)
    write_network(store / CATALOGUE["lama"].file, "lama", 128)
    with running_server(XDG_CACHE_HOME=str(tmp_path)) as server:
        yield Shelf(f"{server.url}/", store)


def weights(page: Page) -> tuple[str, str, list[str]]:
    """The choice, its description, and all names."""
    open_options(page)
    select = page.get_by_label("Weights")
    return (
        select.input_value(),
        page.locator(f"#{select.get_attribute('aria-describedby')}").inner_text(),
        select.locator("option").all_inner_texts(),
    )


def test_weights_say_what_they_are_and_the_choice_outlives_the_page_and_ends_with_the_weights(
    visit: Visit, shelf: Shelf, photo: Path, tmp_path: Path
) -> None:
    page = visit(shelf.address)
    choose_photo(page, photo)
    own = ("bundled", "Onar's own network, with texture from the photo. Licence: MIT.", ["bundled", "lama", "pyramid"])
    assert weights(page) == own
    page.get_by_label("Weights").focus()
    page.keyboard.press("ArrowDown")
    keep_picture(page, "weights")
    about = "LaMa: for objects, large holes and repeating structures; slow. Licence: Apache-2.0."
    assert weights(page)[:2] == ("lama", about)
    reload_without_work(page)
    choose_photo(page, photo)
    assert weights(page)[0] == "lama"
    draw(page, (150, 100), (220, 130))
    fill(page)
    before, after = (np.asarray(Image.open(file)).astype(int) for file in (photo, save_photo(page, tmp_path)))
    changed = (before != after).any(axis=2)
    colours = np.unique(after[changed], axis=0)
    assert len(colours) <= 8, "the network fills a window with one colour, and nothing is copied over it"
    (shelf.store / CATALOGUE["lama"].file).unlink()
    page.get_by_role("button", name="Undo").click()
    button(page, "Fill").click()
    expect(page.get_by_role("alert")).to_contain_text("These weights no longer exist")
    reload_without_work(page)
    choose_photo(page, photo)
    assert weights(page) == (*own[:2], ["bundled", "pyramid"])


def test_the_lines_are_turkish_too(visit: Visit, shelf: Shelf, photo: Path) -> None:
    page = visit(shelf.address, locale="tr-TR")
    choose_photo(page, photo)
    open_options(page)
    page.get_by_label("Ağırlıklar").select_option("pyramid")
    expect(page.get_by_text("Boşluğun kenarından yumuşak renkler, ağ olmadan.")).to_be_visible()
    keep_picture(page, "weights_turkish")


@needs_axe
def test_axe_finds_nothing_where_weights_are_chosen(visit: Visit, shelf: Shelf, photo: Path) -> None:
    page = visit(shelf.address, reduced_motion="reduce")
    page.evaluate(AXE.read_text())
    choose_photo(page, photo)
    open_options(page)
    for name in ("bundled", "lama", "pyramid"):
        page.get_by_label("Weights").select_option(name)
        assert page.evaluate(RUN_AXE) == []
