"""report.json and report.html of an evaluation. The page embeds its pictures and needs no network.

What the page says is in `report_page.html.jinja`; here its numbers and pictures are made. jinja2 comes with the extra
`evaluate` and is imported when a page is written: without it there is the JSON alone.
"""

from __future__ import annotations

import base64
import math
from importlib.resources import files
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from PIL import Image

from onar.evaluation.report import (
    Example,
    Report,
    difference_legend,
    difference_table,
    overall_table,
    range_table,
    remarks,
    shown,
)
from onar.imaging.images import EightBits
from onar.imaging.sheets import reduced
from onar.system.console import warn
from onar.system.files import write_text

PICTURE_SIDE = 420  # longest side, in pixels, of a picture in the page

_TEMPLATE = "report_page.html.jinja"
_PLOTTED = ("psnr", "psnr_hole", "ssim", "l1_hole", "lpips", "st_lpips")


def missing_for_page() -> str | None:
    """How to install the packages for the page, where they are missing."""
    return None if find_spec("jinja2") else 'pip install "onar[evaluate]" (jinja2 is missing)'


def write_reports(report: Report, output: Path) -> None:
    """Write the JSON to `output` and the page beside it, each whole or not at all; raises `OnarError`.

    Without jinja2 the JSON alone is written, and a line on stderr says so.
    """
    write_text(output, report.to_json())
    page = output.with_suffix(".html")
    if missing := missing_for_page():
        warn(f"onar: {page.name} needs {missing}; {output.name} is written without it")
    else:
        write_text(page, to_html(report))


def to_html(report: Report) -> str:
    """The page: tables, plots by hole share, and examples as pictures. Needs jinja2."""
    from jinja2 import Environment, StrictUndefined

    template = files("onar.evaluation").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(template).render(
        asked=next(iter(report.methods)),
        masks=len(report.images),
        photos=len({row.photo for row in report.images}),
        overall=overall_table(report),
        remarks=remarks(report),
        by_range=[range_table(report, name) for name in report.available_metrics],
        legend=difference_legend(report),
        differences=[difference_table(report, name) for name in report.available_metrics if report.differences],
        plots=_plots(report),
        examples=[_example(report, example) for example in report.examples],
        protocol=_protocol(report),
        skipped=report.skipped,
    )


def _plots(report: Report) -> str | None:
    """Mean scores by range of hole share, a curve for each method, as a picture; None where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return None
    names = [name for name in _PLOTTED if name in report.available_metrics]
    buckets = [bucket for bucket in report.buckets if bucket.border is None]
    figure = Figure(figsize=(12, 3.4 * -(-len(names) // 3)), layout="constrained")
    panels = list(figure.subplots(-(-len(names) // 3), 3, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        for method in report.methods:
            values = [math.nan if (one := bucket.scores[method][name]) is None else one for bucket in buckets]
            axes.plot([bucket.title for bucket in buckets], values, marker="o", markersize=3, label=method)
        axes.set_title(report.metrics[name].title)
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize="small")
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return _address(buffer, "png")


def _example(report: Report, example: Example) -> tuple[str, list[tuple[str, str]]]:
    """The heading of an example, and captions and addresses of its pictures."""
    row = example.row
    pictures = [("holes in white", _jpeg(example.masked))]
    for method, picture in example.completed.items():
        psnr, ssim = (shown(row.scores[method][name], report.metrics[name].digits) for name in ("psnr_hole", "ssim"))
        pictures.append((f"{method}: {psnr} dB in holes, SSIM {ssim}", _jpeg(picture)))
    pictures.append(("original", _jpeg(example.original)))
    return f"{example.title}: {row.photo} with {row.mask}, {row.hole_share:.0%} hole", pictures


def _jpeg(picture: EightBits) -> str:
    """A picture as a data: URL, at most `PICTURE_SIDE` pixels a side."""
    buffer = BytesIO()
    Image.fromarray(reduced(picture, PICTURE_SIDE)).save(buffer, "JPEG", quality=92, subsampling=0)
    return _address(buffer, "jpeg")


def _address(buffer: BytesIO, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _protocol(report: Report) -> dict[str, str]:
    entries = {name.replace("_", " "): str(value) for name, value in report.protocol.items()}
    weights = {f"SHA-256 of the weights of {name}": digest or "none" for name, digest in report.weights.items()}
    entries |= {
        "seed": str(report.seed),
        "SHA-256 of the masks": report.masks_sha256,
        **weights,
        "versions": ", ".join(f"{name} {version or 'missing'}" for name, version in report.versions.items()),
    }
    return entries | {f"method {name}": text for name, text in report.methods.items()}
