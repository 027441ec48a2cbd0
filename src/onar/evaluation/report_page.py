"""report.json and report.html of an evaluation. The page holds its pictures itself and needs no network."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from html import escape
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from onar.errors import OnarError
from onar.evaluation.pairs import percent
from onar.evaluation.report import (
    Bucket,
    Example,
    Metric,
    Report,
    Scores,
    best_of,
    overall_columns,
    overall_scores,
    remarks,
    shown,
)
from onar.files import write_text
from onar.imaging.images import Pixels

PICTURE_SIDE = 420
"""Longest side, in pixels, of a picture in the page."""

_PLOTTED = ("psnr", "psnr_hole", "ssim", "l1_hole", "lpips", "st_lpips")

_BEST = ' class="best"'

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1200px; margin: 2em auto;
       padding: 0 1em; }
h1, h2, h3 { line-height: 1.2; margin: 1.6em 0 .5em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { padding: .25em .7em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
td.best { font-weight: 700; background: #e8f4ea; }
tr.count td, .note { color: #666; }
.wide { overflow-x: auto; }
.pictures { display: flex; flex-wrap: wrap; gap: 12px; }
figure { margin: 0; }
figure img { display: block; min-width: 200px; max-width: 100%; }
figcaption { font-size: 13px; color: #444; max-width: 200px; }
code { overflow-wrap: anywhere; }
dt { font-weight: 600; } dd { margin: 0 0 .4em; }
"""


