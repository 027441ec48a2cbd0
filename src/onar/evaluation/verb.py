"""Score a way to fill holes on photos it has not seen: `evaluate("photos", weights="generator_final.pth")`.

The protocol is that of Liu et al. 2018 (section 4). It is described in `docs/evaluate.md`, and in the modules that each
do a part of it: `pairs`, `methods`, `scoring`, `differences`, `report` and `report_page`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from onar.errors import UsageError
from onar.evaluation.differences import LEVEL, RESAMPLES, find_differences
from onar.evaluation.means import bucket_scores, mean_scores
from onar.evaluation.methods import Named, gather_methods, name_fills
from onar.evaluation.pair_files import write_pair_files
from onar.evaluation.pairs import BORDER_SHARE, MASKS_PER_RANGE, Pairs, generated_holes, mask_files
from onar.evaluation.report import Report
from onar.evaluation.report_page import write_reports
from onar.evaluation.scoring import choose_examples, load_judges, score_all, set_distances
from onar.masks.holes import HOLE_RATIO_RANGES
from onar.metrics.baselines import Fill
from onar.metrics.scores import MAX_PSNR
from onar.metrics.table import METRICS
from onar.settings.checks import check_seed
from onar.settings.training import ImageSize
from onar.system.files import check_writable

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
    "torch-fidelity",
)


def evaluate(
    data: Path | str,
    *,
    masks: Path | str | None = None,
    weights: Named = None,
    fills: Named = None,
    baselines: bool = False,
    methods: Mapping[str, Fill] | None = None,
    img_size: ImageSize | None = None,
    masks_per_range: int | None = None,
    count: int | None = None,
    seed: int = 0,
    features: str | None = None,
    features_weights: Path | str | None = None,
    device: str = "auto",
    texture: str = "auto",
    blend: Path | None = None,
    output: Path | str | None = None,
) -> Report:
    """Score fills of holes in photos.

    Args:
        data: folder of photos, searched with its subfolders.
        masks: folder of mask files (white = hole), each used once; without it, holes are generated from the seed.
        weights: what `Inpainter.load` takes; several as a list, or by name as a dictionary. The first is the one that
            the others are compared with.
        fills: a folder of completed pictures that another program has made of what `write_pairs` wrote, or several as
            a list or by name. A pair that lacks a usable fill in one of them is scored for no method.
        baselines: also score the fills of `onar.metrics.baselines` and the pyramid fill on the same holes.
        methods: further fills to score on the same holes, by name.
        img_size: centre crops resized to this size (one number, or height and width); without it, whole photos at
            their own size.
        masks_per_range: masks in each of the twelve groups (six ranges, without and with border): generated ones, by
            default 10, or at most so many of the mask files, by default all.
        count: use so many photos, spread evenly over the folder; by default all.
        seed: another seed gives other generated holes.
        features: network of `onar.metrics.set_features.SET_FEATURES` on whose features FID and KID are computed.
        features_weights: its weights; by default those of its package or of torch's cache.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        texture: of the fills of `weights`, as `Inpainter` takes it.
        blend: for copied texture, as `Inpainter.load` takes it.
        output: write the report there as JSON, and beside it as an HTML page.

    Raises:
        UsageError: an option has a value it cannot have, or two methods would have one name.
        OnarError: no photos, no masks, unusable weights or fills, or the report cannot be written.
    """
    _check_options(img_size, masks_per_range, count, seed, output)
    if features_weights is not None and features is None:
        raise UsageError("--features_weights needs --features: the network whose weights they are")
    folders = [("fills", place) for place in name_fills(fills).values()]
    pairs, unreadable = _find_pairs(Path(data), masks, img_size, masks_per_range, count, seed, folders)
    compared = gather_methods(
        weights, fills, methods or {}, pairs.holes, baselines=baselines, device=device, texture=texture, blend=blend
    )
    if output is not None:
        check_writable(Path(output))
    judges = load_judges(features, Path(features_weights) if features_weights else None, device)
    scored = score_all(pairs, compared, judges)
    rows = list(scored.rows.values())
    report = Report(
        protocol=_protocol(Path(data), masks, pairs, masks_per_range, count),
        seed=seed,
        methods=compared.descriptions,
        unavailable_methods=compared.unavailable,
        metrics={name: replace(one, unavailable=judges.unavailable.get(name)) for name, one in METRICS.items()},
        masks_sha256=scored.masks_hash.value,
        weights_sha256=next(iter(compared.weights_sha256.values())),
        weights=compared.weights_sha256,
        versions=_versions(),
        images=tuple(rows),
        overall=mean_scores(rows),
        buckets=bucket_scores(rows),
        differences=find_differences(rows, seed),
        sets=set_distances(features, judges, scored),
        fills={name: folder.found for name, folder in compared.folders.items()},
        skipped=(*unreadable, *pairs.skipped.values()),
        examples=choose_examples(pairs, compared, scored.rows),
    )
    if output is not None:
        write_reports(report, Path(output))
    return report


def write_pairs(
    data: Path | str,
    folder: Path | str,
    *,
    masks: Path | str | None = None,
    img_size: ImageSize | None = None,
    masks_per_range: int | None = None,
    count: int | None = None,
    seed: int = 0,
) -> int:
    """Write the photos and masks that `evaluate` would score with these arguments, for any other program to complete.

    `photos` in the folder has the photos, at the size of the evaluation and with grey holes, `masks` the masks (white =
    hole), as PNG files. Both have the same names, and so should have the completed pictures, whatever they end in.

    Args:
        data: as for `evaluate`.
        folder: a new one, outside `data`.
        masks: as for `evaluate`.
        img_size: as for `evaluate`.
        masks_per_range: as for `evaluate`.
        count: as for `evaluate`.
        seed: as for `evaluate`.

    Returns:
        How many pairs there are.

    Raises:
        UsageError: an option has a value it cannot have.
        OnarError: no photos, no masks, or the pairs cannot be written.
    """
    _check_options(img_size, masks_per_range, count, seed, None)
    pairs, _ = _find_pairs(Path(data), masks, img_size, masks_per_range, count, seed, [])
    return write_pair_files(pairs, Path(folder))


def _find_pairs(
    data: Path,
    masks: Path | str | None,
    img_size: ImageSize | None,
    masks_per_range: int | None,
    count: int | None,
    seed: int,
    others: list[tuple[str, Path]],
) -> tuple[Pairs, list[str]]:
    """The photos with their holes, and a line for each mask that cannot be read."""
    size = (img_size, img_size) if isinstance(img_size, int) else img_size
    if masks is None:
        return Pairs(data, generated_holes(masks_per_range, seed), size, count, others), []
    holes, unreadable = mask_files(Path(masks), masks_per_range)
    return Pairs(data, holes, size, count, [("masks", Path(masks)), *others]), unreadable


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
        "interval": f"{LEVEL:.0%} of the mean difference; percentile bootstrap over photos, {RESAMPLES} resamples",
        "ranges": [list(limits) for limits in HOLE_RATIO_RANGES],
        "border": f"a hole within {BORDER_SHARE:g} of the side from the edge",
        "psnr_cap": MAX_PSNR,
    }


def _versions() -> dict[str, str | None]:
    return {package: _version(package) for package in _PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
