"""The format web: a folder for any static host, whose page fills holes in the browser.

A host may get a new folder while pages of the old one are open, and browsers cache files for as long as they like. So
that no page mixes two versions, `index.html` holds the page's settings, and the name of each file that it loads changes
with the content.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn

from onar.checkpoint import load_blend
from onar.errors import OnarError
from onar.export.blends import compared_blend
from onar.export.comparison import HALF_TOLERANCE, Exported, compare
from onar.export.onnx_files import onnx_of, run_onnx
from onar.models import PyramidFill
from onar.system.files import replacing_folder
from onar.weights.bundled import bundled_page, bundled_weights, example_photos, photo_sources

SITE, GENERATOR, BLEND, README, WORKER = "onar.json", "generator.onnx.gz", "blend.onnx.gz", "README.md", "sw.js"
INDEX = "index.html"
_FOR_PROCESSORS, _FOR_GPUS = "ort.wasm.gz", "ort-gpu.wasm.gz"
_PAGE = {"folder.html": INDEX, "folder.js": "page.js", "folder.css": "page.css"}
"""Names of files for folders in the built page, and in the folder."""
_OF_SERVERS = (*_PAGE.values(), "uplot.txt")  # files of a server's page alone
_LOADED = ("worker.js", _FOR_PROCESSORS, _FOR_GPUS, "patchmatch.wasm", GENERATOR, BLEND)
"""Files that the page loads when they are needed."""
_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' blob: data:; manifest-src 'self'; "
    "script-src 'self' blob: 'wasm-unsafe-eval'; style-src 'unsafe-inline'; worker-src 'self' blob:"
)
"""Content security policy: the page can send nothing but requests for files to its own host."""

_STYLE = re.compile(r'<link rel="stylesheet"[^>]*href="\./folder\.css"[^>]*>')
_SCRIPT = '"./folder.js"'


def export_web(generator: nn.Module, training_size: int, output: Path, name: str, blend: Path) -> Exported:
    """Write the folder, or replace an earlier one of the kind.

    Args:
        generator: one of `GENERATORS` with a graph.
        training_size: side in pixels of its training crops.
        output: the folder.
        name: of the weights, for the page.
        blend: file of a `TextureBlend`.

    Raises:
        OnarError: the page is not built, `output` holds something else, a file cannot be read or written, or the
            generator would not compute the same. Then nothing is written.
    """
    page = bundled_page()
    if not (page / "folder.html").is_file():
        raise OnarError(
            f"{page} holds no page: build it with npm ci && npm run build in the folder web of the repository"
        )
    if output.exists() and not _may_be_replaced(output):
        raise OnarError(f"{output} is not empty and no earlier export: name another folder, or move it away")
    with replacing_folder(output) as folder:
        shutil.copytree(page, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_OF_SERVERS))
        for built, own in _PAGE.items():
            (folder / built).rename(folder / own)
        difference = _write_generator(generator, training_size, folder)
        site = _site(generator, training_size, name)
        if site["copies"]:
            _compress(compared_blend(load_blend(blend), half=True)[0], folder / BLEND)
        site["examples"] = _copy_examples(folder)
        site["files"] = {name: _named_by_content(folder / name) for name in _LOADED if (folder / name).exists()}
        (folder / SITE).write_text(json.dumps(site, indent=2), encoding="utf-8")
        _copy_licences(folder / "licences")
        readme = Path(__file__).with_name("web_readme.md").read_text(encoding="utf-8")
        (folder / README).write_text(readme.format(version=site["version"], weights=name), encoding="utf-8")
        script = _finish_page(folder, site)
        _write_worker(folder, site, script)
    return Exported(output, difference, note=f"; its {README} says how to host it")


def _may_be_replaced(output: Path) -> bool:
    """Whether a folder is empty, or one that this module wrote."""
    if not output.is_dir():
        return False
    try:
        return not any(output.iterdir()) or json.loads((output / SITE).read_bytes())["engine"] == "browser"
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _site(generator: nn.Module, training_size: int, name: str) -> dict[str, Any]:
    """The page's settings: `BrowserSite` of web/src/site.ts."""
    copies = not isinstance(generator, PyramidFill)  # which stays as it is named
    return {
        "engine": "browser",
        "version": version("onar"),
        "examples": [],
        "weights": [{"name": name, "default": True}],
        "copies": copies,
        "model": GENERATOR,
        "blend": BLEND if copies else None,
        "training_size": training_size,
        "step": getattr(generator, "step", 1),
    }


