"""Score methods of inpainting on unseen photos: `evaluate("photos", weights="generator_final.pth")`.

The protocol is that of Liu et al. 2018 (section 4), described in `docs/evaluate.md` and in the modules of its parts:
`pairs`, `methods`, `scoring`, `differences`, `report` and `report_page`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from onar.evaluation.config import EvaluationConfig, PairConfig
from onar.evaluation.differences import LEVEL, RESAMPLES, find_differences
from onar.evaluation.means import bucket_scores, mean_scores
from onar.evaluation.methods import gather_methods, name_fills
from onar.evaluation.pair_files import write_pair_files
from onar.evaluation.pairs import BORDER_SHARE, MASKS_PER_RANGE, Pairs, generated_holes, mask_files
from onar.evaluation.report import Report
from onar.evaluation.report_page import write_reports
from onar.evaluation.scoring import choose_examples, load_judges, score_all, set_distances
from onar.masks.holes import HOLE_RATIO_RANGES
from onar.metrics.baselines import Fill
from onar.metrics.scores import MAX_PSNR
from onar.metrics.table import METRICS
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
    "wasmtime",
)


def evaluate(data: Path | str, *, methods: Mapping[str, Fill] | None = None, **options: Any) -> Report:
    """Score fills of holes in photos.

    Args:
        data: folder of photos, searched with its subfolders.
        methods: further fills to score on the same holes, as {name: function}.
        **options: other fields of `EvaluationConfig`, such as `weights`, `masks`, `baselines` or `output`. `weights`
            and `fills` may be a path, a list, or {name: path}. A pair that lacks a usable fill in one of the folders
            `fills` is scored for no method.

    Raises:
        UsageError: an option has a value it cannot have, or two methods would have one name.
        OnarError: no photos, no masks, unusable weights or fills, or the report cannot be written.
    """
    return score(EvaluationConfig(data=Path(data), **options), methods or {})


def score(config: EvaluationConfig, methods: Mapping[str, Fill] = MappingProxyType({})) -> Report:
    """Score fills by their settings, and functions of the caller; raises as `evaluate`."""
    folders = [("fills", place) for place in name_fills(config.fills).values()]
    pairs, unreadable = _find_pairs(config, folders)
    compared = gather_methods(config, methods, pairs.holes)
    if config.output is not None:
        check_writable(config.output)
    judges = load_judges(config.features, config.features_weights, config.device)
    scored = score_all(pairs, compared, judges)
    rows = list(scored.rows.values())
    report = Report(
        protocol=_protocol(config, pairs),
        seed=config.seed,
        methods=compared.descriptions,
        unavailable_methods=compared.unavailable,
        metrics={name: replace(one, unavailable=judges.unavailable.get(name)) for name, one in METRICS.items()},
        masks_sha256=scored.masks_hash.value,
        weights_sha256=next(iter(compared.weights_sha256.values())),
        weights=compared.weights_sha256,
        versions={package: _version(package) for package in _PACKAGES},
        images=tuple(rows),
        overall=mean_scores(rows),
        buckets=bucket_scores(rows),
        differences=find_differences(rows, config.seed),
        sets=set_distances(config.features, judges, scored),
        fills={name: folder.found for name, folder in compared.folders.items()},
        skipped=(*unreadable, *pairs.skipped.values()),
        examples=choose_examples(pairs, compared, scored.rows),
    )
    if config.output is not None:
        write_reports(report, config.output)
    return report


def write_pairs(data: Path | str, folder: Path | str, **options: Any) -> int:
    """Write the photos and masks that `evaluate` scores with the same options, for any other program to complete.

    The photos, at the size of the evaluation and with grey holes, are written to `photos` in the folder, and the masks
    (white = hole) to `masks`, as PNG files with the same names. The completed pictures should have these names, with
    any ending.

    Args:
        data: as for `evaluate`.
        folder: a new one, outside `data`.
        **options: other fields of `PairConfig`: `masks`, `img_size`, `masks_per_range`, `count`, `seed`.

    Returns:
        The number of pairs.

    Raises:
        UsageError: an option has a value it cannot have.
        OnarError: no photos, no masks, or the pairs cannot be written.
    """
    return write_pairs_of(PairConfig(data=Path(data), **options), Path(folder))


def write_pairs_of(config: PairConfig, folder: Path) -> int:
    """Write pairs by their settings; returns and raises as `write_pairs`."""
    return write_pair_files(_find_pairs(config, [])[0], folder)


def _find_pairs(config: PairConfig, others: list[tuple[str, Path]]) -> tuple[Pairs, list[str]]:
    """The photos with their holes, and a line for each mask that cannot be read."""
    size, count = config.height_width, config.count
    if config.masks is None:
        return Pairs(config.data, generated_holes(config.masks_per_range, config.seed), size, count, others), []
    holes, unreadable = mask_files(config.masks, config.masks_per_range)
    return Pairs(config.data, holes, size, count, [("masks", config.masks), *others]), unreadable


def _protocol(config: PairConfig, pairs: Pairs) -> dict[str, Any]:
    default = None if config.masks else MASKS_PER_RANGE
    return {
        "data": str(config.data),
        "masks": str(config.masks) if config.masks else "generated",
        "img_size": list(pairs.size) if pairs.size else None,
        "masks_per_range": default if config.masks_per_range is None else config.masks_per_range,
        "count": config.count,
        "pairing": "masks in the order of `images`; mask i on photo i modulo the number of photos",
        "scored": "composites in 8 bits; known pixels are the photo's own",
        "interval": f"{LEVEL:.0%} of the mean difference; percentile bootstrap over photos, {RESAMPLES} resamples",
        "ranges": [list(limits) for limits in HOLE_RATIO_RANGES],
        "border": f"a hole within {BORDER_SHARE:g} of the side from the edge",
        "psnr_cap": MAX_PSNR,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
