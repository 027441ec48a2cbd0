"""Every score of single photos: one entry each in `METRICS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from onar.metrics.scores import Values, l1, l1_hole, psnr, psnr_hole, ssim, ssim_hole

if TYPE_CHECKING:
    from onar.metrics.learned_distances import LearnedDistance


@dataclass(frozen=True)
class Metric:
    """A score: how it is computed, and how it is shown."""

    title: str  # for tables, curves and the page
    higher_is_better: bool  # its direction
    digits: int = 4  # decimals in tables
    # (composite, photo, known) -> B values, as in `onar.metrics.scores`
    compute: Callable[[ArrayLike, ArrayLike, ArrayLike], Values] | None = None
    load: Callable[[], LearnedDistance] | None = None  # loads the network that computes it instead, which needs torch
    in_curves: bool = False  # drawn after every epoch of a training
    unavailable: str | None = None  # why it could not be computed


def _lpips() -> LearnedDistance:
    from onar.metrics.learned_distances import lpips

    return lpips()


def _st_lpips() -> LearnedDistance:
    from onar.metrics.learned_distances import st_lpips

    return st_lpips()


METRICS: dict[str, Metric] = {
    "psnr": Metric("PSNR (dB)", higher_is_better=True, digits=2, compute=psnr, in_curves=True),
    "psnr_hole": Metric("PSNR in holes (dB)", higher_is_better=True, digits=2, compute=psnr_hole, in_curves=True),
    "ssim": Metric("SSIM", higher_is_better=True, compute=ssim, in_curves=True),
    "ssim_hole": Metric("SSIM in holes", higher_is_better=True, compute=ssim_hole),
    "l1": Metric("L1", higher_is_better=False, compute=l1, in_curves=True),
    "l1_hole": Metric("L1 in holes", higher_is_better=False, compute=l1_hole, in_curves=True),
    "lpips": Metric("LPIPS", higher_is_better=False, load=_lpips),
    "st_lpips": Metric("ST-LPIPS", higher_is_better=False, load=_st_lpips),
}
"""All scores by name; reports, validation, curves and the page read them here."""

OTHER_TITLES = {"error": "Colour error in holes (of 255)"}
"""Titles of scores in logs that are not of photos: those of the colour predictor."""


def title_of(name: str) -> str:
    """The title of a score in a log; its name where there is none."""
    return METRICS[name].title if name in METRICS else OTHER_TITLES.get(name, name)


def score(composite: ArrayLike, photo: ArrayLike, known: ArrayLike) -> dict[str, Values]:
    """Every metric of `METRICS` that needs no network: B values each.

    >>> import numpy as np
    >>> photo, known = np.zeros((1, 3, 16, 16)), np.ones((1, 1, 16, 16))
    >>> score(photo + 0.1, photo, known)["psnr"].round(2)
    array([20.])
    """
    return {name: metric.compute(composite, photo, known) for name, metric in METRICS.items() if metric.compute}


def learned_metrics() -> dict[str, Metric]:
    """Those that a network computes."""
    return {name: metric for name, metric in METRICS.items() if metric.load}


def curve_names(names: Iterable[str]) -> list[str]:
    """Those of some names that are drawn: the `in_curves` of `METRICS` in their order, then unknown ones.

    >>> curve_names(["of_another_version", "l1", "ssim_hole", "psnr"])
    ['psnr', 'l1', 'of_another_version']
    """
    given = list(dict.fromkeys(names))
    drawn = [name for name, metric in METRICS.items() if metric.in_curves and name in given]
    return drawn + [name for name in given if name not in METRICS]
