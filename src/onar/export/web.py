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
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
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
from onar.finding.damage import DamageNetwork
from onar.finding.kinds import WITHOUT_EXTRA
from onar.inference.public_networks import NETWORKS, PublicBackend, load_onnx
from onar.models import PyramidFill
from onar.system.files import replacing_folder
from onar.weights.bundled import bundled_page, bundled_weights, example_photos, finder_weights, photo_sources
from onar.weights.choices import WeightsChoice, describe

SITE, INDEX, README, WORKER = "onar.json", "index.html", "README.md", "sw.js"
GENERATOR, BLEND, FINDER = "generator.onnx.gz", "blend.onnx.gz", "finder.onnx.gz"
_FOR_PROCESSORS, _FOR_GPUS = "ort.wasm.gz", "ort-gpu.wasm.gz"
_PAGE = {"folder.html": INDEX, "folder.js": "page.js", "folder.css": "page.css"}
"""Names of files for folders in the built page, and in the folder."""
_OF_SERVERS = (*_PAGE.values(), "uplot.js", "uplot.txt")  # files of a server's page alone
_LOADED = ("worker.js", _FOR_PROCESSORS, _FOR_GPUS, "patchmatch.wasm", GENERATOR, BLEND, FINDER)
"""Files that the page loads when they are needed."""
_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' blob: data:; manifest-src 'self'; "
    "script-src 'self' blob: 'wasm-unsafe-eval'; style-src 'unsafe-inline'; worker-src 'self' blob:"
)
"""Content security policy: the page can send nothing but requests for files to its own host."""

_STYLE = re.compile(r'<link rel="stylesheet"[^>]*href="\./folder\.css"[^>]*>')
_SCRIPT = '"./folder.js"'


@dataclass(frozen=True)
class WebNetwork:
    """A network for the page.

    Attributes:
        choice: what it is.
        settings: those of web/src/site.ts that are the network's.
        copies: texture is copied over its fills.
        write: writes its ONNX file, and returns the largest difference from the original in [0, 1].
    """

    choice: WeightsChoice
    settings: dict[str, Any]
    copies: bool
    write: Callable[[Path], float]


def own_network(generator: nn.Module, training_size: int, path: Path | None, weights: str) -> WebNetwork:
    """A network of Onar's.

    Args:
        generator: one of `GENERATORS` with a graph.
        training_size: side in pixels of its training crops.
        path: its file; None for the pyramid.
        weights: its name.
    """
    settings = {"training_size": training_size, "step": getattr(generator, "step", 1), "network": None}
    copies = not isinstance(generator, PyramidFill)  # which stays as it is named
    write = partial(_write_generator, generator, training_size)
    return WebNetwork(describe(Path(weights).stem, path), settings, copies, write)


def public_network(path: Path, weights: str, network: str) -> WebNetwork:
    """A network of another program, whose file is taken as it is.

    Args:
        path: its ONNX file.
        weights: its name.
        network: its kind, or "auto".

    Raises:
        OnarError: the file cannot be read, no kind fits it, or its numbers are none that browsers have.
        UsageError: the kind does not fit it.
    """
    backend, training_size = load_onnx(path, "cpu", 0, network)
    assert isinstance(backend, PublicBackend)
    if any(port.type not in ("float32", "uint8") for port in backend.ports):
        raise OnarError(f"{path} takes {backend.ports[0].type}: the page runs networks that take float32 or uint8")
    kind, known = backend.network, describe(Path(weights).stem, path)
    name = next(name for name, one in NETWORKS.items() if one is kind)
    about = {field: getattr(kind, field) for field in ("photo", "mask", "output", "type", "mask_first", "mixes")}
    inputs = [{"name": port.name, "channels": count} for port, count in zip(backend.ports, kind.inputs, strict=True)]
    settings = {
        "training_size": training_size,
        "step": backend.step,
        "network": {
            **about,
            "inputs": inputs,
            "size": backend.size,
            "step": backend.step,
            "max_side": backend.max_side,
        },
    }
    return WebNetwork(replace(known, kind=name), settings, copies=False, write=partial(_copy, path))