def _write_generator(generator: nn.Module, training_size: int, folder: Path) -> float:
    """Write the generator, and return its difference from the original; raises as `compare`."""
    content = onnx_of(generator, {"training_size": str(training_size)}, half=True)
    plain = folder / Path(GENERATOR).stem
    plain.write_bytes(content)
    difference = compare(run_onnx(plain), generator, HALF_TOLERANCE)
    plain.unlink()
    _compress(content, folder / GENERATOR)
    return difference


def _compress(content: bytes, path: Path) -> None:
    path.write_bytes(gzip.compress(content, 9, mtime=0))


def _copy_examples(folder: Path) -> list[str]:
    """Copy photos to try, and their attribution; returns their addresses."""
    (folder / "examples").mkdir()
    shutil.copy(photo_sources(), folder / "examples" / "ATTRIBUTION.md")
    return [str(Path(shutil.copy(photo, folder / "examples")).relative_to(folder)) for photo in example_photos()]


def _copy_licences(folder: Path) -> None:
    """Add the licences that the page lacks: of ONNX Runtime's parts, and of the bundled weights."""
    runtime = find_spec("onnxruntime")
    assert runtime is not None
    assert runtime.origin is not None
    shutil.copy(Path(runtime.origin).with_name("ThirdPartyNotices.txt"), folder / "onnxruntime-notices.txt")
    for terms in ("MODEL_CARD.md", "credits.tsv"):
        shutil.copy(bundled_weights().with_name(terms), folder)


def _named_by_content(path: Path) -> dict[str, Any]:
    """Add a hash of its content to a file's name; returns the page's settings for it."""
    content = path.read_bytes()
    stem, dot, ending = path.name.partition(".")
    renamed = path.rename(path.with_name(f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}{dot}{ending}"))
    return {"name": renamed.name, "bytes": len(content)}


def _finish_page(folder: Path, site: dict[str, Any]) -> str:
    """Put policy, manifest, settings and style into the page; returns its script's name.

    The style is inside because browsers refuse a style sheet with a wrong content type.
    """
    index, sheet = folder / INDEX, folder / "page.css"
    script = str(_named_by_content(folder / "page.js")["name"])
    text = index.read_text(encoding="utf-8").replace(_SCRIPT, f'"./{script}"')
    if style := _STYLE.search(text):
        text = text.replace(style[0], f"<style>{sheet.read_text(encoding='utf-8')}</style>")
        sheet.unlink()
    inside = json.dumps(site).replace("<", "\\u003c")  # a name may hold the end of a script
    text = text.replace("</head>", f'<script type="application/json" id="onar-site">{inside}</script></head>', 1)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}" />'
    text = text.replace("<head>", f"<head>{policy}", 1)
    text = text.replace("</head>", '<link rel="manifest" href="manifest.webmanifest" /></head>', 1)
    index.write_text(text, encoding="utf-8")
    icons = [{"src": icon.name, "sizes": "any", "type": "image/svg+xml"} for icon in folder.glob("favicon.svg")]
    manifest = {"name": "Onar", "short_name": "Onar", "start_url": "./", "display": "standalone", "icons": icons}
    (folder / "manifest.webmanifest").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    return script


def _write_worker(folder: Path, site: dict[str, Any], page_script: str) -> None:
    """Give the service worker the list of files, and a version that changes with any of them."""
    script = folder / WORKER
    code = script.read_text(encoding="utf-8")
    script.unlink()
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    digest = hashlib.sha256(code.encode())
    for name in files:
        digest.update(name.encode() + b"\0" + hashlib.sha256((folder / name).read_bytes()).digest())
    loaded = {name: file["name"] for name, file in site["files"].items()}
    runtimes = {"processor": loaded.pop(_FOR_PROCESSORS), "gpu": loaded.pop(_FOR_GPUS)}
    always = [page_script, *loaded.values()]
    others = {*always, *runtimes.values(), README, SITE}
    page = ["./", *(name for name in files if not name.startswith("licences/") and name not in others)]
    lists = {"page": page, "always": always, **runtimes}
    head = f"const ONAR_VERSION = {json.dumps(digest.hexdigest()[:16])};\nconst ONAR_FILES = {json.dumps(lists)};\n"
    script.write_text(head + code, encoding="utf-8")
