"""Files that a folder of `onar export --format web` loads, when, and how often; and that a page is of one version."""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from onar import PConvUNet
from onar.checkpoint import save_weights
from onar.export.verb import export
from onar.weights.bundled import bundled_page
from tests.support.browser import PATIENCE, button, canvas, drag, let_draw, reload_without_work
from tests.support.server import needs_page
from tests.support.static_host import Watched, watching

pytestmark = needs_page

WORKER_READY = "navigator.serviceWorker.ready.then(() => true)"
UPDATED = """async (before) => {
    const registration = await navigator.serviceWorker.ready;
    await registration.update();
    while ((await caches.keys()).some((name) => name === before)) await new Promise(requestAnimationFrame);
}"""
VERSION = "caches.keys().then((names) => names.find((name) => name.startsWith('onar http')))"


def another_version(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with other weights, and a worker that does nothing but fail."""
    page = shutil.copytree(bundled_page(), tmp_path / "page")
    (page / "worker.js").write_text("throw new Error('a worker of another version');")
    monkeypatch.setattr("onar.export.web.bundled_page", lambda: page)
    return export("pyramid", tmp_path / "another", format="web").path


def visit(browser: Browser, host: Watched, locale: str = "en-US") -> Page:
    page = browser.new_context(locale=locale).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(host.address)
    return page


def open_example(page: Page) -> None:
    button(page, "Example: skimage chelsea", "Örnek: skimage chelsea").click()
    expect(canvas(page)).to_be_focused()
    let_draw(page)


def fill(page: Page) -> None:
    open_example(page)
    drag(page, (200, 150), (260, 170))
    button(page, "Fill").click()


def test_all_that_is_loaded_is_loaded_once_and_what_is_for_gpus_not_at_all(browser: Browser, small_site: Path) -> None:
    with watching(small_site) as host:
        page = visit(browser, host)
        fill(page)
        expect(page.get_by_role("status").first).to_contain_text("Filled in")
        page.evaluate(WORKER_READY)
        times = Counter(name for name in host.asked if "-" in name)
        reload_without_work(page)
        fill(page)
        expect(page.get_by_role("status").first).to_contain_text("Filled in")
        assert Counter(name for name in host.asked if "-" in name) == times
        page.context.close()
    kinds = {name.rpartition("-")[0]: count for name, count in times.items()}
    assert kinds.keys() == {"generator", "blend", "finder", "ort", "patchmatch", "worker", "page"}
    # The browser loads the page's own script before any worker of the page runs.
    assert {kind: count for kind, count in kinds.items() if count > 1 and kind != "page"} == {}


SAID = """window.said = new Set();
    const status = document.querySelector("[role=status]");
    new MutationObserver(() => window.said.add(status.innerText.trim())).observe(
        status, { childList: true, characterData: true, subtree: true });"""


REACHED = """async (share) => {
    while (!(document.querySelector("progress")?.value > share)) await new Promise(requestAnimationFrame);
}"""


@pytest.mark.parametrize(
    ("locale", "loading", "loaded", "compiling", "filling"),
    [
        ("en-US", "Loading the network", r"[\d.]+ of [\d.]+ MB", "Compiling the network…", "Filling…"),
        ("tr-TR", "Ağ yükleniyor", r"[\d,]+ / [\d,]+ MB", "Ağ derleniyor…", "Dolduruluyor…"),
    ],
)
def test_the_first_fill_says_what_it_loads_and_how_much_and_then_that_it_compiles(
    browser: Browser, small_site: Path, locale: str, loading: str, loaded: str, compiling: str, filling: str
) -> None:
    with watching(small_site) as host:
        host.held = "generator-"
        page = visit(browser, host, locale)
        open_example(page)
        drag(page, (200, 150), (260, 170))
        page.evaluate(SAID)
        button(page, "Fill", "Doldur").click()
        expect(page.get_by_role("status").first).to_contain_text(re.compile(f"{loading}… {loaded}"))
        bar = page.get_by_role("progressbar", name=loading)
        expect(bar).to_be_visible()
        page.evaluate(REACHED, 0.1)
        assert bar.evaluate("bar => bar.value") < 1
        host.released.set()
        expect(page.get_by_role("status").first).to_contain_text(re.compile("Filled in|dolduruldu"))
        said = page.evaluate("[...window.said]")
        assert compiling in said
        assert any(line.startswith(filling) for line in said)
        page.context.close()


def test_later_fills_load_and_compile_nothing(browser: Browser, small_site: Path) -> None:
    with watching(small_site) as host:
        page = visit(browser, host)
        started = list[str]()
        page.on("console", lambda message: started.append(message.text) if "networks run on" in message.text else None)
        fill(page)
        expect(page.get_by_role("status").first).to_contain_text("Filled in")
        page.evaluate(WORKER_READY)
        asked = Counter(host.asked)
        page.evaluate(SAID)
        drag(page, (60, 60), (120, 90))
        button(page, "Fill").click()
        expect(page.get_by_role("main")).to_have_attribute("data-fills", "2")
        said = page.evaluate("[...window.said]")
        assert [line for line in said if "Loading" in line or "Compiling" in line] == []
        assert Counter(host.asked) == asked
        assert len(started) == 1
        page.context.close()


def test_a_fill_that_is_cancelled_while_texture_is_copied_can_be_repeated(browser: Browser, small_site: Path) -> None:
    with watching(small_site) as host:
        page = visit(browser, host)
        fill(page)
        page.evaluate(REACHED, 0.49)  # the network has filled it, and the copies are awaited
        page.keyboard.press("Escape")
        expect(page.get_by_role("status").first).to_contain_text("Cancelled")
        button(page, "Fill").click()
        expect(page.get_by_role("main")).to_have_attribute("data-fills", "1")
        page.context.close()


def test_a_page_that_is_open_while_its_folder_is_renewed_stays_of_its_version_and_the_next_is_of_the_new_one(
    browser: Browser, small_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = shutil.copytree(small_site, tmp_path / "live")
    with watching(live) as host:
        page = visit(browser, host)
        page.evaluate(WORKER_READY)
        before = page.evaluate(VERSION)
        shutil.rmtree(live)
        shutil.copytree(another_version(small_site, tmp_path, monkeypatch), live)
        page.evaluate(UPDATED, before)
        fill(page)
        expect(page.get_by_role("status").first).to_contain_text("Filled in")
        reload_without_work(page)
        button(page, "Example: skimage chelsea").click()
        expect(page.get_by_role("alert")).to_contain_text("That failed")
        page.context.close()


def test_a_lost_part_is_named(
    browser: Browser, small_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = shutil.copytree(small_site, tmp_path / "live")
    (live / "sw.js").unlink()
    with watching(live) as host:
        page = visit(browser, host, "tr-TR")
        expect(page.get_by_role("heading", level=2)).to_be_visible()
        for file in live.glob("worker-*.js"):
            file.unlink()
        page.get_by_role("button", name="Örnek: skimage chelsea").click()
        expect(page.get_by_role("alert")).to_contain_text("Sayfanın bir parçası yüklenemedi")
        page.context.close()


def test_the_folder_has_nothing_of_the_server_s_page(small_site: Path) -> None:
    texts = [file.read_text() for pattern in ("*.js", "*.html") for file in small_site.glob(pattern)]
    assert len(texts) == 4
    assert not any("uplot" in text.lower() or "api/trainings" in text or "api/fill" in text for text in texts)
    names = {file.name for file in small_site.rglob("*")}
    assert not names & {"uplot.txt", "folder.html", "folder.js", "folder.css", "page.js", "page.css"}


def test_a_name_of_weights_cannot_end_the_page_s_script(tmp_path: Path) -> None:
    name = "a<!--<script>b"
    save_weights(tmp_path / f"{name}.pth", PConvUNet(4, 3, "pyramid"))
    folder = export(str(tmp_path / f"{name}.pth"), tmp_path / "site", format="web").path
    pattern = r'<script type="application/json" id="onar-site">(.*?)</script>'
    (inside,) = re.findall(pattern, (folder / "index.html").read_text())
    assert "<" not in inside
    assert json.loads(inside) == json.loads((folder / "onar.json").read_text())
    assert json.loads(inside)["weights"][0]["name"] == name
