"""A hook of MkDocs for the site in mkdocs.yml.

Pages from outside `docs`, links that lead somewhere on the site as well as on the repository's host, two languages with
a navigation each, and formulas as MathML, which browsers draw without a script.
"""

import json
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure import StructureItem
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Link, Navigation, Section
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

REPOSITORY = Path(__file__).resolve().parents[2]

PLACES = {
    "README.md": "index.md",
    "README.tr.md": "tr/index.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "LICENSE": "licence.md",
    "benchmarks/results.md": "timings.md",
    "src/onar/assets/recipes": "recipes.md",
    "src/onar/assets/model_script.py": "script.md",
    "src/onar/assets/photos_attribution.md": "photos.md",
    "src/onar/assets/weights/MODEL_CARD.md": "model_card.md",
    "src/onar/assets/weights/FINDER_CARD.md": "finder_card.md",
    "web/public/favicon.svg": "favicon.svg",
}
"""Files of the repository outside `docs` -> pages of the site."""

TRANSLATIONS = {
    "index.md": "tr/index.md",
    "complete.md": "tr/tamamlama.md",
    "find.md": "tr/bulma.md",
    "serve.md": "tr/sunucu.md",
    "training.md": "tr/egitim.md",
}
"""English pages -> Turkish pages."""

MAX_NAME = 36
"""In letters: as many as a phone shows on a line."""
MAX_PAIR = 24
"""In letters, of a name with a value."""

LANGUAGES = {"en": "English", "tr": "Türkçe"}


@dataclass(frozen=True)
class OtherLanguage:
    """A link to the page in the other language, beside the search.

    The theme expects a list here, but for each entry its script would request a missing list of pages.
    """

    language: str
    name: str
    link: str


# ---------------------------------------------------------------- pages from outside docs, and links


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside `docs`."""
    for source, place in PLACES.items():
        path = REPOSITORY / source
        if path.suffix in (".md", ".svg"):
            files.append(File.generated(config, place, abs_src_path=str(path)))
        else:
            files.append(File.generated(config, place, content=_as_page(path)))
    return files


def _as_page(path: Path) -> str:
    """A folder of recipes, a script, or the licence, as Markdown."""
    if path.is_dir():
        recipes = "\n".join(f"## {one.name}\n\n{_code(one)}" for one in sorted(path.glob("*.toml")))
        return f"# Recipes\n\nFiles of settings for `onar train --config`.\n\n{recipes}"
    if path.suffix == ".py":
        return f"# {path.name}\n\n{_code(path)}"
    return f"# Licence\n\n{path.read_text(encoding='utf-8')}"


def _code(path: Path) -> str:
    return f"```{path.suffix[1:].replace('py', 'python')}\n{path.read_text(encoding='utf-8')}```\n"


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn links between files of the repository into links between pages; those in code stay."""
    sources = {place: source for source, place in PLACES.items()}
    place = page.file.src_uri
    folder = posixpath.dirname(sources.get(place, f"docs/{place}"))

    def link(match: re.Match[str]) -> str:
        return f"]({_on_site(match[1], folder, posixpath.dirname(place))})"

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.M | re.S)
    return "".join(part if part.startswith("```") else re.sub(r"\]\(([^)\s]+)\)", link, part) for part in parts)


def _on_site(address: str, from_folder: str, from_place: str) -> str:
    """Translate an address in a file of the repository for a page of the site; unknown addresses are kept."""
    path, hash_mark, heading = address.partition("#")
    if not path or ":" in path:
        return address
    target = posixpath.normpath(posixpath.join(from_folder, unquote(path)))
    if target not in PLACES and not target.startswith("docs/"):
        return address
    place = PLACES.get(target) or target.removeprefix("docs/")
    return posixpath.relpath(place, from_place or ".") + hash_mark + heading


# ---------------------------------------------------------------- two languages


def on_nav(nav: Navigation, **_: Any) -> Navigation:
    """Make a navigation of each language: the last English page does not lead on to the first Turkish one."""
    for section in nav.items:
        assert isinstance(section, Section)
        for item in section.children:
            item.parent = None
        pages = _pages(section.children)
        pages[0].previous_page = pages[-1].next_page = None
    return nav


def _pages(items: list[StructureItem]) -> list[Page]:
    """The pages of a part of the navigation, those in sections included."""
    pages: list[Page] = []
    for item in items:
        if isinstance(item, Section):
            pages += _pages(item.children)
        elif isinstance(item, Page):
            pages.append(item)
    return pages


def on_page_context(context: dict[str, Any], page: Page, config: MkDocsConfig, nav: Navigation) -> dict[str, Any]:
    """Show a page with the navigation, texts and switch of its language."""
    sections = dict(zip(LANGUAGES, nav.items, strict=True))
    language = "tr" if page.file.src_uri.startswith("tr/") else "en"
    items = sections[language].children
    homes = {one: _pages(section.children)[0] for one, section in sections.items()}
    if language == "tr":
        items = [*items, Section("İngilizce", _links_to_untranslated(sections["en"]))]
    context["nav"] = Navigation(items, _pages(items))
    context["nav"].homepage = homes[language]
    config.theme["language"] = language
    other = "en" if language == "tr" else "tr"
    there = _in_other_language(page, nav.pages) or homes[other]
    config.extra["alternate"] = OtherLanguage(other, LANGUAGES[other], there.url)
    return context


def _links_to_untranslated(english: Any) -> list[StructureItem]:
    pages = [page for page in _pages(english.children) if page.file.src_uri not in TRANSLATIONS]
    return [Link(str(page.title), page.url) for page in pages]


def _in_other_language(page: Page, pages: list[Page]) -> Page | None:
    both = TRANSLATIONS | {turkish: english for english, turkish in TRANSLATIONS.items()}
    return next((one for one in pages if one.file.src_uri == both.get(page.file.src_uri)), None)


# ---------------------------------------------------------------- how Markdown is read


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name headings as the repository's host does, draw formulas, and leave out the page that is not made yet."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    fence = {"name": "math", "class": "formula", "format": _formula}
    config.mdx_configs["pymdownx.superfences"] = {"custom_fences": [fence]}
    config.markdown_extensions.append(DoctestExtension())
    return config


class DoctestExtension(Extension):
    """Fence the examples of docstrings, which Markdown would take for quotations."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Do it before fences are read."""
        md.preprocessors.register(_FenceDoctests(md), "doctests", priority=100)


class _FenceDoctests(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        blocks = "\n".join(lines).split("\n\n")
        fenced = [f"```pycon\n{block}\n```" if block.startswith(">>> ") else block for block in blocks]
        return "\n\n".join(fenced).split("\n")


def on_page_content(html: str, **_: Any) -> str:
    """Mark names in code, which the theme would break anywhere: options, settings, files."""
    names = rf"[^<\s]{{1,{MAX_NAME}}}|[^<]{{1,{MAX_PAIR}}}"
    return re.sub(rf"<code>(?=({names})</code>)", '<code class="name">', html)


def _formula(source: str, *_: Any, **__: Any) -> str:
    return f'<div class="formula">{convert(source, display="block")}</div>'


# ---------------------------------------------------------------- search


def on_post_build(config: MkDocsConfig) -> None:
    """Let search find Turkish words that begin a sentence.

    JavaScript lower-cases İ to i with a combining dot, so a search for indirme would not find İndirme. The query is
    normalised in theme/assets/search.js.
    """
    path = Path(config.site_dir) / "search" / "search_index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    for entry in index["docs"]:
        entry["text"] = entry["text"].replace("İ", "i")
    path.write_text(json.dumps(index, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
