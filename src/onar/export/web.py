"""The format web: a folder for any static host, whose page fills holes in the browser of whoever opens it.

A host may be given a new folder while pages of the old one are open, and browsers keep files for as long as they like.
So that no page is put together of two versions, `index.html` holds what the page has to know, and all that it loads
has a name that changes with its content.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image
from torch import nn

from onar.errors import OnarError
from onar.export.comparison import largest_difference, say_difference
from onar.export.onnx_files import onnx_of, run_onnx
from onar.inference.blend_graph import build_blend
from onar.inference.onnx_messages import in_half_precision
from onar.models import PyramidFill
from onar.system.files import replacing_folder
from onar.weights.bundled import bundled_page, bundled_weights, example_photos, photo_sources
from onar.weights.files import read_blend_file, step_of

TOLERANCE = 2 / 255
"""Largest difference from the original, in [0, 1]: weights are rounded to half precision."""

SITE, GENERATOR, BLEND, README, WORKER = "onar.json", "generator.onnx.gz", "blend.onnx.gz", "README.md", "sw.js"
INDEX = "index.html"
_FOR_PROCESSORS, _FOR_GPUS = "ort.wasm.gz", "ort-gpu.wasm.gz"
_PAGE = {"folder.html": INDEX, "folder.js": "page.js", "folder.css": "page.css"}
"""What the built page has for folders, and what it is called there."""
_OF_SERVERS = (*_PAGE.values(), "uplot.txt")
"""What only the page of a server has."""
_LOADED = ("worker.js", _FOR_PROCESSORS, _FOR_GPUS, "patchmatch.wasm", GENERATOR, BLEND)
"""What the page loads when it is needed."""
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "connect-src 'self'",
        "img-src 'self' blob: data:",
        "manifest-src 'self'",
        "script-src 'self' blob: 'wasm-unsafe-eval'",
        "style-src 'unsafe-inline'",
        "worker-src 'self' blob:",
    )
)
"""What browsers let the page do: it cannot send anything anywhere but to its own host, which answers with files."""

_STYLE = re.compile(r'<link rel="stylesheet"[^>]*href="\./folder\.css"[^>]*>')
_SCRIPT = '"./folder.js"'


@dataclass(frozen=True)
class ExportedFolder:
    """What was written; printed, it is what a person should know.

    Attributes:
        path: the folder.
        difference: largest difference of its generator from the original in [0, 1].
        size: bytes of all its files.
    """

    path: Path
    difference: float
    size: int

    def __str__(self) -> str:
        size = f"{self.size / 1e6:.1f} MB"
        return f"{say_difference(self.difference)}\n{self.path}: {size}; its {README} says how to host it"


def export_web(generator: nn.Module, training_size: int, output: Path, name: str, blend: Path) -> ExportedFolder:
    """Write the folder.

    Args:
        generator: in `generator_graphs.GRAPHS`.
        training_size: side in pixels of the crops it was trained on.
        output: the folder; an earlier one of the kind is replaced.
        name: of the weights, as the page says it.
        blend: what `onar blend` trained.

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
            _write_blend(blend, folder / BLEND)
        site["examples"] = _copy_examples(folder)
        site["files"] = {name: _named_by_content(folder / name) for name in _LOADED if (folder / name).exists()}
        (folder / SITE).write_text(json.dumps(site, indent=2), encoding="utf-8")
        _copy_licences(folder / "licences")
        _write_readme(folder / README, site)
        script = _finish_page(folder, site)
        _write_worker(folder, site, script)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return ExportedFolder(output, difference, size)


def _may_be_replaced(output: Path) -> bool:
    """Whether a folder is empty, or one that this module wrote."""
    if not output.is_dir():
        return False
    try:
        return not any(output.iterdir()) or json.loads((output / SITE).read_bytes())["engine"] == "browser"
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _site(generator: nn.Module, training_size: int, name: str) -> dict[str, Any]:
    """What the page reads first: `BrowserSite` of web/src/site.ts."""
    copies = not isinstance(generator, PyramidFill)  # which stays what its name says
    return {
        "engine": "browser",
        "version": version("onar"),
        "examples": [],
        "weights": [{"name": name, "default": True}],
        "copies": copies,
        "model": GENERATOR,
        "blend": BLEND if copies else None,
        "training_size": training_size,
        "step": step_of(cast(dict[str, Any], generator.architecture)),
    }


