"""Networks of other programs in the folder of `onar export --format web`: they fill there as in Python, offline too."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Error, expect

from onar import Inpainter, UsageError
from onar.export.verb import export
from onar.weights.bundled import bundled_page
from tests.export.test_web import fill, holes_of, open_file, open_site
from tests.support.browser import PATIENCE, button, canvas, drag
from tests.support.pictures import COFFEE, encode
from tests.support.public_networks import write_network
from tests.support.random_fills import random_hole, random_photo, random_size
from tests.support.runs import refusal
from tests.support.static_host import hosting

pytestmark = pytest.mark.skipif(not (bundled_page() / "worker.js").is_file(), reason="needs the built page")

KINDS = {
    "lama": 64,
    "lama_unit": 64,
    "lama_stacked": None,
    "migan": 64,
    "migan_generator": 64,
}
"""Side in pixels of what a network takes; None for any."""


def export_kind(kind: str, folder: Path) -> tuple[Path, Path]:
    """A network of a kind, which mixes in what is in the hole, and its page."""
    file = write_network(folder / f"{kind}.onnx", kind, KINDS[kind], mix=0.5)
    return file, export(str(file), folder / "site", format="web", network=kind).path


def a_photo() -> Image.Image:
    return Image.open(COFFEE).convert("RGB").crop((0, 0, 320, 240))


def deep_and_edge_holes() -> NDArray[np.bool_]:
    hole = holes_of(a_photo())
    hole[180:, 200:300] = True
    return hole


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_another_program_fills_on_the_page_as_in_python(
    browser: Browser, tmp_path: Path, kind: str
) -> None:
    file, site = export_kind(kind, tmp_path)
    hole, photo = deep_and_edge_holes(), a_photo()
    with hosting(site) as (address, _):
        page = open_site(browser, address)
        open_file(page, "coffee.png", encode(photo))
        filled = fill(page, hole, "auto")
        page.context.close()
    expected = Inpainter.load(file, "cpu", network=kind)(np.asarray(photo), hole)
    assert ((filled[..., 3] == 255) == hole).all()
    assert np.abs(filled[..., :3].astype(int) - expected)[hole].max() <= 1


@pytest.mark.parametrize("kind", ["migan", "lama_stacked"])
def test_photos_of_any_size_are_filled_as_in_python(browser: Browser, tmp_path: Path, kind: str) -> None:
    file, site = export_kind(kind, tmp_path)
    inpainter, rng = Inpainter.load(file, "cpu", network=kind), np.random.default_rng(0)
    sizes = [(33, 40), (9, 64), (200, 9), (30, 1), *(random_size(rng, 250) for _ in range(12))]
    with hosting(site) as (address, _):
        page = open_site(browser, address)
        for number, (height, width) in enumerate(sizes):
            photo, hole = random_photo(height, width, rng), random_hole(height, width, rng)
            hole[height // 3, width // 2] = True
            open_file(page, f"{number}.png", encode(Image.fromarray(photo)))
            filled = fill(page, hole, "auto")
            assert np.abs(filled[..., :3].astype(int) - inpainter(photo, hole))[hole].max() <= 1, (height, width)
        page.context.close()


def test_after_the_first_visit_the_network_needs_no_host_and_says_what_it_is(browser: Browser, tmp_path: Path) -> None:
    _, site = export_kind("migan", tmp_path)
    page = browser.new_context(locale="tr-TR").new_page()
    page.set_default_timeout(PATIENCE)
    with hosting(site, "scripts") as (address, _):
        page.goto(address)
        page.evaluate("navigator.serviceWorker.ready")
    page.reload()  # the host is gone
    page.get_by_role("button", name="Örnek: skimage chelsea").click()
    expect(canvas(page)).to_be_focused()
    drag(page, (200, 150), (260, 170))
    button(page, "Fill", "Doldur").click()
    expect(page.get_by_role("status").first).to_contain_text("saniyede dolduruldu")
    page.get_by_role("button", name="Seçenekler").click()
    expect(page.get_by_text("MI-GAN: nesneler ve büyük boşluklar için")).to_contain_text("onu yapanlarınkidir")
    page.context.close()


def test_a_network_that_does_not_fit_into_memory_is_named(browser: Browser, tmp_path: Path) -> None:
    _, site = export_kind("lama", tmp_path)
    (worker,) = site.glob("worker-*.js")
    without = "WebAssembly.Memory = function () { throw new RangeError('could not allocate memory'); };"
    worker.write_text(without + worker.read_text())
    with hosting(site) as (address, _):
        page = open_site(browser, address)
        open_file(page, "coffee.png", encode(a_photo()))
        with pytest.raises(Error, match="browser_network_too_large"):
            fill(page, deep_and_edge_holes(), "auto")
        page.context.close()


@pytest.mark.parametrize("output", ["a.onnx", "a.safetensors"])
def test_a_network_of_another_program_becomes_the_page_alone(tmp_path: Path, output: str) -> None:
    file = write_network(tmp_path / "lama.onnx", "lama", 64)
    said = refusal("export", "--weights", file, "--output", tmp_path / output)
    assert "another program wrote this network" in said
    assert not (tmp_path / output).exists()


def test_what_is_done_to_onar_s_own_networks_alone_is_refused(tmp_path: Path) -> None:
    file = str(write_network(tmp_path / "lama.onnx", "lama", 64))
    with pytest.raises(UsageError, match="average_with is for Onar's own networks"):
        export(file, tmp_path / "site", format="web", average_with=Path(file))
    with pytest.raises(UsageError, match="migan does not fit the inputs"):
        export(file, tmp_path / "site", format="web", network="migan")
    assert not (tmp_path / "site").exists()


def test_the_folder_says_how_the_network_is_used(tmp_path: Path) -> None:
    _, site = export_kind("migan", tmp_path)
    said = json.loads((site / "onar.json").read_bytes())
    assert said["weights"] == [{"name": "migan", "default": True, "kind": "migan", "licence": "of its authors"}]
    assert (said["copies"], said["blend"], said["training_size"]) == (False, None, 64)
    assert said["network"]["inputs"] == [{"name": "image", "channels": 3}, {"name": "mask", "channels": 1}]
    assert said["network"]["mask"] == [0, 255]
