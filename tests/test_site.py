"""The site that `make docs` builds: whole, in two languages, with nothing from another host."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, expect

import onar
from tests.conftest import REPOSITORY
from tests.support.browser import keep_picture

pytest.importorskip("material", reason="needs MkDocs Material: pip install -e '.[docs]'")
pytest.importorskip("mkdocstrings", reason="needs mkdocstrings: pip install -e '.[docs]'")

DOCS = REPOSITORY / "docs"
TURKISH = {
    "complete.html": "tr/tamamlama.html",
    "find.html": "tr/bulma.html",
    "serve.html": "tr/sunucu.html",
    "training.html": "tr/egitim.html",
}


@dataclass
class Document(HTMLParser):
    """The links of a page of the site, and its anchors."""

    links: list[str] = field(default_factory=list)
    """Addresses that a reader may follow."""
    loaded: list[str] = field(default_factory=list)
    """Addresses that a browser asks for by itself."""
    anchors: set[str] = field(default_factory=set)
    formulas: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attributes if value is not None}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.formulas += tag == "math"
        if "href" in given:
            (self.links if tag == "a" else self.loaded).append(given["href"])
        if "src" in given:
            self.loaded.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    # Not --quiet, which hides warnings from --strict, too.
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    built = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def documents(site: Path) -> dict[str, Document]:
    """The pages of the site by their place in it; the page of errors refers to places of the host."""
    read: dict[str, Document] = {}
    for path in site.rglob("*.html"):
        if path.name != "404.html":
            document = read[path.relative_to(site).as_posix()] = Document()
            document.feed(path.read_text(encoding="utf-8"))
    return read


def test_every_page_of_docs_is_in_the_navigation(documents: dict[str, Document]) -> None:
    english = {f"{path.stem}.html" for path in DOCS.glob("*.md")}
    turkish = {f"{path.stem}.html" for path in (DOCS / "tr").glob("*.md")}
    assert english | set(TURKISH.values()) <= set(documents)
    assert english <= set(documents["index.html"].links)
    assert turkish | {f"../{name}" for name in english - set(TURKISH)} <= set(documents["tr/index.html"].links)


@pytest.mark.process
def test_every_link_of_the_site_leads_somewhere(site: Path, documents: dict[str, Document]) -> None:
    for place, document in documents.items():
        for address in {*document.links, *document.loaded}:
            if re.match(r"https?:|data:", address):
                continue
            path, _, anchor = unquote(address).partition("#")
            target = (site / place).parent / path if path else site / place
            assert target.exists(), (place, address)
            if anchor and target.suffix == ".html":
                there = documents[target.resolve().relative_to(site.resolve()).as_posix()]
                assert anchor in there.anchors, (place, address)


@pytest.mark.process
def test_a_browser_asks_no_other_host(site: Path, documents: dict[str, Document]) -> None:
    loaded = [address for document in documents.values() for address in document.loaded]
    styles = [address for path in site.rglob("*.css") for address in re.findall(r"url\(([^)]*)", path.read_text())]
    assert loaded
    assert not [address for address in loaded + styles if re.match(r"['\"]?(https?:)?//", address)]


def test_pages_lead_to_their_translations(documents: dict[str, Document]) -> None:
    for english, turkish in {"index.html": "tr/index.html", **TURKISH}.items():
        assert turkish in documents[english].links
        assert f"../{english}" in documents[turkish].links


def test_formulas_are_drawn_without_a_script(documents: dict[str, Document]) -> None:
    written = (DOCS / "mathematics.md").read_text(encoding="utf-8").count("```math")
    assert documents["mathematics.html"].formulas == written > 0


def test_the_reference_has_every_public_name_and_setting(documents: dict[str, Document]) -> None:
    explained = documents["reference.html"].anchors
    assert {f"onar.{name}" for name in onar.__all__} <= explained
    for config in (onar.TrainConfig, onar.CompletionConfig):
        assert {f"onar.{config.__name__}.{setting.name}" for setting in fields(config)} <= explained


def test_examples_of_docstrings_are_code(site: Path) -> None:
    reference = (site / "reference.html").read_text(encoding="utf-8")
    assert "&gt;&gt;&gt; " in reference
    assert "<blockquote" not in reference


# ---------------------------------------------------------------- in a browser
@pytest.fixture(scope="module")
def page(browser: Browser, site: Path) -> Iterator[Page]:
    """A page of the host that `make docs` advises."""
    host = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(site), "0"]
    with subprocess.Popen(host, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        address = re.search(rb"http://[\d.]+:\d+/", process.stdout.readline())[0].decode()
        yield browser.new_page(base_url=address)
        process.kill()


@pytest.mark.process
@pytest.mark.parametrize(
    ("start", "words", "found"),
    [
        ("index.html", "feather", "Complete photos"),
        ("index.html", "--dilate", "Complete photos"),
        ("tr/index.html", "Parça", "Fotoğraf tamamlamak"),
        ("tr/index.html", "İşlemcide", "Eğitim rehberi"),
        ("tr/index.html", "boşluğu", "Fotoğraf tamamlamak"),
    ],
)
def test_search_finds_words_in_either_language(page: Page, start: str, words: str, found: str) -> None:
    page.goto(start)
    page.get_by_role("textbox").press_sequentially(words)
    expect(page.get_by_role("list").get_by_role("heading", name=found).first).to_be_visible()


@pytest.mark.process
@pytest.mark.parametrize("place", ["index.html", "tr/tamamlama.html", "mathematics.html"])
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_the_screen(page: Page, place: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(place)
    keep_picture(page, f"site_{Path(place).stem}_{width}")


@pytest.mark.process
@pytest.mark.parametrize("place", ["complete.html", "serve.html", "tr/egitim.html"])
@pytest.mark.parametrize("width", [1280, 390])
def test_names_stay_on_one_line(page: Page, place: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(place)
    broken = "codes => codes.filter(code => code.getClientRects().length > 1).map(code => code.textContent)"
    names = page.locator("article code.name")
    assert names.count() > 20
    assert names.evaluate_all(broken) == []