def _write_generator(generator: nn.Module, training_size: int, folder: Path) -> float:
    """Write the generator, and return its largest difference from the original; raises `OnarError` when it is large."""
    content = in_half_precision(onnx_of(generator, {"training_size": str(training_size)}, compact=True))
    plain = folder / Path(GENERATOR).stem
    plain.write_bytes(content)
    difference = largest_difference(run_onnx(plain), generator)
    plain.unlink()
    if not difference <= TOLERANCE:
        raise OnarError(f"nothing is written: the export differs from the original by {difference:.1e}")
    _compress(content, folder / GENERATOR)
    return difference


def _write_blend(blend: Path, path: Path) -> None:
    """Write what blends fills; raises `OnarError` when it cannot be read, or does not compute the same."""
    weights, _ = read_blend_file(blend)
    content = build_blend(weights)
    smaller = in_half_precision(content)
    one, other = (_blend_photo(model) for model in (content, smaller))
    difference = float(np.abs(one - other).max())
    if not difference <= TOLERANCE:
        raise OnarError(f"nothing is written: the blend of the export differs by {difference:.1e}")
    _compress(smaller, path)


def _blend_photo(model: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What a blend makes of a bundled photo and its mirror images, with a hole in the middle."""
    import onnxruntime

    photo = Image.open(example_photos()[0]).convert("RGB").resize((256, 192))
    led = np.asarray(photo, np.float32).transpose(2, 0, 1)[None] / 255
    known = np.ones_like(led[:, :1])
    known[..., 64:128, 64:192] = 0
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    blended: np.ndarray[Any, np.dtype[np.float32]]
    copied, coarse = (np.flip(led, axis).copy() for axis in (3, 2))
    (blended,) = session.run(None, {"led": led, "copied": copied, "coarse": coarse, "known": known})
    return blended


def _compress(content: bytes, path: Path) -> None:
    path.write_bytes(gzip.compress(content, 9, mtime=0))


def _copy_examples(folder: Path) -> list[str]:
    """Copy photos to try, and who made them; their addresses."""
    (folder / "examples").mkdir()
    shutil.copy(photo_sources(), folder / "examples" / "ATTRIBUTION.md")
    return [str(Path(shutil.copy(photo, folder / "examples")).relative_to(folder)) for photo in example_photos()]


def _copy_licences(folder: Path) -> None:
    """Add the terms that the page does not bring: of what ONNX Runtime is made of, and of the bundled weights."""
    runtime = find_spec("onnxruntime")
    assert runtime is not None
    assert runtime.origin is not None
    shutil.copy(Path(runtime.origin).with_name("ThirdPartyNotices.txt"), folder / "onnxruntime-notices.txt")
    for terms in ("MODEL_CARD.md", "credits.tsv"):
        shutil.copy(bundled_weights().with_name(terms), folder)


def _named_by_content(path: Path) -> dict[str, Any]:
    """Rename a file: its name now changes with its content. What the page has to know of it."""
    content = path.read_bytes()
    stem, dot, ending = path.name.partition(".")
    renamed = path.rename(path.with_name(f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}{dot}{ending}"))
    return {"name": renamed.name, "bytes": len(content)}


def _finish_page(folder: Path, site: dict[str, Any]) -> str:
    """Give the page its policy and manifest, and put inside what it has to know and its style; its script's name.

    With another type than a style's, browsers refuse a file.
    """
    index, sheet = folder / INDEX, folder / "page.css"
    script = str(_named_by_content(folder / "page.js")["name"])
    text = index.read_text(encoding="utf-8").replace(_SCRIPT, f'"./{script}"')
    if style := _STYLE.search(text):
        text = text.replace(style[0], f"<style>{sheet.read_text(encoding='utf-8')}</style>")
        sheet.unlink()
    inside = json.dumps(site).replace("<", "\\u003c")  # a name may hold what ends a script
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
    """Tell the service worker which files there are, and a version that changes with any of them."""
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


def _write_readme(path: Path, site: dict[str, Any]) -> None:
    """Write what whoever hosts the folder should know."""
    text = Path(__file__).with_name("web_readme.md").read_text(encoding="utf-8")
    path.write_text(text.format(version=site["version"], weights=site["weights"][0]["name"]), encoding="utf-8")