def check_writable(output: Path) -> None:
    """Make the folder of the reports; raises `OnarError` now rather than after hours of work."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OnarError(f"cannot write {output}: {error.strerror or error}") from error
    if not os.access(output.parent, os.W_OK):
        raise OnarError(f"cannot write {output}: no permission to write in {output.parent}")


def write_reports(report: Report, output: Path) -> None:
    """Write the JSON to `output` and the page beside it, each whole or not at all; raises `OnarError`."""
    write_text(output, report.to_json())
    write_text(output.with_suffix(".html"), to_html(report))


def to_html(report: Report) -> str:
    """The page: tables, plots by hole share, and examples as pictures."""
    asked = next(iter(report.methods))
    photos = len({row.photo for row in report.images})
    parts = [
        f"<h1>How well {escape(asked)} fills holes</h1>",
        f"<p>{len(report.images)} masks on {photos} photos. Bold: best of its column.</p>",
        _overall(report),
        *(f'<p class="note">{escape(line)}</p>' for line in remarks(report)),
        "<h2>By hole share</h2>",
        "<p>N: holes keep away from the border. B: holes reach it. Means over the masks in the last row.</p>",
        *(_by_range(report, name) for name in report.available_metrics),
        _plots(report),
        *(_example(report, example) for example in report.examples),
        "<h2>How it was done</h2>",
        _protocol(report),
        _skipped(report),
    ]
    title = f"Onar evaluation: {escape(asked)}"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


# ---------------------------------------------------------------- tables


def _overall(report: Report) -> str:
    columns, scores = overall_columns(report), overall_scores(report)
    best = {name: best_of(scores, name, metric) for name, metric in columns.items()}
    header = ["method", *(metric.title for metric in columns.values())]
    rows = [
        _row(method, ((scores[method][name], metric, best[name] == method) for name, metric in columns.items()))
        for method in scores
    ]
    return _table(header, rows)


def _by_range(report: Report, name: str) -> str:
    metric = report.metrics[name]
    columns = [(one.range, border) for one in report.buckets if one.border is None for border in (False, True)]
    buckets = [report.bucket(*column) for column in columns]
    best = [best_of(bucket.scores, name, metric) if bucket else None for bucket in buckets]
    header = [
        metric.title,
        *(f"{percent(*limits) if limits else 'other'} {'B' if b else 'N'}" for limits, b in columns),
    ]
    rows = [
        _row(
            method, ((_score(one, method, name), metric, top == method) for one, top in zip(buckets, best, strict=True))
        )
        for method in report.methods
    ]
    counts = "".join(f"<td>{bucket.count if bucket else 0}</td>" for bucket in buckets)
    return _table(header, [*rows, f'<tr class="count"><td>masks</td>{counts}</tr>'])


def _score(bucket: Bucket | None, method: str, name: str) -> float | None:
    return bucket.scores[method][name] if bucket else None


def _row(method: str, cells: Iterable[tuple[float | None, Metric, bool]]) -> str:
    marked = (f"<td{_BEST if best else ''}>{shown(value, metric.digits)}</td>" for value, metric, best in cells)
    return f"<tr><td>{escape(method)}</td>{''.join(marked)}</tr>"


def _table(header: list[str], rows: list[str]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in header)
    return f'<div class="wide"><table><tr>{titles}</tr>{"".join(rows)}</table></div>'


# ---------------------------------------------------------------- plots and pictures


def _plots(report: Report) -> str:
    """Mean scores by range of hole share, a curve for each method; where matplotlib is missing, how to get them."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return '<p class="note">Plots of these scores need pip install "onar[evaluate]".</p>'
    names = [name for name in _PLOTTED if name in report.available_metrics]
    buckets = [bucket for bucket in report.buckets if bucket.border is None]
    figure = Figure(figsize=(12, 3.4 * -(-len(names) // 3)), layout="constrained")
    panels = list(figure.subplots(-(-len(names) // 3), 3, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        for method in report.methods:
            values = [_or_gap(bucket.scores, method, name) for bucket in buckets]
            axes.plot([bucket.title for bucket in buckets], values, marker="o", markersize=3, label=method)
        axes.set_title(report.metrics[name].title)
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize="small")
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    plots = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return f'<div class="wide">{_image(plots, "scores by hole share")}</div>'


def _or_gap(scores: Scores, method: str, name: str) -> float:
    value = scores[method][name]
    return float("nan") if value is None else value


def _example(report: Report, example: Example) -> str:
    row = example.row
    heading = f"{example.title}: {row.photo} with {row.mask}, {row.hole_share:.0%} hole"
    pictures = [_figure(example.masked, "holes in white")]
    for method, picture in example.completed.items():
        psnr, ssim = (shown(row.scores[method][name], report.metrics[name].digits) for name in ("psnr_hole", "ssim"))
        pictures.append(_figure(picture, f"{method}: {psnr} dB in holes, SSIM {ssim}"))
    pictures.append(_figure(example.original, "original"))
    return f'<h3>{escape(heading)}</h3><div class="pictures">{"".join(pictures)}</div>'


def _figure(picture: Pixels, caption: str) -> str:
    image = _image(_jpeg(picture), caption)
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def _image(address: str, description: str) -> str:
    return f'<img alt="{escape(description)}" src="{address}">'


def _jpeg(picture: Pixels) -> str:
    """A picture as text, no larger than `PICTURE_SIDE`."""
    scale = min(1.0, PICTURE_SIDE / max(picture.shape[:2]))
    width, height = (max(1, round(scale * side)) for side in (picture.shape[1], picture.shape[0]))
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) if scale < 1 else picture
    buffer = BytesIO()
    Image.fromarray(np.asarray(small, np.uint8)).save(buffer, "JPEG", quality=92, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


# ---------------------------------------------------------------- how it was done


def _protocol(report: Report) -> str:
    entries = {name.replace("_", " "): str(value) for name, value in report.protocol.items()}
    entries |= {
        "seed": str(report.seed),
        "SHA-256 of the masks": report.masks_sha256,
        "SHA-256 of the weights": report.weights_sha256 or "none",
        "versions": ", ".join(f"{name} {version or 'missing'}" for name, version in report.versions.items()),
    }
    entries |= {f"method {name}": text for name, text in report.methods.items()}
    texts = (f"<dt>{escape(name)}</dt><dd><code>{escape(text)}</code></dd>" for name, text in entries.items())
    return f"<dl>{''.join(texts)}</dl>"


def _skipped(report: Report) -> str:
    if not report.skipped:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in report.skipped)
    return f"<h2>Left out</h2><ul>{lines}</ul>"