def export_web(network: WebNetwork, output: Path, blend: Path) -> Exported:
    """Write the folder, or replace an earlier one of the kind.

    Args:
        network: what fills.
        output: the folder.
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
        difference = network.write(folder / Path(GENERATOR).stem)
        _compress((folder / Path(GENERATOR).stem).read_bytes(), folder / GENERATOR)
        (folder / Path(GENERATOR).stem).unlink()
        site = _site(network)
        if site["copies"]:
            _compress(compared_blend(load_blend(blend), half=True)[0], folder / BLEND)
        site.update(_add_finder(folder))
        site["examples"] = _copy_examples(folder)
        site["files"] = {name: _named_by_content(folder / name) for name in _LOADED if (folder / name).exists()}
        (folder / SITE).write_text(json.dumps(site, indent=2), encoding="utf-8")
        _copy_licences(folder / "licences")
        readme = Path(__file__).with_name("web_readme.md").read_text(encoding="utf-8")
        readme = readme.format(version=site["version"], weights=network.choice.name)
        (folder / README).write_text(readme, encoding="utf-8")
        script = _finish_page(folder, site)
        _write_worker(folder, site, script)
    exported = Exported(output, difference, note=f"; its {README} says how to host it")
    return replace(exported, photos="byte by byte") if network.settings["network"] else exported  # a copied file


def _may_be_replaced(output: Path) -> bool:
    """Whether a folder is empty, or one that this module wrote."""
    if not output.is_dir():
        return False
    try:
        return not any(output.iterdir()) or json.loads((output / SITE).read_bytes())["engine"] == "browser"
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _site(network: WebNetwork) -> dict[str, Any]:
    """The page's settings: `BrowserSite` of web/src/site.ts."""
    choice = network.choice
    return {
        "engine": "browser",
        "version": version("onar"),
        "examples": [],
        "weights": [{"name": choice.name, "default": True, "kind": choice.kind, "licence": choice.licence}],
        "copies": network.copies,
        "model": GENERATOR,
        "blend": BLEND if network.copies else None,
        **network.settings,
    }


def _write_generator(generator: nn.Module, training_size: int, path: Path) -> float:
    """Write the generator, and return its difference from the original; raises as `compare`."""
    path.write_bytes(onnx_of(generator, {"training_size": str(training_size)}, half=True))
    return compare(run_onnx(path), generator, HALF_TOLERANCE)


def _copy(source: Path, path: Path) -> float:
    shutil.copyfile(source, path)
    return 0.0


def _compress(content: bytes, path: Path) -> None:
    path.write_bytes(gzip.compress(content, 9, mtime=0))


def _add_finder(folder: Path) -> dict[str, Any]:
    """Add the network that finds scratches and dust, and return the page's settings for it."""
    file = finder_weights()
    if not file.is_file():
        return {"finds": [], "finder": None}
    _compress(file.read_bytes(), folder / FINDER)
    thresholds = DamageNetwork(file, WITHOUT_EXTRA, "cpu").thresholds
    finds = [{"name": name, "missing": None} for name in WITHOUT_EXTRA]
    return {"finds": finds, "finder": {"model": FINDER, "thresholds": thresholds}}


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
    for terms in ("MODEL_CARD.md", "credits.tsv", "EFFICIENTNET_LICENSE.txt"):
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
    shared = {"files": [{"name": "photo", "accept": ["image/*"]}]}
    share = {"action": "share", "method": "POST", "enctype": "multipart/form-data", "params": shared}
    manifest = {
        "name": "Onar",
        "short_name": "Onar",
        "start_url": "./",
        "display": "standalone",
        "icons": icons,
        "share_target": share,
    }
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
