"""Score a way to fill holes on photos it has not seen: `evaluate("photos", weights="generator_final.pth")`.

The protocol is that of Liu et al. 2018 (section 4). It is described in `docs/evaluate.md`, and in the modules that each
do a part of it: `pairs`, `scoring`, `report` and `report_page`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from onar.config import ImageSize
from onar.errors import UsageError
from onar.evaluation.pairs import BORDER_SHARE, MASKS_PER_RANGE, Pairs, generated_holes, mask_files
from onar.evaluation.report import LEARNED_DISTANCES, Report, bucket_scores, describe_metric, mean_scores
from onar.evaluation.report_page import write_reports
from onar.evaluation.scoring import choose_examples, load_judges, score_all, set_distances
from onar.files import check_writable, file_sha256
from onar.inference.backends import PyramidBackend
from onar.inference.inpainter import PYRAMID, Inpainter
from onar.masks import HOLE_RATIO_RANGES
from onar.metrics.baselines import BASELINES, Fill
from onar.metrics.scores import MAX_PSNR, METRICS
from onar.patchmatch import no_patchmatch
from onar.setting_checks import check_seed

DESCRIPTIONS = {
    "telea": "fast marching (Telea 2004), OpenCV",
    "navier_stokes": "Navier-Stokes (Bertalmio et al. 2001), OpenCV",
    "biharmonic": "biharmonic surface (Damelin & Hoang 2018), scikit-image",
    "patchmatch_2": "PatchMatch (Barnes et al. 2009), patches of 5 x 5 pixels, pypatchmatch",
    "patchmatch_5": "PatchMatch (Barnes et al. 2009), patches of 11 x 11 pixels, pypatchmatch",
    "mean": "the mean colour of the known pixels",
    "pyramid": "the pyramid fill, which learns nothing",
}
_PACKAGES = (
    "onar",
    "onnxruntime",
    "torch",
    "torchvision",
    "torchmetrics",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pypatchmatch",
    "scikit-image",
    "stlpips_pytorch",
)


def evaluate(
    data: Path | str,
    *,
    masks: Path | str | None = None,
    weights: Path | str | None = None,
    baselines: bool = False,
    methods: Mapping[str, Fill] | None = None,
    img_size: ImageSize | None = None,
    masks_per_range: int | None = None,
    count: int | None = None,
    seed: int = 0,
    features: str | None = None,
    device: str = "auto",
    texture: str = "auto",
    blend: Path | None = None,
    output: Path | str | None = None,
) -> Report:
    """Score fills of holes in photos.

    Args:
        data: folder of photos, searched with its subfolders.
        masks: folder of mask files (white = hole), each used once; without it, holes are generated from the seed.
        weights: what `Inpainter.load` takes.
        baselines: also score the fills of `onar.metrics.baselines` and the pyramid fill on the same holes.
        methods: further fills to score on the same holes, by name.
        img_size: centre crops resized to this size (one number, or height and width); without it, whole photos at
            their own size.
        masks_per_range: masks in each of the twelve groups (six ranges, without and with border): generated ones, by
            default 10, or at most so many of the mask files, by default all.
        count: use so many photos, spread evenly over the folder; by default all.
        seed: another seed gives other generated holes.
        features: network of `onar.metrics.feature_networks.FEATURES` on whose features FID and KID are computed.
        device: "auto", "cpu", "cuda" or "mps".
        texture: of the fills of `weights`, as `Inpainter` takes it.
        blend: for copied texture, as `Inpainter.load` takes it.
        output: write the report there as JSON, and beside it as an HTML page.

    Raises:
        UsageError: an option has a value it cannot have.
        OnarError: no photos, no masks, unusable weights, or the report cannot be written.
    """
    _check_options(img_size, masks_per_range, count, seed, output)
    size, folder = (img_size, img_size) if isinstance(img_size, int) else img_size, Path(data)
    holes, unreadable = mask_files(Path(masks), masks_per_range) if masks else (None, [])
    pairs = Pairs(folder, holes or generated_holes(masks_per_range, seed), size, count, Path(masks) if masks else None)
    inpainter = Inpainter.load(weights, device, blend=blend).for_photos()
    fills, descriptions, unavailable = _gather_methods(inpainter, texture, baselines, methods or {})
    if output is not None:
        check_writable(Path(output))
    judges = load_judges(features, device)
    scored = score_all(pairs, fills, judges)
    rows = list(scored.rows.values())
    report = Report(
        protocol=_protocol(folder, masks, pairs, masks_per_range, count),
        seed=seed,
        methods=descriptions,
        unavailable_methods=unavailable,
        metrics=_describe_metrics(judges.unavailable),
        masks_sha256=scored.masks_hash.value,
        weights_sha256=file_sha256(inpainter.weights) if inpainter.weights else None,
        versions=_versions(),
        images=tuple(rows),
        overall=mean_scores(rows),
        buckets=bucket_scores(rows),
        sets=set_distances(features, scored),
        skipped=(*unreadable, *pairs.skipped.values()),
        examples=choose_examples(pairs, fills, scored.rows),
    )
    if output is not None:
        write_reports(report, Path(output))
    return report


def _check_options(
    img_size: ImageSize | None, masks_per_range: int | None, count: int | None, seed: int, output: Path | str | None
) -> None:
    for name, value in (("masks_per_range", masks_per_range), ("count", count)):
        if value is not None and value < 1:
            raise UsageError(f"--{name} must be at least 1, not {value}")
    check_seed(seed)
    if img_size is not None and min((img_size,) if isinstance(img_size, int) else img_size) < 8:
        raise UsageError(f"--img_size must be at least 8, not {img_size}")
    if output is not None and Path(output).suffix.lower() != ".json":
        raise UsageError(f"--output names the JSON file, such as report.json, not {output}; the page goes beside it")
    if output is not None and Path(output).is_dir():
        raise UsageError(f"--output {output} is a folder: name a file in it, such as {Path(output, 'report.json')}")


# ---------------------------------------------------------------- what is compared


def _gather_methods(
    inpainter: Inpainter, texture: str, baselines: bool, further: Mapping[str, Fill]
) -> tuple[dict[str, Fill], dict[str, str], dict[str, str]]:
    """The fills by name, the one asked about first; what each is; and those that cannot be had, with the reason."""
    asked = PYRAMID if isinstance(inpainter.backend, PyramidBackend) else "onar"
    fills: dict[str, Fill] = {asked: lambda photo, mask: inpainter(photo, mask, texture=texture)}
    unavailable: dict[str, str] = {}
    if baselines:
        fills |= BASELINES
        fills.setdefault(PYRAMID, Inpainter.load(PYRAMID))
        if find_spec("skimage") is None:
            del fills["biharmonic"]
            unavailable["biharmonic"] = 'pip install "onar[evaluate]" (scikit-image is missing)'
        if reason := no_patchmatch():
            for name in [name for name in fills if name.startswith("patchmatch")]:
                del fills[name]
                unavailable[name] = reason
    if taken := sorted(fills.keys() & further.keys()):
        raise UsageError(f"a method cannot be called {taken[0]!r}: that name is taken")
    fills |= further
    descriptions = {name: DESCRIPTIONS.get(name, "given by the caller") for name in fills}
    descriptions[asked] = inpainter.description
    return fills, descriptions, unavailable


# ---------------------------------------------------------------- what the report says besides


def _protocol(
    data: Path, masks: Path | str | None, pairs: Pairs, masks_per_range: int | None, count: int | None
) -> dict[str, Any]:
    default = None if masks else MASKS_PER_RANGE
    return {
        "data": str(data),
        "masks": str(masks) if masks else "generated",
        "img_size": list(pairs.size) if pairs.size else None,
        "masks_per_range": default if masks_per_range is None else masks_per_range,
        "count": count,
        "pairing": "masks in the order of `images`; mask i on photo i modulo the number of photos",
        "scored": "composites in 8 bits; known pixels are the photo's own",
        "ranges": [list(limits) for limits in HOLE_RATIO_RANGES],
        "border": f"a hole within {BORDER_SHARE:g} of the side from the edge",
        "psnr_cap": MAX_PSNR,
    }


def _describe_metrics(unavailable: Mapping[str, str]) -> dict[str, Any]:
    return {name: describe_metric(name, unavailable.get(name)) for name in (*METRICS, *LEARNED_DISTANCES)}


def _versions() -> dict[str, str | None]:
    return {package: _version(package) for package in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
